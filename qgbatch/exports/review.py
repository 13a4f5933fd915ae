"""Applies the decisions of a reader to an output of ``qgbatch run``, and writes the table that results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from qgbatch.errors import InputError
from qgbatch.exports.table import QuestionTable
from qgbatch.output.atomic import open_output
from qgbatch.output.rows import COLUMNS, OPTIONAL_COLUMNS, REVIEW_COLUMNS, Row
from qgbatch.output.writers import choose_format, open_writer
from qgbatch.questions.review import Decision, ReviewDecisions, review_question, table_fingerprint
from qgbatch.readers.conflicts import check_output_conflicts
from qgbatch.readers.listing import Listing


def write_reviewed(
    table: QuestionTable,
    path: str,
    decisions: ReviewDecisions,
    output: str,
    *,
    with_unread: bool,
    csv_safe: bool,
) -> list[tuple[str, str]]:
    """Write the questions of a table that a reader kept, with the edits.

    Args:
        table: An output of ``qgbatch run``.
        path: The file of the decisions, for messages.
        decisions: The decisions.
        output: The file to write, or ``-`` for standard output.
        with_unread: Whether to write the questions without a decision, too.
        csv_safe: Whether CSV is for spreadsheets, see :func:`qgbatch.output.writers.open_writer`.

    Returns:
        What was written and left out, as names and values.

    Raises:
        InputError: A row is invalid, no question is left, the decisions are about another table, or they
            edit answers and the table has none.
        OutputError: The output cannot be written.
        SettingsError: The suffix of the output is unknown.
    """
    file_format = choose_format(output, None)
    check_output_conflicts(Listing([*map(str, table.files), path]), [output])
    n_elsewhere = _count_elsewhere(table, path, decisions)
    columns = _columns(table)
    written, counts, reasons = {"kept", "edited"}, Counter[str](), Counter[str]()
    with (
        open_output(output) as stream,
        open_writer(stream, file_format, table.provenance, columns, csv_safe=csv_safe) as writer,
    ):
        for row, decision in _reviewed_rows(table, decisions):
            review = str(row["review"] or "unread")
            counts[review] += 1
            if decision and decision.reason:
                reasons[decision.reason] += 1
            if review in written or (with_unread and review == "unread"):
                writer.write({name: row[name] for name in columns})
        n_kept = counts["kept"] + counts["edited"]
        n_written = n_kept + (counts["unread"] if with_unread else 0)
        if not n_written:
            raise InputError(
                f"{table.path}: no question is left; {counts['dropped']:,} are dropped and "
                f"{counts['unread']:,} are unread.",
                "Keep some questions on the page of qgbatch report, or add --with-unread.",
            )
    unread = "" if with_unread or not counts["unread"] else " (left out; --with-unread writes them)"
    elsewhere = [("other", f"{n_elsewhere:,} decisions about questions that the table does not have")]
    return [
        ("questions", f"{n_written:,} of {counts.total():,}"),
        ("kept", f"{n_kept:,}, {counts['edited']:,} of them edited"),
        ("dropped", f"{counts['dropped']:,}{_describe(reasons)}"),
        ("unread", f"{counts['unread']:,}{unread}"),
        *(elsewhere if n_elsewhere else []),
    ]


def _describe(reasons: Mapping[str, int]) -> str:
    """The reasons of dropped questions, such as ``: 2 wrong, 1 unclear``; empty without any."""
    return ": " * bool(reasons) + ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())


def _count_elsewhere(table: QuestionTable, path: str, decisions: ReviewDecisions) -> int:
    """Return how many decisions are about questions that a table does not have.

    Raises:
        InputError: All of them are, and the decisions were made about another table.
    """
    ids = {str(row["question_id"]) for row in table.rows()}
    n_here = sum(question_id in ids for question_id in decisions.by_id)
    fingerprint = table_fingerprint(ids)
    if not n_here and fingerprint != decisions.fingerprint:
        raise InputError(
            f"{path}: these decisions are about another table, {decisions.table} with the fingerprint "
            f"{decisions.fingerprint}; {table.path} has {fingerprint}.",
            "Give the table that the page was made from, or a later output of the same run.",
        )
    return len(decisions.by_id) - n_here


def _columns(table: QuestionTable) -> Mapping[str, str]:
    """The columns of the reviewed table, in order, with their pyarrow types."""
    known = {
        name: kind
        for name, kind in {**COLUMNS, **OPTIONAL_COLUMNS}.items()
        if name in table.columns or name in REVIEW_COLUMNS
    }
    return {**known, **dict.fromkeys(table.kept_columns, "string")}


def _reviewed_rows(
    table: QuestionTable, decisions: ReviewDecisions
) -> Iterator[tuple[Row, Decision | None]]:
    """Yield all rows, each with the decision about it; one that is dropped says so in ``review``."""
    nothing = dict.fromkeys([*COLUMNS, *OPTIONAL_COLUMNS, *table.kept_columns])
    for checked in table.rows(with_kept=True):
        row: Row = {**nothing, **checked}
        decision = decisions.by_id.get(str(row["question_id"]))
        if decision:
            if decision.answer is not None and "answer" not in table.columns:
                raise InputError(
                    f"{table.path}: no column 'answer', and a decision edits the answer of "
                    f"{row['question_id']}.",
                    "Run qgbatch run again with a model that writes answers, or with --answers MODEL.",
                )
            text, start_char = checked.get("context"), int(checked["start_char"])
            row |= review_question(decision, row, None if text is None else str(text), start_char)
        yield row, decision
