"""Export format ``quiz``: a page to read on a screen or to print, with the key at its end.

A question is multiple choice if the other answers of the table have three wrong ones of the same kind, and
has a line to write on otherwise. The page has no script, and a content security policy blocks everything
except its own style.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files as resource_files
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePath

from qgbatch.errors import display
from qgbatch.exports.content_policy import content_policy
from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.one_line import one_line
from qgbatch.exports.other_answers import OtherAnswers, fold, in_mixed_order, open_other_answers
from qgbatch.exports.row_checks import CheckedRow

logger = logging.getLogger("qgbatch")

_FILE = "quiz.html"
_DESCRIPTION = f"""A quiz to print: open `{_FILE}` in a browser. The key is at its end, on its own pages.

A question is multiple choice if the table has three other answers of the same kind that do not occur in its
passage, and has a line to write on otherwise. Each question is asked once."""
_REPEATED = "questions that are asked already"
_LETTERS = "ABCD"
_MAX_SHORT_ANSWER = 50
"""Number of characters that fit on one line to write on."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """The sentence of a passage that has the answer."""

    before: str
    answer: str
    after: str


@dataclass(frozen=True, slots=True)
class _Question:
    """A question of the quiz; the texts are not yet HTML."""

    number: int
    text: str
    answer: str
    choices: list[tuple[str, str]]
    """The letters and texts of multiple choice; empty if the answer is to be written."""
    source: str
    place: str
    sentence: _Sentence | None

    @property
    def letter(self) -> str | None:
        """The letter of the right choice."""
        return next((letter for letter, choice in self.choices if choice == self.answer), None)

    @property
    def n_lines(self) -> int:
        """Number of lines to write on."""
        return 1 if len(self.answer) <= _MAX_SHORT_ANSWER else 2


def _write(given: ExportInput, files: Files) -> Summary:
    import jinja2

    if "context" not in given.columns:
        logger.warning(
            "Without the passages no question is multiple choice. To add them, run qgbatch run again with "
            "--with-context; it reuses the questions in the cache."
        )
    templates = resource_files("qgbatch.exports") / "templates"
    style, page = ((templates / f"quiz.{kind}").read_text(encoding="utf-8") for kind in ("css", "html"))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    with open_other_answers(given) as answers:
        quiz = _Quiz(given, answers)
        n_questions = sum(1 for _ in quiz.rows())
        given.left_out[_REPEATED] = given.n_rows - n_questions
        pieces = environment.from_string(page).generate(
            title=one_line(display(Path(os.path.abspath(given.table.path)).stem)),
            style=style,
            policy=content_policy(style),
            n_questions=n_questions,
            documents=quiz.documents(),
            key=quiz.questions(),
        )
        for piece in pieces:
            files[_FILE].write(piece.encode())
    return [
        ("questions", f"{n_questions:,}"),
        ("multiple choice", f"{quiz.n_multiple:,}"),
        ("answers to write", f"{n_questions - quiz.n_multiple:,}"),
    ]


class _Quiz:
    """The questions of a quiz. They are read again for each part of the page, so memory stays bounded."""

    def __init__(self, given: ExportInput, answers: OtherAnswers) -> None:
        self.n_multiple = 0
        """Number of questions yielded last that are multiple choice."""
        self._given = given
        self._answers = answers
        self._find_sentence = _sentence_finder(given)

    def rows(self) -> Iterator[CheckedRow]:
        """Yield the rows, those with a repeated question only once."""
        with closing(sqlite3.connect("", isolation_level=None)) as connection:  # "": a temporary file
            connection.executescript("CREATE TABLE asked (question TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN")
            for row in self._given.rows():
                asked = (fold(str(row["question"])),)
                if connection.execute("INSERT OR IGNORE INTO asked VALUES (?)", asked).rowcount:
                    yield row

    def questions(self) -> Iterator[_Question]:
        """Yield the questions in order."""
        self.n_multiple = 0
        for number, row in enumerate(self.rows(), 1):
            wrong = self._answers.draw(row)
            self.n_multiple += bool(wrong)
            answer = one_line(row["answer"])
            choices = in_mixed_order(row, [answer, *wrong]) if wrong else []
            yield _Question(
                number=number,
                text=one_line(row["question"]),
                answer=answer,
                choices=[*zip(_LETTERS, choices, strict=False)],
                source=str(row["source"]),
                place=_place(row),
                sentence=self._find_sentence(row),
            )

    def documents(self) -> Iterator[tuple[str, Iterable[_Question]]]:
        """Yield the name of each document, and its questions."""
        for source, questions in groupby(self.questions(), key=attrgetter("source")):
            yield one_line(PurePath(source).stem) or source, questions


def _place(row: CheckedRow) -> str:
    page = f", page {row['page']}" if "page" in row else ""
    return f"{one_line(row['source'])}{page}, characters {row['start_char']} to {row['end_char']}"


def _sentence_finder(given: ExportInput) -> Callable[[CheckedRow], _Sentence | None]:
    """Return a function that finds the sentence with the answer of a row."""
    from qgbatch.chunking.sentences import SentenceSplitter

    split = SentenceSplitter(given.language)

    def find(row: CheckedRow) -> _Sentence | None:
        context, answer = str(row.get("context", "")), str(row["answer"])
        start = _offset_of_answer(row, context, answer)
        if start is None:
            return None
        end = start + len(answer)
        spans = [(each.start_char, each.end_char) for each in split(context)]
        first = max((left for left, _ in spans if left <= start), default=start)
        last = min((right for _, right in spans if right >= end), default=end)
        return _Sentence(_visible(context[first:start]), _visible(answer), _visible(context[end:last]))

    return find


def _offset_of_answer(row: CheckedRow, context: str, answer: str) -> int | None:
    """Where the answer is in the passage; ``None`` if it is not there, such as one that a reader wrote."""
    start = int(row.get("answer_start_char", -1)) - int(row["start_char"])
    if start >= 0 and context.startswith(answer, start):
        return start
    found = context.find(answer)
    return found if found >= 0 else None


def _visible(text: str) -> str:
    return text.replace("\0", " ")


FORMAT = ExportFormat(
    "quiz",
    (_FILE,),
    f"a quiz to print, with its key: {_FILE}",
    _DESCRIPTION,
    needs_context=False,
    write=_write,
    needs_answers=True,
)
