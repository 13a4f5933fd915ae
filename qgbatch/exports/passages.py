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

from qgbatch.errors import InputError, OutputError
from qgbatch.exports.row_checks import CheckedRow
from qgbatch.exports.table import QuestionTable

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536; -- 64 MiB
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE,
    source TEXT, start_char INTEGER, end_char INTEGER, context TEXT
);
CREATE TABLE questions (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE,
    passage INTEGER, question TEXT, answer TEXT, answer_start INTEGER
);
"""
_INDEX = "CREATE INDEX questions_by_passage ON questions (passage)"
_IN_ORDER = """
SELECT passages.id, source, start_char, end_char, context, questions.id, question, answer, answer_start
FROM passages JOIN questions ON passage = passages.number
ORDER BY passages.number, questions.number
"""


COPIES_LEFT_OUT = "{:,} questions about the same text under another name"
"""For the summary of an export; filled with :attr:`PassageGroups.n_copies`."""


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
    """The text of one chunk."""

    passage_id: str
    """The first 16 digits of the document's hash, then the span; the same on every run."""
    source: str
    start_char: int
    end_char: int
    context: str


class PassageGroups:
    """The passages of a table with their questions, in the order of each passage's first row."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last: tuple[str, int, str] = ("", 0, "")
        self.n_copies = 0
        """Number of rows left out because they repeat a question about the same text, which
        another document has too."""

    def add(self, row: CheckedRow) -> None:
        """Add the question of a row, unless the same question is already there.

        Raises:
            InputError: Another row has the same span but another text.
        """
        start = int(row["start_char"])
        passage_id = f"{str(row['document_sha256'])[:16]}:{start}-{row['end_char']}"
        number, context = self._find_or_add(passage_id, row)
        if context != row["context"]:
            raise InputError(
                f"{row['question_id']}: its context differs from that of another row with the same span.",
                "Use the file as qgbatch run wrote it.",
            )
        answer_start = int(row["answer_start_char"]) - start if "answer_start_char" in row else None
        values = (row["question_id"], number, row["question"], row.get("answer"), answer_start)
        n_added = self._connection.execute(
            "INSERT OR IGNORE INTO questions VALUES (NULL, ?, ?, ?, ?, ?)", values
        ).rowcount
        self.n_copies += 1 - n_added

    def __iter__(self) -> Iterator[tuple[Passage, list[PassageQuestion]]]:
        rows = self._connection.execute(_IN_ORDER)
        for passage, group in groupby(rows, key=lambda row: row[:5]):
            yield Passage(*passage), [PassageQuestion(*row[5:]) for row in group]

    def _find_or_add(self, passage_id: str, row: CheckedRow) -> tuple[int, str]:
        """Return the number and the text of a passage; add the passage if it is new."""
        if self._last[0] != passage_id:
            values: tuple[Any, ...] = (
                passage_id, row["source"], row["start_char"], row["end_char"], row["context"],
            )  # fmt: skip
            self._connection.execute("INSERT OR IGNORE INTO passages VALUES (NULL, ?, ?, ?, ?, ?)", values)
            found = self._connection.execute(
                "SELECT number, context FROM passages WHERE id = ?", values[:1]
            )
            self._last = (passage_id, *found.fetchone())
        return self._last[1:]


@contextmanager
def group_by_passage(table: QuestionTable) -> Iterator[PassageGroups]:
    """Read a whole table and group its questions by passage.

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
                groups.add(row)
            connection.execute(_INDEX)
            yield groups
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"No space for temporary files ({error}).",
            "Set SQLITE_TMPDIR to a directory with more free space.",
        ) from error
