"""Writes the report page: one HTML file that needs no other file and no network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from qgbatch.errors import InputError
from qgbatch.exports.report import page
from qgbatch.exports.report.run_facts import read_run_facts
from qgbatch.exports.report.source_texts import load_source_texts
from qgbatch.exports.row_checks import CheckedRow
from qgbatch.exports.table import QuestionTable
from qgbatch.output.atomic import replace_file
from qgbatch.questions.review import Decision, read_decisions, table_fingerprint

logger = logging.getLogger("qgbatch")

MAX_QUESTIONS = 200_000
"""Per page. With 200,000 generated questions and passages of 35 words, the page has 62 MB. Chromium opens
it in 4 s on two busy cores; a search takes 0.1 s, sorting 0.5 s."""


def write_report(
    table: QuestionTable, run_report: Path | None, output: Path, review_with: Path | None = None
) -> list[tuple[str, str]]:
    """Write the report page.

    The page shows the whole text of each document whose file still exists and has not changed, and
    only the passages of the others.

    Args:
        table: An output of ``qgbatch run``.
        run_report: The file that ``qgbatch run --report`` wrote; it adds counts and failures.
        output: The HTML file to write.
        review_with: A file of decisions that the page begins with.

    Returns:
        What the page contains, as names and values.

    Raises:
        InputError: The table, the run's report or the decisions cannot be read, they do not belong
            together, or the table has more than :data:`MAX_QUESTIONS` rows.
        OutputError: The page cannot be written.
    """
    rows = _read_rows(table)
    run = read_run_facts(run_report, len(rows), table.provenance) if run_report else None
    decisions = _read_decisions(review_with, rows) if review_with else {}
    documents = load_source_texts(rows, table.provenance or (run.provenance if run else None))
    html = page.render(Path(table.path).name, rows, documents, table, run, decisions)
    with replace_file(output) as stream:
        stream.write(html.encode(errors="replace"))  # names of files may contain lone surrogates
    n_whole = sum(document.is_whole for document in documents)
    if n_whole < len(documents):
        logger.warning(
            "%d of %d documents are missing, have changed or are rows of tables: the page shows %s.",
            len(documents) - n_whole,
            len(documents),
            "only their passages"
            if "context" in table.columns
            else "none of their text (see qgbatch run --with-context)",
        )
    return [
        ("questions", f"{len(rows):,}"),
        ("documents", f"{len(documents):,} ({n_whole:,} with their whole text)"),
        *([("decisions", _describe(decisions, rows))] if review_with else []),
        ("output", str(output)),
    ]


def _read_rows(table: QuestionTable) -> Sequence[CheckedRow]:
    rows: list[CheckedRow] = []
    for row in table.rows():
        if len(rows) == MAX_QUESTIONS:
            raise InputError(
                f"{table.path}: more than {MAX_QUESTIONS:,} questions are too many for one page.",
                "Use the output of a run with fewer documents.",
            )
        rows.append(row)
    return rows


def _read_decisions(path: Path, rows: Sequence[CheckedRow]) -> Mapping[str, Decision]:
    """Read a file of decisions, which has to be about this table or about some of its questions."""
    decisions = read_decisions(path)
    known = {str(row["question_id"]) for row in rows}
    fingerprint = table_fingerprint(known)
    if decisions.by_id and decisions.fingerprint != fingerprint and known.isdisjoint(decisions.by_id):
        raise InputError(
            f"{path}: these decisions are about another table, {decisions.table} with the fingerprint "
            f"{decisions.fingerprint}; this one has {fingerprint}.",
            "Give the table that the page was made from, or a later output of the same run.",
        )
    return decisions.by_id


def _describe(decisions: Mapping[str, Decision], rows: Sequence[CheckedRow]) -> str:
    n_other = len(decisions.keys() - {row["question_id"] for row in rows})
    other = f" ({n_other:,} about questions that the table does not have)" if n_other else ""
    return f"{len(decisions):,}{other}"
