"""The records of question data: paragraphs with questions and answers, made from checked rows."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from qgbatch.errors import InputError
from qgbatch.models.known_models import ModelMetadata
from qgbatch.training.fields import field, kind_of_value, valid_text

_SEPARATOR = re.compile(r"<sep>|\{sep_token\}")
"""Separates the questions of a paragraph in data sets that hold them as one text."""
_PREFIX = ModelMetadata().prefix
_UNANSWERED = "questions without an answer"
"""The name of a count in :attr:`Split.skipped`."""


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """A question, and its answer if there is one."""

    question: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text, and the questions that people asked about it with their answers."""

    context: str
    pairs: tuple[QuestionAnswer, ...]

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions, in order."""
        return tuple(pair.question for pair in self.pairs)

    @property
    def answers(self) -> tuple[str | None, ...]:
        """The answer of each question, or ``None``."""
        return tuple(pair.answer for pair in self.pairs)

    def only_answered(self) -> Paragraph:
        """Return the paragraph without the questions that have no answer."""
        return Paragraph(self.context, tuple(pair for pair in self.pairs if pair.answer is not None))


@dataclass(frozen=True)
class Split:
    """The paragraphs of one file, or of one split of a data set."""

    name: str
    """The file's path, or the data set's id and split."""
    paragraphs: tuple[Paragraph, ...]
    skipped: Counter[str]
    """The number of paragraphs and questions that were skipped, by reason."""
    sha256: str
    """SHA-256 of the file's bytes or, for a data set, of its contexts and questions. Answers count if
    questions without an answer were skipped."""

    @property
    def n_questions(self) -> int:
        """The number of questions of all paragraphs."""
        return sum(len(paragraph.pairs) for paragraph in self.paragraphs)

    def facts(self) -> dict[str, str | int]:
        """The facts about the data that go into the model card."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "paragraphs": len(self.paragraphs),
            "questions": self.n_questions,
        }


Rows = Iterable[tuple[str, Any]]
"""The place of each row, for messages, and an object with ``context`` and ``questions``."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which questions to use."""

    keep_unanswerable: bool
    """Whether to keep the questions that SQuAD v2.0 marks as unanswerable."""
    with_answers: bool
    """Whether to skip questions without an answer."""


def make_split(name: str, rows: Rows, selection: Selection, sha256: str = "") -> Split:
    """Check the rows of a split, and select their questions.

    Args:
        name: The name of the split.
        rows: Its rows.
        selection: Which questions to use.
        sha256: The hash of its file; if empty, the hash of the paragraphs is used.

    Raises:
        InputError: A field is missing or has the wrong type, or no question is left.
    """
    skipped: Counter[str] = Counter()
    paragraphs = []
    for place, row in rows:
        context = field(row, "context", str, place).removeprefix(_PREFIX).strip()
        if not context:
            raise InputError(f"{place}: the context is empty.", "Correct the data.")
        pairs = tuple(_pairs(row, place, selection, skipped))
        if pairs:
            paragraphs.append(Paragraph(context, pairs))
        else:
            skipped["paragraphs without questions"] += 1
    if not paragraphs and skipped[_UNANSWERED]:
        raise InputError(
            f"{name}: no question has an answer.",
            "--with-answers needs SQuAD's format with answers, or questions such as "
            '{"question": "Who came?", "answer": "Ann"}.',
        )
    if not paragraphs:
        raise InputError(f"{name}: no paragraph with a question.", "Check that it is the right file.")
    sha256 = sha256 or _hash(paragraphs, with_answers=selection.with_answers)
    return Split(name, tuple(paragraphs), skipped, sha256)


def _hash(paragraphs: Iterable[Paragraph], *, with_answers: bool) -> str:
    digest = hashlib.sha256()
    for paragraph in paragraphs:
        answers = paragraph.answers if with_answers else ()
        digest.update(json.dumps([paragraph.context, *paragraph.questions, *answers]).encode())
    return digest.hexdigest()


def _pairs(row: Any, place: str, selection: Selection, skipped: Counter[str]) -> Iterator[QuestionAnswer]:
    asked = row.get("questions")
    if isinstance(asked, str):
        asked = [question for question in _SEPARATOR.split(asked) if question.strip()]
    if not isinstance(asked, list):
        raise InputError(
            f"{place}: questions is {kind_of_value(asked)}, not a list of texts.", "Correct the data."
        )
    for index, item in enumerate(asked):
        pair = _pair(item, f"{place}.questions[{index}]")
        if isinstance(item, dict) and item.get("is_impossible") and not selection.keep_unanswerable:
            skipped["unanswerable questions"] += 1
        elif not pair.question:
            skipped["empty questions"] += 1
        elif selection.with_answers and pair.answer is None:
            skipped[_UNANSWERED] += 1
        else:
            yield pair


def _pair(item: Any, place: str) -> QuestionAnswer:
    """Read a question that is a text, or an object with its answer; an empty answer counts as none."""
    if isinstance(item, str):
        return QuestionAnswer(valid_text(item, place).strip())
    question = field(item, "question", str, place).strip()
    answer = ""
    if item.get("answer") is not None:
        answer = field(item, "answer", str, place)
    elif item.get("answers"):  # as in SQuAD
        answer = field(field(item, "answers", list, place)[0], "text", str, f"{place}.answers[0]")
    return QuestionAnswer(question, answer.strip() or None)
