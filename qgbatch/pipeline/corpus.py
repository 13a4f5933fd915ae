"""Drops duplicates across documents from the rows of a run, and then chooses among those of each chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias, cast

from qgbatch.output.rows import Row, list_passages
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.selection import find_unreviewed_duplicates, keep_best
from qgbatch.pipeline.stored_rows import store_rows
from qgbatch.questions.dedupe import Duplicate, group_duplicates
from qgbatch.records import Review
from qgbatch.settings import Settings

_ChunkKey: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _RowQuestion:
    """The question of a row, see :class:`qgbatch.questions.filters.ScoredQuestion`."""

    row: Row

    @property
    def chunk(self) -> _ChunkKey:
        return _chunk_key(self.row)

    @property
    def score(self) -> float:
        return float(self.row["score"] or 0.0)

    @property
    def review(self) -> Review | None:
        return review_of(self.row)

    @property
    def answer(self) -> str | None:
        answer = self.row.get("answer")
        return None if answer is None else str(answer)

    @property
    def answer_start_char(self) -> int | None:
        start = self.row.get("answer_start_char")
        return None if start is None else int(start)


def unique_rows(
    rows: Iterable[Row], settings: Settings, *, has_ranker: bool, report: RunReport
) -> Iterator[Row]:
    """Yield the rows to write, in order, and count the others.

    The rows wait in a temporary file; memory only holds their questions and scores.

    Args:
        rows: The rows of all documents, in input order.
        settings: How to find duplicates, and the limit per chunk.
        has_ranker: Whether the model has a ranker.
        report: Its counts of dropped questions are increased.
    """
    questions: list[str] = []
    scores: list[float] = []
    reviews: list[Review | None] = []
    with store_rows() as waiting:
        for row in rows:
            questions.append(str(row["question"]))
            scores.append(float(row["score"] or 0.0))
            reviews.append(review_of(row))
            waiting.append(row)
        with report.stopwatch.measure("dedupe"):
            duplicates = find_unreviewed_duplicates(questions, scores, reviews, settings)
        report.dropped.update(duplicate.reason for duplicate in duplicates.values())
        kept = merge_duplicates(len(waiting), waiting.read, duplicates)
        for _, chunk_rows in groupby(kept, key=_chunk_key):
            yield from keep_best_rows(
                [*chunk_rows], settings, has_ranker=has_ranker, dropped=report.dropped
            )


def merge_duplicates(
    n_rows: int, read: Callable[[int], Row], duplicates: Mapping[int, Duplicate]
) -> Iterator[Row]:
    """Yield the rows that are no duplicates, in order, each with the passages of its duplicates.

    Args:
        n_rows: The number of rows.
        read: Returns the row with an index.
        duplicates: The rows to drop, by index.
    """
    dropped_for = group_duplicates(duplicates)
    for index in range(n_rows):
        if index in duplicates:
            continue
        row = read(index)
        if "other_passages" in row:
            others = map(read, dropped_for.get(index, ()))
            row = {**row, "other_passages": list_passages(row, others)}
        yield row


def keep_best_rows(
    rows: Sequence[Row], settings: Settings, *, has_ranker: bool, dropped: Counter[str]
) -> list[Row]:
    """Return the rows of whole chunks that :func:`qgbatch.pipeline.selection.keep_best` keeps, in order."""
    questions = [_RowQuestion(row) for row in rows]
    return [kept.row for kept in keep_best(questions, settings, has_ranker=has_ranker, dropped=dropped)]


def review_of(row: Row) -> Review | None:
    """Return what a reader decided about the question of a row."""
    return cast("Review | None", row.get("review"))


def _chunk_key(row: Row) -> _ChunkKey:
    return row["source"], row["document_sha256"], row["chunk_index"]
