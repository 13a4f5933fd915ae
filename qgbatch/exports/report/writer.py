"""Questions beside the text that they were asked of: one HTML page that needs nothing else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from qgbatch.errors import InputError
from qgbatch.exports.report import page
from qgbatch.exports.report import source_texts as texts
from qgbatch.exports.report.run_facts import read_run_facts
from qgbatch.exports.row_checks import CheckedRow
from qgbatch.exports.table import QuestionTable
from qgbatch.output.atomic import replacing

logger = logging.getLogger("qgbatch")

MAX_QUESTIONS = 200_000
"""On one page. So many made ones with passages of 35 words were 62 MB, which Chromium opened in 4 s on
two busy cores; a search took 0.1 s, sorting 0.5 s."""


def write_report(table: QuestionTable, run_report: Path | None, output: Path) -> list[tuple[str, str]]:
    """Write the page, and tell what is on it: names and values.

    A document is read again where its file is there and has not changed since; of others the
    page has the passages that the table holds.

    Raises:
        InputError: the table or the run's report cannot be read, is of another run, or there are
            more than :data:`MAX_QUESTIONS`.
        OutputError: the page cannot be written.
    """
    rows = _collect(table)
    run = read_run_facts(run_report, len(rows), table.provenance) if run_report else None
    documents = texts.bring_together(rows, table.provenance or (run.provenance if run else None))
    html = page.render(Path(table.path).name, rows, documents, table, run)
    with replacing(output) as stream:
        stream.write(html.encode(errors="replace"))  # halves of surrogate pairs in settings or failures
    n_whole = sum(document.is_whole for document in documents)
    if n_whole < len(documents):
        logger.warning(
            "%d of %d documents are not there, have changed or are rows of tables: the page has %s.",
            len(documents) - n_whole,
            len(documents),
            "their passages alone"
            if "context" in table.columns
            else "none of their text, see --with-context",
        )
    return [
        ("questions", f"{len(rows):,}"),
        ("documents", f"{len(documents):,} ({n_whole:,} with their whole text)"),
        ("output", str(output)),
    ]


def _collect(table: QuestionTable) -> Sequence[CheckedRow]:
    rows: list[CheckedRow] = []
    for row in table.rows():
        if len(rows) == MAX_QUESTIONS:
            raise InputError(
                f"{table.path}: more than {MAX_QUESTIONS:,} questions, too many for a page.",
                "Give a part of it, such as the output of fewer documents.",
            )
        rows.append(row)
    return rows
