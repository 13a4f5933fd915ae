"""Extraction of questions from a generation: decode the pieces, and drop those that are not questions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from typing import TypeAlias

from qgbatch.models.known_models import OutputFormat
from qgbatch.questions.answers.answer import Answer
from qgbatch.questions.grounding import find_answer, is_informative
from qgbatch.records import (
    SCORE_DECIMALS,
    Chunk,
    DecodedGeneration,
    Generation,
    PairScore,
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
        tuple(pieces),
        round(generation.score, SCORE_DECIMALS),
        generation.truncated,
        tuple(pair and _round(pair) for pair in generation.pair_scores),
    )


def _round(pair: PairScore) -> PairScore:
    return PairScore(*(round(value, SCORE_DECIMALS) for value in astuple(pair)))


def extract_questions(
    chunk: Chunk, generation: DecodedGeneration, output_format: OutputFormat, dropped: Counter[str]
) -> list[Question]:
    """Return the questions of one generation in order, and count dropped pieces by reason.

    The reasons are ``truncated`` (cut off by the length limit), ``unknown_token`` (the
    vocabulary lacks a character of the piece), ``not_a_question`` (no question mark at the end,
    or no word before it; the output format may not need one) and, if the output format has
    answers, ``no_answer`` (the question has none), ``ungrounded_answer`` (the chunk does not
    contain it) and ``uninformative_answer`` (it repeats the question, or most of the chunk).
    Empty pieces are not counted.
    """
    questions = []
    for index, text in enumerate(generation.pieces):
        cut_off = index in generation.truncated
        if text is None:
            dropped["unknown_token"] += 1
        elif not text:
            continue
        elif output_format.pair_pattern:
            scores = generation.pair_scores[index] if generation.pair_scores else None
            pair = _parse_pair(text, chunk, output_format)
            if isinstance(pair, str):
                dropped["truncated" if cut_off and scores is None else pair] += 1
            elif scores is None and (cut_off or generation.pair_scores):  # the answer may be incomplete
                dropped["truncated"] += 1
            else:
                questions.append(_make_question(pair, index, generation.score, scores, chunk))
        elif not output_format.needs_question_mark and any(map(str.isalnum, text)) and not cut_off:
            questions.append(Question(text, index, generation.score, chunk))
        elif reason := _reason_to_drop(text, cut_off):
            dropped[reason] += 1
        else:
            questions.append(Question(text, index, generation.score, chunk))
    return questions


_Pair: TypeAlias = tuple[str, int, int]
"""A question, and the offsets of its answer in the chunk, half open."""


def _parse_pair(text: str, chunk: Chunk, output_format: OutputFormat) -> _Pair | str:
    """Return the question and answer of a piece, or the reason to drop it."""
    assert output_format.pair_pattern
    match = output_format.pair_pattern.fullmatch(text)
    if not match:
        return "no_answer" if text.startswith(output_format.question_label) else "not_a_question"
    question, answer = match["question"], match["answer"]
    if not is_well_formed(question):
        return "not_a_question"
    place = find_answer(answer, question, chunk.text)
    if place is None:
        return "ungrounded_answer"
    if not is_informative(answer, question, chunk.text):
        return "uninformative_answer"
    return question, *place


def _make_question(
    pair: _Pair, index: int, score: float, scores: PairScore | None, chunk: Chunk
) -> Question:
    """Return the question of a piece; the answer is spelled as in the chunk."""
    question, start, end = pair
    return Question(
        question,
        index,
        score,
        chunk,
        chunk.text[start:end],
        chunk.start_char + start,
        round(math.exp(scores.answer), SCORE_DECIMALS) if scores else None,
        scores,
    )


def with_answer(question: Question, answer: Answer) -> Question:
    """Return the question with an answer that was found in the text of its chunk.

    An answer that a reader wrote stays.
    """
    if question.review == "edited":
        question = replace(question, original_answer=answer.text or None)
        if question.answer is not None:
            return question
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
