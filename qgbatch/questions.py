"""Generation -> questions: decode the pieces, clean them, leave out what is no question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from qgbatch.records import SCORE_DECIMALS, Chunk, DecodedGeneration, Generation, Question

# A question mark: ASCII, full-width, Arabic, Greek.
_QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")


def decode_generation(
    generation: Generation, decode: Callable[[Sequence[int]], str], unk_id: int
) -> DecodedGeneration:
    """The text of each piece."""
    pieces = (None if unk_id in piece else " ".join(decode(piece).split()) for piece in generation.pieces)
    return DecodedGeneration(
        tuple(pieces), round(generation.score, SCORE_DECIMALS), generation.finish_reason
    )


def extract_questions(chunk: Chunk, generation: DecodedGeneration, dropped: Counter[str]) -> list[Question]:
    """The questions of one output, in order; pieces left out are counted by reason.

    The reasons: ``truncated`` (cut off by the length limit), ``unknown_token`` (a
    character that the vocabulary lacks would be missing from it) and ``not_a_question``
    (no question mark at its end, or no word before it). Empty pieces are not counted.
    """
    questions = []
    last = len(generation.pieces) - 1
    for index, text in enumerate(generation.pieces):
        cut_off = index == last and generation.finish_reason == "length"
        if text is None:
            dropped["unknown_token"] += 1
        elif reason := _reason_to_drop(text, cut_off):
            dropped[reason] += 1
        elif text:
            questions.append(Question(text, index, generation.score, chunk))
    return questions


def _reason_to_drop(text: str, cut_off: bool) -> str | None:
    if not text or is_well_formed(text):
        return None
    return "truncated" if cut_off and not text.endswith(_QUESTION_MARKS) else "not_a_question"


def is_well_formed(text: str) -> bool:
    """Whether a text has the form of a question: a mark at its end, and a letter or digit before it."""
    return text.endswith(_QUESTION_MARKS) and any(map(str.isalnum, text))
