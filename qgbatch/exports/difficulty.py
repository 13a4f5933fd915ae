"""Chooses questions by their difficulty: the place of their right passage in BM25.

A question is easy if BM25 finds its passage first, and hard if BM25 does not find it at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from fractions import Fraction

from qgbatch.exports.row_checks import CheckedRow

_MAX_DENOMINATOR = 10**6

EasyKey = tuple[float, str, int]
"""Orders easy questions from the one to keep first: by score from the best, id and number of the row."""


def rank_of(row: CheckedRow) -> int | None:
    """Return the rank of a question, or ``None`` if its passage was not found."""
    return int(row["bm25_rank"]) if "bm25_rank" in row else None


def is_easy(row: CheckedRow) -> bool:
    """Return whether BM25 finds the passage of a question first."""
    return rank_of(row) == 1


def is_below(row: CheckedRow, min_rank: int) -> bool:
    """Return whether BM25 finds the passage of a question before a rank."""
    rank = rank_of(row)
    return rank is not None and rank < min_rank


def easy_key(row: CheckedRow, number: int) -> EasyKey:
    """Return the key of an easy question; ``number`` is that of its row."""
    return -float(row["score"]), str(row["question_id"]), number


def first_easy_to_drop(rows: Iterable[CheckedRow], max_share: float) -> EasyKey | None:
    """Find how many easy questions to keep, so that they are at most a share of all that are kept.

    The easy questions with the best scores are kept. Their keys wait in a temporary file.

    Args:
        rows: All questions.
        max_share: The largest share of easy questions, 0 to 1.

    Returns:
        The key of the first easy question to drop, or ``None`` if all of them can be kept.
    """
    share = Fraction(max_share).limit_denominator(_MAX_DENOMINATOR)
    with closing(sqlite3.connect("", isolation_level=None)) as connection:  # "": a temporary file
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("CREATE TABLE easy (score REAL, id TEXT, number INTEGER)")
        connection.execute("BEGIN")
        n_others = n_easy = 0
        for number, row in enumerate(rows):
            if is_easy(row):
                connection.execute("INSERT INTO easy VALUES (?, ?, ?)", easy_key(row, number))
                n_easy += 1
            else:
                n_others += 1
        n_kept = n_easy if share == 1 else min(n_easy, int(n_others * share / (1 - share)))
        found = connection.execute("SELECT * FROM easy ORDER BY 1, 2, 3 LIMIT 1 OFFSET ?", (n_kept,))
        key: EasyKey | None = found.fetchone()
        return key
