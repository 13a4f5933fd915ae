"""Chooses the questions of a document that are worth keeping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from qgbatch.pipeline.components import Components
from qgbatch.questions.dedupe import find_duplicates
from qgbatch.questions.filters import drop_alternatives, filter_questions
from qgbatch.records import Question
from qgbatch.settings import Settings


def select_questions(
    questions: Sequence[Question], components: Components, dropped: Counter[str]
) -> list[Question]:
    """Score the questions if the model has a ranker, and drop those that a filter rejects."""
    ranker, settings = components.ranker, components.settings
    if ranker:
        questions = [replace(question, score=ranker.score(question)) for question in questions]
    kept = filter_questions(questions, settings, components.min_score, dropped)
    return drop_alternatives(kept, dropped) if ranker else kept


def drop_duplicates(questions: list[Question], settings: Settings, dropped: Counter[str]) -> list[Question]:
    """Drop duplicates within each chunk or document; those of the whole corpus are dropped later."""
    if settings.dedupe_scope == "corpus":
        return questions
    if settings.dedupe_scope == "document":
        return unique(questions, settings, dropped)
    by_chunk = groupby(questions, key=lambda question: question.chunk)
    return [question for _, group in by_chunk for question in unique(list(group), settings, dropped)]


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
