"""Groups the rows of a table by passage: each passage once, with all of its questions.

The rows may come in any order. They are collected in a temporary SQLite database, so memory stays
bounded however large the table is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from qgbatch.errors import OutputError
from qgbatch.exports.row_checks import CheckedRow, parse_other_passages
from qgbatch.exports.table import QuestionTable
from qgbatch.records import make_passage_id

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536; -- 64 MiB
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE,
    source TEXT, start_char INTEGER, end_char INTEGER, context TEXT
);
CREATE TABLE questions (
    number INTEGER PRIMARY KEY, id TEXT,
    passage INTEGER, question TEXT, answer TEXT, answer_start INTEGER,
    UNIQUE (passage, question)
);
"""
_IN_ORDER = """
SELECT passages.id, source, start_char, end_char, context, questions.id, question, answer, answer_start
FROM passages JOIN questions ON passage = passages.number
ORDER BY passages.number, questions.number
"""


REPEATED = "{:,} repetitions of a question about the same passage"
"""For the summary of an export; filled with :attr:`PassageGroups.n_repeated`."""


@dataclass(frozen=True, slots=True)
class PassageQuestion:
    """A question about a passage, and its answer if the table has one."""

    question_id: str
    text: str
    answer: str | None
    answer_start: int | None
    """Offset of the answer in the passage, in code points. It is not verified."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The text of one chunk, or of several chunks of a document with the same text."""

    passage_id: str
    """See :func:`qgbatch.records.make_passage_id`."""
    source: str
    start_char: int
    """The span of the first of these chunks."""
    end_char: int
    context: str


class PassageGroups:
    """The passages of a table with their questions, in the order of each passage's first row."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last = ("", 0)
        self.n_repeated = 0
        """Number of rows left out because their question about the passage is already there."""
        self.n_unlisted = 0
        """Number of rows left out because they do not list the other passages of their question."""

    def add(self, row: CheckedRow) -> None:
        """Add the question of a row, unless the same question about the passage is already there."""
        start = int(row["start_char"])
        answer_start = int(row["answer_start_char"]) - start if "answer_start_char" in row else None
        self.n_repeated += 1 - self._insert(row, row, row.get("answer"), answer_start)

    def add_other_passages(self, row: CheckedRow) -> None:
        """Add the question of a row to the other passages that it was asked about.

        Raises:
            InputError: The column ``other_passages`` is invalid.
        """
        for passage in parse_other_passages(row):
            self._insert(row, passage, None, None)

    def __iter__(self) -> Iterator[tuple[Passage, list[PassageQuestion]]]:
        rows = self._connection.execute(_IN_ORDER)
        for passage, group in groupby(rows, key=lambda row: row[:5]):
            yield Passage(*passage), [PassageQuestion(*row[5:]) for row in group]

    def _insert(
        self,
        question: CheckedRow,
        passage: CheckedRow,
        answer: str | int | float | None,
        answer_start: int | None,
    ) -> int:
        """Add a question to a passage; return 0 if it is already there, and 1 otherwise."""
        number = self._find_or_add(passage)
        values = (question["question_id"], number, question["question"], answer, answer_start)
        return self._connection.execute(
            "INSERT OR IGNORE INTO questions VALUES (NULL, ?, ?, ?, ?, ?)", values
        ).rowcount

    def _find_or_add(self, row: CheckedRow) -> int:
        """Return the number of a row's passage; add the passage if it is new."""
        passage_id = make_passage_id(str(row["source"]), str(row["context"]))
        if self._last[0] != passage_id:
            values: tuple[Any, ...] = (
                passage_id, row["source"], row["start_char"], row["end_char"], row["context"],
            )  # fmt: skip
            self._connection.execute("INSERT OR IGNORE INTO passages VALUES (NULL, ?, ?, ?, ?, ?)", values)
            found = self._connection.execute("SELECT number FROM passages WHERE id = ?", values[:1])
            self._last = (passage_id, *found.fetchone())
        return self._last[1]


@contextmanager
def group_by_passage(table: QuestionTable, *, with_other_passages: bool = False) -> Iterator[PassageGroups]:
    """Read a whole table and group its questions by passage.

    Args:
        table: The table.
        with_other_passages: Whether to add a question also to the other passages that it was asked
            about, and to leave it out if they are not listed.

    Raises:
        InputError: A row is invalid.
        OutputError: The temporary file cannot be written.
    """
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as connection:  # "": a temporary file
            connection.executescript(_SCHEMA)
            connection.execute("BEGIN")  # one transaction writes each page once
            groups = PassageGroups(connection)
            for row in table.rows():
                if not with_other_passages:
                    groups.add(row)
                elif "other_passages" in row or "other_passages" not in table.columns:
                    groups.add(row)
                    groups.add_other_passages(row)
                else:
                    groups.n_unlisted += 1
            yield groups
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"No space for temporary files ({error}).",
            "Set SQLITE_TMPDIR to a directory with more free space.",
        ) from error
