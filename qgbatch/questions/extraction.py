"""Extracts questions from generations: decodes the pieces and drops those that are not questions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from qgbatch.models.known_models import OUTPUT_FORMATS, OutputFormat
from qgbatch.records import (
    SCORE_DECIMALS,
    Answer,
    Chunk,
    DecodedGeneration,
    Generation,
    Question,
)

# Question marks: ASCII, full-width, Arabic, Greek.
_QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")


def decode_generation(
    generation: Generation, decode: Callable[[Sequence[int]], str], unk_id: int
) -> DecodedGeneration:
    """Decode the pieces of a generation, with white space collapsed to single spaces.

    Args:
        generation: Token ids, split at the separators.
        decode: Turns token ids into text.
        unk_id: Id of the unknown token. A piece that contains it becomes ``None``.
    """
    pieces = (None if unk_id in piece else " ".join(decode(piece).split()) for piece in generation.pieces)
    return DecodedGeneration(
        tuple(pieces), round(generation.score, SCORE_DECIMALS), generation.finish_reason
    )


def extract_questions(
    chunk: Chunk, generation: DecodedGeneration, parser: str, dropped: Counter[str]
) -> list[Question]:
    """Return the questions of one generation, in order, and count the dropped pieces by reason.

    The reasons are:

    - ``truncated``: the length limit cut the piece off.
    - ``unknown_token``: the piece has a character that the vocabulary lacks.
    - ``not_a_question``: no question mark at the end, or no word before it. Search queries need
      no question mark.
    - ``no_answer``: the output format requires an answer beside the question.

    Empty pieces are ignored and not counted.

    Args:
        chunk: The chunk that the questions are about.
        generation: The decoded output for this chunk.
        parser: A key of :data:`~qgbatch.models.known_models.OUTPUT_FORMATS`.
        dropped: Counts by reason, which are increased here.
    """
    output_format = OUTPUT_FORMATS[parser]
    pattern = output_format.pair_pattern
    questions = []
    last = len(generation.pieces) - 1
    for index, text in enumerate(generation.pieces):
        if text == "":
            continue
        pair = pattern.fullmatch(text) if pattern and text else None
        is_cut_off = index == last and generation.finish_reason == "length"
        if reason := _reason_to_drop(text, pair, output_format, is_cut_off):
            dropped[reason] += 1
        elif pair:
            position = chunk.text.find(pair["answer"])
            start_char = chunk.start_char + position if position >= 0 else None
            score = generation.score
            questions.append(Question(pair["question"], index, score, chunk, pair["answer"], start_char))
        else:
            questions.append(Question(str(text), index, generation.score, chunk))
    return questions


def _reason_to_drop(
    text: str | None, pair: re.Match[str] | None, output_format: OutputFormat, is_cut_off: bool
) -> str | None:
    """Return why a piece is dropped, or ``None`` to keep it."""
    if text is None:
        return "unknown_token"
    if output_format.pair_pattern and not pair:
        return "no_answer" if text.startswith(output_format.question_label) else "not_a_question"
    if pair:
        return None if is_well_formed(pair["question"]) else "not_a_question"
    if is_well_formed(text) or (not output_format.needs_question_mark and _has_word(text)):
        return None
    return "truncated" if is_cut_off and not text.endswith(_QUESTION_MARKS) else "not_a_question"


def add_answer(question: Question, answer: Answer) -> Question:
    """Return a copy of a question with an answer that was found in its chunk."""
    start_char = question.chunk.start_char + answer.start_char if answer.text else None
    score = round(answer.score, SCORE_DECIMALS)
    return replace(question, answer=answer.text or None, answer_start_char=start_char, answer_score=score)


def is_well_formed(text: str) -> bool:
    """Return whether a text ends with a question mark and has a letter or digit before it."""
    return text.endswith(_QUESTION_MARKS) and _has_word(text)


def _has_word(text: str) -> bool:
    return any(map(str.isalnum, text))
