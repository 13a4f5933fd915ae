"""Generation -> questions: decode the pieces, clean them, leave out what is no question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from qgbatch.models.known_models import Parser
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
_QUESTION_AND_ANSWER = re.compile(r"question: (?P<question>.+?), ?answer: (?P<answer>.+)")


def decode_generation(
    generation: Generation, decode: Callable[[Sequence[int]], str], unk_id: int
) -> DecodedGeneration:
    """The text of each piece."""
    pieces = (None if unk_id in piece else " ".join(decode(piece).split()) for piece in generation.pieces)
    return DecodedGeneration(
        tuple(pieces), round(generation.score, SCORE_DECIMALS), generation.finish_reason
    )


def extract_questions(
    chunk: Chunk, generation: DecodedGeneration, parser: Parser, dropped: Counter[str]
) -> list[Question]:
    """The questions of one output, in order; pieces left out are counted by reason.

    The reasons: ``truncated`` (cut off by the length limit), ``unknown_token`` (a
    character that the vocabulary lacks would be missing from it), ``not_a_question``
    (no question mark at its end, or no word before it; queries need none) and
    ``no_answer`` (the parser wants one beside it). Empty pieces are not counted.
    """
    questions = []
    last = len(generation.pieces) - 1
    for index, text in enumerate(generation.pieces):
        cut_off = index == last and generation.finish_reason == "length"
        if text is None:
            dropped["unknown_token"] += 1
        elif not text:
            continue
        elif parser == "query" and any(map(str.isalnum, text)):
            questions.append(Question(text, index, generation.score, chunk))
        elif parser == "question-answer":
            questions += _with_answer(text, index, generation.score, chunk, dropped)
        elif reason := _reason_to_drop(text, cut_off):
            dropped[reason] += 1
        else:
            questions.append(Question(text, index, generation.score, chunk))
    return questions


def _with_answer(
    text: str, index: int, score: float, chunk: Chunk, dropped: Counter[str]
) -> list[Question]:
    """The question of ``question: ..., answer: ...``, and where its answer is in the text."""
    match = _QUESTION_AND_ANSWER.fullmatch(text)
    if not match:
        dropped["no_answer" if text.startswith("question:") else "not_a_question"] += 1
        return []
    if not is_well_formed(match["question"]):
        dropped["not_a_question"] += 1
        return []
    place = chunk.text.find(match["answer"])
    start_char = chunk.start_char + place if place >= 0 else None
    return [Question(match["question"], index, score, chunk, match["answer"], start_char)]


def with_answer(question: Question, answer: Answer) -> Question:
    """The question with an answer that was found in its chunk's text."""
    start_char = question.chunk.start_char + answer.start_char if answer.text else None
    score = round(answer.score, SCORE_DECIMALS)
    return replace(question, answer=answer.text or None, answer_start_char=start_char, answer_score=score)


def _reason_to_drop(text: str, cut_off: bool) -> str | None:
    if is_well_formed(text):
        return None
    return "truncated" if cut_off and not text.endswith(_QUESTION_MARKS) else "not_a_question"


def is_well_formed(text: str) -> bool:
    """Whether a text has the form of a question: a mark at its end, and a letter or digit before it."""
    return text.endswith(_QUESTION_MARKS) and any(map(str.isalnum, text))
