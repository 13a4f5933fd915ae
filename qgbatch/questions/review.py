"""The decisions of a reader about questions: which to keep, to drop or to edit.

The page of ``qgbatch report`` saves them as JSON, and ``qgbatch review`` and ``qgbatch run --review-with``
apply them. A file of decisions is untrusted input.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from qgbatch.errors import InputError
from qgbatch.questions.grounding import find_answer
from qgbatch.records import Question, Review

FORMAT = "qgbatch decisions 1"
"""The value of ``format`` in a file. The number increases when a key changes its meaning."""
MAX_BYTES = 1 << 28
"""256 MiB; a decision takes about 60 bytes, an edit about 300."""

Verdict: TypeAlias = Literal["keep", "drop"]
Reason: TypeAlias = Literal["wrong", "unclear", "trivial", "duplicate"]
"""Why a reader dropped a question."""

_HINT = "Give the file that the page of qgbatch report saved."


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reader decided about a question."""

    verdict: Verdict
    reason: Reason | None = None
    """Why the question is dropped, if the reader said so."""
    question: str | None = None
    """The new text of a question that the reader edited."""
    answer: str | None = None
    """The new answer, if the reader edited it; empty if the reader removed it."""

    @property
    def is_edit(self) -> bool:
        """Whether the question or its answer has a new text."""
        return self.question is not None or self.answer is not None

    def to_json(self) -> dict[str, str]:
        """Return the decision as JSON values, without what is ``None``."""
        values = {
            "decision": self.verdict,
            "reason": self.reason,
            "question": self.question,
            "answer": self.answer,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ReviewDecisions:
    """The decisions about the questions of a table."""

    table: str
    """The name of the table, for people."""
    fingerprint: str
    """:func:`table_fingerprint` of the table."""
    by_id: Mapping[str, Decision]
    """The decisions by ``question_id``."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of the decisions; it does not depend on their order."""
        values = {question_id: decision.to_json() for question_id, decision in self.by_id.items()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def review_question(
    decision: Decision, row: Mapping[str, Any], text: str | None, start_char: int
) -> dict[str, Any]:
    """Return the values of a question that a decision changes, by column.

    An edited question keeps its id, and its original texts are beside the new ones. A decision without a
    new text leaves the texts as they are, also those of an earlier edit.

    Args:
        decision: The decision.
        row: The values of the question before, at least those of its texts.
        text: The text of the passage, to find a new answer in; ``None`` if it is not known.
        start_char: The offset of that text in the document.
    """
    if decision.verdict == "drop":
        return {"review": "dropped"}
    is_edited = row["original_question"] is not None
    original = {
        "original_question": row["original_question"] if is_edited else row["question"],
        "original_answer": row["original_answer"] if is_edited else row["answer"],
    }
    question = row["question"] if decision.question is None else decision.question
    answer = row["answer"] if decision.answer is None else decision.answer or None
    if (question, answer) == (original["original_question"], original["original_answer"]):
        changed: dict[str, Any] = {"review": "kept", **dict.fromkeys(original)}
    else:
        changed = {"review": "edited", **original}
    changed["question"] = question
    if answer != row["answer"]:
        place = find_answer(answer, question, text) if answer and text else None
        start = None if place is None else start_char + place[0]
        changed |= {"answer": answer, "answer_start_char": start, "answer_score": None}
    return changed


def review_questions(questions: Iterable[Question], decisions: ReviewDecisions) -> list[Question]:
    """Return the questions of a document, in order, with what a reader decided about them.

    Dropped ones stay, so that their duplicates can be found.
    """
    seen: Counter[str] = Counter()
    reviewed = []
    for question in questions:
        first_id = question.id
        numbered = replace(question, repetition=seen[first_id])
        seen[first_id] += 1
        if decision := decisions.by_id.get(numbered.id):
            text, start_char = question.chunk.text, question.chunk.start_char
            question = replace(question, **review_question(decision, question.as_dict(), text, start_char))
        reviewed.append(question)
    return reviewed


def priority(score: float, review: Review | None) -> float:
    """Return the score by which a question is preferred to others: first what a reader decided about.

    Questions that the reader kept come first, then those that the reader dropped, so that a duplicate of
    one is dropped, too.
    """
    if review == "dropped":
        return sys.float_info.max
    return score if review is None else math.inf


def is_kept(review: Review | None) -> bool:
    """Whether a reader kept the question, perhaps with an edit, so that no filter drops it."""
    return review in ("kept", "edited")


def table_fingerprint(question_ids: Iterable[str]) -> str:
    """Return the SHA-256 of the ids of a table's questions; it does not depend on their order."""
    digest = hashlib.sha256()
    for question_id in sorted(set(question_ids)):
        digest.update(f"{question_id}\n".encode())
    return digest.hexdigest()


def read_decisions(path: str | Path) -> ReviewDecisions:
    """Read a file of decisions.

    Raises:
        InputError: The file cannot be read, or is not a file of decisions.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}.", "Check the path.") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB, which no review makes.", _HINT)
    try:
        return _parse(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a file of decisions ({error}).", _HINT) from error


def _parse(values: object) -> ReviewDecisions:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    decisions = values.get("decisions")
    if not isinstance(decisions, dict):
        raise ValueError("decisions is not an object")
    by_id = {question_id: _parse_decision(question_id, value) for question_id, value in decisions.items()}
    return ReviewDecisions(_text(values, "table"), _text(values, "fingerprint"), by_id)


def _parse_decision(question_id: str, values: Any) -> Decision:
    if not isinstance(values, dict) or values.get("decision") not in get_args(Verdict):
        raise ValueError(f"{question_id}: decision is neither keep nor drop")
    reason = values.get("reason")
    if reason is not None and reason not in get_args(Reason):
        raise ValueError(f"{question_id}: reason is none of {', '.join(get_args(Reason))}")
    edits = {name: _text(values, name, question_id) for name in ("question", "answer") if name in values}
    if not edits.get("question", "?"):
        raise ValueError(f"{question_id}: the new question is empty")
    if edits and values["decision"] == "drop":
        raise ValueError(f"{question_id}: both dropped and edited")
    return Decision(values["decision"], reason, **edits)


def _text(values: Mapping[str, Any], name: str, place: str = "") -> str:
    """Return a text in one line, with single spaces.

    Raises:
        ValueError: It is not text, or it is not valid Unicode.
    """
    text = values.get(name)
    place = f"{place}: {name}" if place else name
    if not isinstance(text, str):
        raise ValueError(f"{place} is not text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{place} contains a lone surrogate at offset {error.start}") from error
    return " ".join(text.split())
