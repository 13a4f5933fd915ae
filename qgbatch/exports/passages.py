"""Collects the passages and the questions of an export: each passage once, with all of its questions.

They come in any order and are kept in a temporary SQLite database, so memory stays bounded however many
there are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from qgbatch.errors import InputError, OutputError
from qgbatch.exports.row_checks import CheckedRow, parse_other_passages
from qgbatch.records import Passage

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536; -- 64 MiB
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT, source TEXT, start_char INTEGER,
    end_char INTEGER, title TEXT, document_sha256 TEXT, metadata TEXT
);
CREATE TABLE questions (
    number INTEGER PRIMARY KEY, passage INTEGER, question TEXT, query INTEGER,
    id TEXT, answer TEXT, answer_start INTEGER, style TEXT, bm25_rank INTEGER,
    UNIQUE (passage, question)
);
CREATE INDEX by_question ON questions (question);
CREATE INDEX by_query ON questions (query);
"""
_PASSAGE = "passages.id, text, source, start_char, end_char, title, document_sha256, metadata"
_N_PASSAGE = _PASSAGE.count(",") + 1
_QUESTION = "questions.id, question, answer, answer_start, style, bm25_rank"
_BY_PASSAGE = f"""
SELECT {_PASSAGE}, {_QUESTION} FROM passages LEFT JOIN questions ON passage = passages.number
ORDER BY passages.number, questions.number
"""
_BY_QUERY = f"""
SELECT {_PASSAGE}, {_QUESTION}, query FROM questions JOIN passages ON passage = passages.number
ORDER BY query, questions.number
"""


@dataclass(frozen=True, slots=True)
class PassageQuestion:
    """A question about a passage, and its answer if the table has one."""

    question_id: str
    text: str
    answer: str | None
    answer_start: int | None
    """Offset of the answer in the passage, in code points. It is not verified."""
    style: str | None
    bm25_rank: int | None


@dataclass(frozen=True, slots=True)
class CorpusPassage(Passage):
    """A passage, and what the file of all passages says of it."""

    title: str | None = None
    document_sha256: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Further JSON values: the page and the kept columns."""


class PassageCollection:
    """Passages and the questions about them, each in the order in which they were added."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._n_questions = 0
        self.n_repeated = 0
        """Number of rows left out because their question about the passage is already there."""

    def add_passage(self, passage: CorpusPassage) -> bool:
        """Add a passage; return whether its id is new."""
        values = (
            passage.passage_id, passage.text, passage.source, passage.start_char, passage.end_char,
            passage.title, passage.document_sha256, json.dumps(passage.metadata),
        )  # fmt: skip
        added = self._connection.execute(
            "INSERT OR IGNORE INTO passages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )
        return added.rowcount == 1

    def get(self, passage_id: str) -> CorpusPassage | None:
        """Return the passage with an id."""
        found = self._connection.execute(f"SELECT {_PASSAGE} FROM passages WHERE id = ?", (passage_id,))
        values = found.fetchone()
        return None if values is None else _to_passage(values)

    def add_question(self, row: CheckedRow) -> None:
        """Add the question of a row to its passage, unless the passage has the same question.

        Raises:
            InputError: The passage has another text than in an earlier row.
        """
        start = int(row["start_char"])
        answer_start = int(row["answer_start_char"]) - start if "answer_start_char" in row else None
        self.n_repeated += 1 - self._insert(row, self._find_or_add(row, row), answer_start)

    def add_other_passages(self, row: CheckedRow) -> None:
        """Add the question of a row to the other passages that it was asked about.

        Raises:
            InputError: The column ``other_passages`` is invalid, or a passage has another text than in an
                earlier row.
        """
        for passage in parse_other_passages(row):
            self._insert(row, self._find_or_add(row, passage), None)

    def passages(self) -> Iterator[tuple[CorpusPassage, list[PassageQuestion]]]:
        """Yield every passage with the questions about it."""
        rows = self._connection.execute(_BY_PASSAGE)
        for values, group in groupby(rows, key=lambda row: row[:_N_PASSAGE]):
            questions = [PassageQuestion(*row[_N_PASSAGE:]) for row in group if row[_N_PASSAGE] is not None]
            yield _to_passage(values), questions

    def queries(self) -> Iterator[tuple[PassageQuestion, list[CorpusPassage]]]:
        """Yield every distinct question with all of its right passages, that of its first row first.

        Questions with the same text are one query. As several queries, they would count each other's
        passages as wrong.
        """
        rows = self._connection.execute(_BY_QUERY)
        for _, group in groupby(rows, key=lambda row: row[-1]):
            found = [*group]
            yield (
                PassageQuestion(*found[0][_N_PASSAGE:-1]),
                [_to_passage(row[:_N_PASSAGE]) for row in found],
            )

    def _insert(self, row: CheckedRow, passage: int, answer_start: int | None) -> int:
        """Add a question to a passage; return 0 if it is already there, and 1 otherwise."""
        text = row["question"]
        number = self._n_questions + 1
        found = self._connection.execute("SELECT query FROM questions WHERE question = ? LIMIT 1", (text,))
        (query,) = found.fetchone() or (number,)
        values = (
            number, passage, text, query, row["question_id"], row.get("answer"), answer_start,
            row.get("style"), row.get("bm25_rank"),
        )  # fmt: skip
        added = self._connection.execute(
            "INSERT OR IGNORE INTO questions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )
        self._n_questions += added.rowcount
        return added.rowcount

    def _find_or_add(self, question: CheckedRow, place: CheckedRow) -> int:
        """Return the number of the passage at a place; add the passage if it is new."""
        passage_id, text = str(place["passage_id"]), str(place["context"])
        found = self._connection.execute("SELECT number, text FROM passages WHERE id = ?", (passage_id,))
        number, known = found.fetchone() or (None, None)
        if number is None:
            start, end = int(place["start_char"]), int(place["end_char"])
            self.add_passage(CorpusPassage(passage_id, text, str(place["source"]), start, end))
            return self._find_or_add(question, place)
        if known != text:
            raise InputError(
                f"Question {question['question_id']}: passage {passage_id} has another text than in an "
                "earlier row.",
                "Export one run's output at a time.",
            )
        return int(number)


def _to_passage(values: tuple[Any, ...]) -> CorpusPassage:
    return replace(CorpusPassage(*values), metadata=json.loads(values[-1]))


@contextmanager
def open_collection() -> Iterator[PassageCollection]:
    """Open an empty collection in a temporary file.

    Raises:
        OutputError: The temporary file cannot be written.
    """
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as connection:  # "": a temporary file
            connection.executescript(_SCHEMA)
            connection.execute("BEGIN")  # one transaction writes each page once
            yield PassageCollection(connection)
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"No space for temporary files ({error}).",
            "Set SQLITE_TMPDIR to a directory with more free space.",
        ) from error
