"""Chooses the questions of a document that are worth keeping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from qgbatch.pipeline.components import Components
from qgbatch.questions.dedupe import find_duplicates
from qgbatch.questions.filters import drop_alternatives, filter_questions
from qgbatch.records import Document, Question
from qgbatch.settings import Settings


def select_questions(
    questions: Sequence[Question], components: Components, dropped: Counter[str]
) -> list[Question]:
    """Score the questions if the model has a ranker, and drop those that a filter rejects."""
    if components.ranker:
        score = components.ranker.score
        questions = [replace(question, score=score(question)) for question in questions]
    return filter_questions(questions, components.settings, components.min_score, dropped)


def drop_duplicates(
    questions: list[Question], components: Components, dropped: Counter[str]
) -> list[Question]:
    """Drop duplicates, and all but the best question per answer if the model has a ranker.

    Duplicates are dropped within each chunk or document; those of the whole corpus are dropped later.
    """
    settings = components.settings
    if settings.dedupe_scope == "document":
        questions = unique(questions, settings, dropped)
    elif settings.dedupe_scope == "chunk":
        by_chunk = groupby(questions, key=lambda question: question.chunk)
        questions = [question for _, group in by_chunk for question in unique([*group], settings, dropped)]
    if components.ranker is None or settings.dedupe == "none":
        return questions
    return drop_alternatives(questions, dropped)


def unique(questions: list[Question], settings: Settings, dropped: Counter[str]) -> list[Question]:
    """Drop duplicates and count them; the order stays."""
    duplicates = find_duplicates(
        [question.question for question in questions],
        [question.score for question in questions],
        settings.dedupe,
        settings.near_threshold,
    )
    dropped.update(duplicates.values())
    return [question for index, question in enumerate(questions) if index not in duplicates]


def number_repetitions(questions: Iterable[Question]) -> Iterator[Question]:
    """Yield the questions of whole documents, with numbered repetitions, so that each has its own id."""
    seen: Counter[tuple[Document, str]] = Counter()
    for question in questions:
        key = question.chunk.document, question.question_id
        yield replace(question, repetition=seen[key])
        seen[key] += 1
