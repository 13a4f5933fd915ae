"""Chooses the questions of a document that are worth keeping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from qgbatch.pipeline.components import Components
from qgbatch.questions.dedupe import Duplicate, find_duplicates, group_duplicates
from qgbatch.questions.filters import AnyQuestion, drop_alternatives, filter_questions, limit_per_chunk
from qgbatch.questions.review import ReviewDecisions, is_kept, priority, review_questions
from qgbatch.records import Document, Question, Review
from qgbatch.settings import Settings


def select_questions(
    questions: Sequence[Question],
    components: Components,
    decisions: ReviewDecisions | None,
    dropped: Counter[str],
) -> list[Question]:
    """Score the questions if the model has a ranker, and drop those that a filter rejects.

    No filter drops what a reader decided about.
    """
    if components.ranker:
        score = components.ranker.score
        questions = [replace(question, score=score(question)) for question in questions]
    if decisions:
        questions = review_questions(questions, decisions)
    return filter_questions(questions, components.settings, components.min_score, dropped)


def dedupes_corpus(settings: Settings) -> bool:
    """Return whether duplicates are dropped across documents, after all of them were read."""
    return settings.dedupe != "none" and settings.dedupe_scope == "corpus"


def drop_duplicates(
    questions: list[Question], components: Components, dropped: Counter[str]
) -> list[Question]:
    """Drop duplicates in each chunk or document, and what a reader dropped; with a ranker, alternatives.

    If :func:`dedupes_corpus`, all of this happens later, when all documents were read.
    """
    settings = components.settings
    if dedupes_corpus(settings):
        return questions
    if settings.dedupe == "none":
        return _drop_rejected(questions, dropped)
    if settings.dedupe_scope == "document":
        questions = _unique(questions, settings, dropped)
    else:
        by_chunk = groupby(questions, key=lambda question: question.chunk)
        questions = [question for _, group in by_chunk for question in _unique([*group], settings, dropped)]
    questions = _drop_rejected(questions, dropped)
    return drop_alternatives(questions, dropped) if components.ranker else questions


def unique_in_corpus(
    questions: list[Question], components: Components, dropped: Counter[str]
) -> list[Question]:
    """Drop duplicates across documents, and then choose among the questions of each chunk."""
    kept = _unique(questions, components.settings, dropped)
    has_ranker = components.ranker is not None
    return keep_best(kept, components.settings, has_ranker=has_ranker, dropped=dropped)


def keep_best(
    questions: Sequence[AnyQuestion], settings: Settings, *, has_ranker: bool, dropped: Counter[str]
) -> list[AnyQuestion]:
    """Keep what no reader dropped, with a ranker only the best per answer, and no more than the limit."""
    questions = _drop_rejected(questions, dropped)
    if has_ranker:
        questions = drop_alternatives(questions, dropped)
    return limit_per_chunk(questions, settings.max_questions_per_chunk, dropped)


def find_unreviewed_duplicates(
    questions: Sequence[str], scores: Sequence[float], reviews: Sequence[Review | None], settings: Settings
) -> dict[int, Duplicate]:
    """Find the questions to drop as :func:`find_duplicates` does, but none that a reader kept.

    Args:
        questions: The texts.
        scores: One score per question; higher is better.
        reviews: What a reader decided about each question. It counts more than the score.
        settings: How to find duplicates.
    """
    priorities = list(map(priority, scores, reviews))
    found = find_duplicates(questions, priorities, settings.dedupe, settings.near_threshold)
    return {index: duplicate for index, duplicate in found.items() if not is_kept(reviews[index])}


def _drop_rejected(questions: Sequence[AnyQuestion], dropped: Counter[str]) -> list[AnyQuestion]:
    """Drop what a reader dropped; count it as ``rejected``."""
    kept = [question for question in questions if question.review != "dropped"]
    if len(kept) < len(questions):
        dropped["rejected"] += len(questions) - len(kept)
    return kept


def _unique(questions: list[Question], settings: Settings, dropped: Counter[str]) -> list[Question]:
    """Drop duplicates and count them; the others, in order, get the chunks of their duplicates."""
    duplicates = find_unreviewed_duplicates(
        [question.question for question in questions],
        [question.score for question in questions],
        [question.review for question in questions],
        settings,
    )
    dropped.update(duplicate.reason for duplicate in duplicates.values())
    dropped_for = group_duplicates(duplicates)
    return [
        replace(
            question, other_chunks=tuple(questions[other].chunk for other in dropped_for.get(index, ()))
        )
        for index, question in enumerate(questions)
        if index not in duplicates
    ]


def number_repetitions(questions: Iterable[Question]) -> Iterator[Question]:
    """Yield the questions of whole documents, with numbered repetitions, so that each has its own id."""
    seen: Counter[tuple[Document, str]] = Counter()
    for question in questions:
        key = question.chunk.document, question.id
        yield replace(question, repetition=seen[key])
        seen[key] += 1
