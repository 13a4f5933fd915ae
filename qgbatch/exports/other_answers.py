"""Draws wrong answers for a question from the other answers of a table.

A drawn answer is of the same kind as the right one, and it does not occur in the passages of the question,
where it could be right too. The answers wait in a temporary file, so memory stays bounded. The id of the
question decides which of them are drawn.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain

from qgbatch.exports.one_line import one_line
from qgbatch.exports.row_checks import CheckedRow, parse_other_passages

N_WRONG = 3
"""Number of wrong answers of a question."""
_MAX_TRIED = 50
_MAX_LENGTH = 80
_MAX_NAME_WORDS = 5
_MAX_LENGTH_RATIO = 2
_YEAR = re.compile(r"[12]\d{3}")
_NUMBER = re.compile(r"(\D*)(\d+(?:,\d{3})*)(?:\.\d+)?(\D*)")
_NAME_QUESTION = re.compile(r"(who|where|which \w+)\b", re.IGNORECASE)
"""After these words, all names are persons, places, or of the kind that the question names."""
_NAME_PARTICLES = frozenset({"of", "de", "du", "da", "del", "di", "la", "van", "von", "der", "den", "the"})
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536; -- 64 MiB
CREATE TABLE answers (
    kind TEXT, source TEXT, digest TEXT, answer TEXT, PRIMARY KEY (kind, source, digest)
) WITHOUT ROWID;
CREATE TABLE asked (question TEXT, answer TEXT, PRIMARY KEY (question, answer)) WITHOUT ROWID;
"""
_ANY_SOURCE = ""
_RANGES = ("digest >= ?", "digest < ?")
"""All answers, from a start in the order of their digests."""


class OtherAnswers:
    """The answers of a table, by kind and document."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, row: CheckedRow) -> None:
        """Add the answer of a row, if its kind is known."""
        question, answer = one_line(row["question"]), one_line(row["answer"])
        kind = kind_of(question, answer)
        if kind is None:
            return
        folded = fold(answer)
        values = [(kind, source, _digest(folded), answer) for source in (row["source"], _ANY_SOURCE)]
        self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", values)
        self._connection.execute("INSERT OR IGNORE INTO asked VALUES (?, ?)", (fold(question), folded))

    def draw(self, row: CheckedRow) -> list[str]:
        """Return :data:`N_WRONG` wrong answers to the question of a row, those of its document first.

        Returns:
            An empty list if there are not enough.
        """
        question, answer = one_line(row["question"]), one_line(row["answer"])
        kind = kind_of(question, answer)
        if kind is None:
            return []
        passages = [row["context"], *(passage["context"] for passage in parse_other_passages(row))]
        texts = [fold(str(text)) for text in (question, *passages)]
        wrong: list[str] = []
        choices = [fold(answer)]
        for candidate in self._candidates(kind, row):
            folded = fold(candidate)
            if (
                _are_distinct(folded, choices)
                and _have_similar_length(folded, choices[0])
                and not any(folded in text for text in texts)
                and not self._answers(question, folded)
            ):
                wrong.append(candidate)
                choices.append(folded)
            if len(wrong) == N_WRONG:
                return wrong
        return []

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

    def _answers(self, question: str, folded: str) -> bool:
        """Whether a row has this answer to a question with the same words."""
        found = self._connection.execute(
            "SELECT 1 FROM asked WHERE question = ? AND answer = ?", (fold(question), folded)
        )
        return found.fetchone() is not None


@contextmanager
def open_other_answers(rows: Iterable[CheckedRow]) -> Iterator[OtherAnswers]:
    """Collect the answers of all rows in a temporary file."""
    with closing(sqlite3.connect("", isolation_level=None)) as connection:  # "": a temporary file
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")  # one transaction writes each page once
        answers = OtherAnswers(connection)
        for row in rows:
            answers.add(row)
        yield answers


def kind_of(question: str, answer: str) -> str | None:
    """Return the kind of an answer: equal for answers that are plausible beside each other.

    Args:
        question: The question, on one line.
        answer: The answer, on one line.

    Returns:
        A year, a number with its number of digits and the words around it, or a name with its number of
        words and the start of the question; ``None`` for anything else.
    """
    if len(answer) > _MAX_LENGTH:
        return None
    if _YEAR.fullmatch(answer):
        return "year"
    if number := _NUMBER.fullmatch(answer):
        before, digits, after = number.groups()
        return f"number {len(digits.replace(',', ''))} {before.casefold()}#{after.casefold()}"
    asked, words = _NAME_QUESTION.match(question), answer.split()
    if asked and _is_name(words):
        return f"name {len(words)} {asked[1].casefold()}"
    return None


def _is_name(words: list[str]) -> bool:
    return (
        0 < len(words) <= _MAX_NAME_WORDS
        and all(word[0].isupper() or word in _NAME_PARTICLES for word in words)
        and words[0][0].isupper()
        and words[-1][0].isupper()
        and not any(character.isdigit() for word in words for character in word)
    )


def _are_distinct(folded: str, others: Iterable[str]) -> bool:
    """Whether a text contains none of the others, and is contained in none."""
    return not any(folded in other or other in folded for other in others)


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
