"""Draws wrong answers for a question from the other answers of a table.

A drawn answer is of the same kind as the right one. It is not in the passages of the question, and in no
passage that has most words of the question, because it could be right too. Answers and passages wait in
temporary files, so memory stays bounded. The id of the question decides which answers are drawn.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from qgbatch.errors import ModelError
from qgbatch.exports.answer_kinds import PERSON, distinctive_words, kind_of, names_of_things, words_of
from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.one_line import one_line
from qgbatch.exports.row_checks import CheckedRow, parse_other_passages
from qgbatch.records import Passage

if TYPE_CHECKING:
    from qgbatch.questions.retrieval.passage_index import PassageIndex

N_WRONG = 3
"""Number of wrong answers of a question."""
_MAX_TRIED = 50
_MAX_LENGTH_RATIO = 2
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536; -- 64 MiB
CREATE TABLE answers (
    kind TEXT, source TEXT, digest TEXT, answer TEXT, PRIMARY KEY (kind, source, digest)
) WITHOUT ROWID;
CREATE TABLE asked (question TEXT, answer TEXT, PRIMARY KEY (question, answer)) WITHOUT ROWID;
CREATE TABLE things (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_ASKED = "SELECT 1 FROM asked WHERE question = ? AND answer = ?"
_THING = "SELECT 1 FROM things WHERE name = ?"
_ANY_SOURCE = ""
_RANGES = ("digest >= ?", "digest < ?")
"""All answers, from a start in the order of their digests."""


class OtherAnswers:
    """The answers of a table, by kind and document, and the passages that they are from."""

    def __init__(self, connection: sqlite3.Connection, passages: PassageIndex) -> None:
        self._connection = connection
        self._passages = passages

    def add(self, rows: Iterable[CheckedRow]) -> None:
        """Add all rows; those without a passage are left out."""
        self._passages.add(self._add_answer(row) for row in rows if "context" in row)
        self._passages.finish()

    def draw(self, row: CheckedRow) -> list[str]:
        """Return :data:`N_WRONG` wrong answers to the question of a row, those of its document first.

        Returns:
            An empty list if there are not enough, or if the row has no passage.
        """
        question, answer, kind = _asked(row)
        if kind is None or not self._is_of(kind, answer):
            return []
        passages = [row, *parse_other_passages(row)]
        right = [str(passage["passage_id"]) for passage in passages]
        known = words_of(" ".join((question, answer, *(str(passage["context"]) for passage in passages))))
        wrong: list[str] = []
        for candidate in self._candidates(kind, row):
            words = distinctive_words(question, candidate)
            if (
                words
                and words.isdisjoint(known)
                and _have_similar_length(answer, candidate)
                and self._is_of(kind, candidate)
                and not self._has(_ASKED, fold(question), fold(candidate))
                and not self._passages.answering(question, candidate, right, limit=1)
            ):
                wrong.append(candidate)
                known |= words
            if len(wrong) == N_WRONG:
                return wrong
        return []

    def _add_answer(self, row: CheckedRow) -> Passage:
        """Add the answer of a row if its kind is known, and return the passage of the row."""
        question, answer, kind = _asked(row)
        if kind is not None:
            folded = fold(answer)
            values = [(kind, source, _digest(folded), answer) for source in (row["source"], _ANY_SOURCE)]
            self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", values)
            asked = (fold(question), folded)
            self._connection.execute("INSERT OR IGNORE INTO asked VALUES (?, ?)", asked)
        things = ((name,) for name in names_of_things(one_line(row["context"])))
        self._connection.executemany("INSERT OR IGNORE INTO things VALUES (?)", things)
        return Passage(
            str(row["passage_id"]), str(row["context"]), str(row["source"]),
            int(row["start_char"]), int(row["end_char"]),
        )  # fmt: skip

    def _candidates(self, kind: str, row: CheckedRow) -> Iterator[str]:
        start = _digest(str(row["question_id"]))
        for source in (row["source"], _ANY_SOURCE):
            for answers in _RANGES:
                found = self._connection.execute(
                    f"SELECT answer FROM answers WHERE kind = ? AND source = ? AND {answers} "
                    "ORDER BY digest LIMIT ?",
                    (kind, source, start, _MAX_TRIED),
                )
                yield from chain.from_iterable(found)

    def _is_of(self, kind: str, answer: str) -> bool:
        """Whether no passage says that the name of a person is that of a place, a group or a thing."""
        return not (kind.startswith(PERSON) and self._has(_THING, answer))

    def _has(self, query: str, *values: str) -> bool:
        return self._connection.execute(query, values).fetchone() is not None


@contextmanager
def open_other_answers(given: ExportInput) -> Iterator[OtherAnswers]:
    """Collect the answers and passages of all rows in temporary files.

    Raises:
        ModelError: SQLite lacks its full-text search.
        OutputError: The temporary files cannot be written.
    """
    from qgbatch.questions.retrieval.passage_index import PassageIndex

    if not PassageIndex.is_available():
        raise ModelError(
            "A quiz needs FTS5, which this build of SQLite lacks.", "Use a Python with a full SQLite."
        )
    with (
        PassageIndex(given.language) as passages,
        closing(sqlite3.connect("", isolation_level=None)) as connection,  # "": a temporary file
    ):
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")  # one transaction writes each page once
        answers = OtherAnswers(connection, passages)
        answers.add(given.rows())
        yield answers


def _asked(row: CheckedRow) -> tuple[str, str, str | None]:
    """The question and the answer of a row, each on one line, and the kind of the answer."""
    question, answer = one_line(row["question"]), one_line(row["answer"])
    return question, answer, kind_of(question, answer) if "context" in row else None


def _have_similar_length(one: str, other: str) -> bool:
    shorter, longer = sorted((len(one), len(other)))
    return longer <= _MAX_LENGTH_RATIO * shorter


def fold(text: str) -> str:
    """Return a text for comparisons: without case and commas, so that 1,000 is 1000."""
    return one_line(text.casefold().replace(",", ""))


def in_mixed_order(row: CheckedRow, choices: Iterable[str]) -> list[str]:
    """Return the choices of a question, in an order that depends on its id."""
    return sorted(choices, key=lambda choice: _digest(f"{row['question_id']} {choice}"))


def _digest(text: str) -> str:
    """A digest that puts texts in an order without meaning."""
    return hashlib.sha256(text.encode()).hexdigest()
