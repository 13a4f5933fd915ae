"""Rows -> passages, each once and with all of its questions, whatever the order of the rows."""

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
_INDEX = "CREATE INDEX asked ON questions (passage)"
_IN_ORDER = """
SELECT passages.id, source, start_char, end_char, context, questions.id, question, answer, answer_start
FROM passages JOIN questions ON passage = passages.number
ORDER BY passages.number, questions.number
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a passage, with an answer or none."""

    question_id: str
    question: str
    answer: str | None
    answer_start: int | None
    """Offset of the answer in the passage, in code points; not checked."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The text of a chunk."""

    passage_id: str
    """The first 16 digits of the document's hash, and the span: the same on every run."""
    source: str
    start_char: int
    end_char: int
    context: str


class Passages:
    """The passages of a table, in the order in which they come first.

    They wait in a temporary file, which takes about the room of their texts; memory stays
    bounded.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last: tuple[str, int, str] = ("", 0, "")
        self.n_again = 0
        """Rows left out: of the same text under another name."""

    def add(self, row: CheckedRow) -> None:
        """Add a question, unless it is there.

        Raises:
            InputError: the passage is there with another text.
        """
        start = int(row["start_char"])
        passage_id = f"{str(row['document_sha256'])[:16]}:{start}-{row['end_char']}"
        number, context = self._find(passage_id, row)
        if context != row["context"]:
            raise InputError(
                f"{row['question_id']}: its context is another one than that of a row with the same span.",
                "Give a file that qgbatch run wrote, as it wrote it.",
            )
        answer_start = int(row["answer_start_char"]) - start if "answer_start_char" in row else None
        values = (row["question_id"], number, row["question"], row.get("answer"), answer_start)
        done = self._connection.execute(
            "INSERT OR IGNORE INTO questions VALUES (NULL, ?, ?, ?, ?, ?)", values
        ).rowcount
        self.n_again += 1 - done

    def __iter__(self) -> Iterator[tuple[Passage, list[Asked]]]:
        rows = self._connection.execute(_IN_ORDER)
        for passage, group in groupby(rows, key=lambda row: row[:5]):
            yield Passage(*passage), [Asked(*row[5:]) for row in group]

    def _find(self, passage_id: str, row: CheckedRow) -> tuple[int, str]:
        """The number and the text of a passage, which is added if it is not there."""
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
def collect(table: QuestionTable) -> Iterator[Passages]:
    """Give all passages of a table.

    Raises:
        InputError: a row is not as it should be.
        OutputError: there is no room for the temporary file.
    """
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as connection:  # a file without name
            connection.executescript(_SCHEMA)
            connection.execute("BEGIN")  # one transaction: many would write the same pages many times
            passages = Passages(connection)
            for row in table.rows():
                passages.add(row)
            connection.execute(_INDEX)
            yield passages
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"No room for temporary files ({error}).", "Name a place with more in SQLITE_TMPDIR."
        ) from error
