"""Extraction of questions from a generation: decode the pieces, and drop those that are not questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from qgbatch.models.known_models import OutputFormat
from qgbatch.records import (
    SCORE_DECIMALS,
    Answer,
    Chunk,
    DecodedGeneration,
    Generation,
    Question,
)

# A question mark: ASCII, full-width, Arabic, Greek.
_QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")


def decode_generation(
    generation: Generation, decode: Callable[[Sequence[int]], str], unk_id: int
) -> DecodedGeneration:
    """Decode the pieces of a generation; a piece with an unknown token becomes ``None``."""
    pieces = (None if unk_id in piece else " ".join(decode(piece).split()) for piece in generation.pieces)
    return DecodedGeneration(
        tuple(pieces), round(generation.score, SCORE_DECIMALS), generation.finish_reason
    )


def extract_questions(
    chunk: Chunk, generation: DecodedGeneration, output_format: OutputFormat, dropped: Counter[str]
) -> list[Question]:
    """Return the questions of one generation in order, and count dropped pieces by reason.

    The reasons are ``truncated`` (cut off by the length limit), ``unknown_token`` (the
    vocabulary lacks a character of the piece), ``not_a_question`` (no question mark at the end,
    or no word before it; the output format may not need one) and ``no_answer`` (the output
    format has answers, and this question has none). Empty pieces are not counted.
    """
    questions = []
    last = len(generation.pieces) - 1
    for index, text in enumerate(generation.pieces):
        cut_off = index == last and generation.finish_reason == "length"
        if text is None:
            dropped["unknown_token"] += 1
        elif not text:
            continue
        elif output_format.pair_pattern:
            questions += _extract_pair(text, index, generation.score, chunk, output_format, dropped)
        elif not output_format.needs_question_mark and any(map(str.isalnum, text)):
            questions.append(Question(text, index, generation.score, chunk))
        elif reason := _reason_to_drop(text, cut_off):
            dropped[reason] += 1
        else:
            questions.append(Question(text, index, generation.score, chunk))
    return questions


def _extract_pair(
    text: str,
    index: int,
    score: float,
    chunk: Chunk,
    output_format: OutputFormat,
    dropped: Counter[str],
) -> list[Question]:
    """The question and answer of a piece, with the offset of the answer if the chunk contains it."""
    assert output_format.pair_pattern
    match = output_format.pair_pattern.fullmatch(text)
    if not match:
        has_question = text.startswith(output_format.question_label)
        dropped["no_answer" if has_question else "not_a_question"] += 1
        return []
    if not is_well_formed(match["question"]):
        dropped["not_a_question"] += 1
        return []
    offset = chunk.text.find(match["answer"])
    start_char = chunk.start_char + offset if offset >= 0 else None
    return [Question(match["question"], index, score, chunk, match["answer"], start_char)]


def with_answer(question: Question, answer: Answer) -> Question:
    """Return the question with an answer that was found in the text of its chunk."""
    start_char = question.chunk.start_char + answer.start_char if answer.text else None
    score = round(answer.score, SCORE_DECIMALS)
    return replace(question, answer=answer.text or None, answer_start_char=start_char, answer_score=score)


def _reason_to_drop(text: str, cut_off: bool) -> str | None:
    if is_well_formed(text):
        return None
    return "truncated" if cut_off and not text.endswith(_QUESTION_MARKS) else "not_a_question"


def is_well_formed(text: str) -> bool:
    """Whether a text ends with a question mark and has a letter or digit before it."""
    return text.endswith(_QUESTION_MARKS) and any(map(str.isalnum, text))
