"""``qgbatch report``."""

from __future__ import annotations

from pathlib import Path

import click

from qgbatch.cli.console import Console, console_options
from qgbatch.cli.options import Command, complete_files, option
from qgbatch.cli.summary import log_table
from qgbatch.errors import SettingsError

_EPILOG = """\b
Examples:
  qgbatch report questions.parquet -o report.html
  qgbatch report questions.parquet --run-report report.json -o report.html
  qgbatch report questions.parquet --review-with decisions.json -o report.html
"""


@click.command("report", cls=Command, epilog=_EPILOG)
@click.argument("questions", metavar="QUESTIONS", shell_complete=complete_files)
@option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    group="Output",
    has_variable=False,
    help="HTML page to write. It needs no other files and no network.",
)
@option(
    "--run-report",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    group="Input",
    help="Report of the run (qgbatch run --report). The page then shows what was dropped and why.",
)
@option(
    "--review-with",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    group="Input",
    help="Decisions that a page saved. The page begins with them.",
)
@console_options
def report_command(
    *, questions: str, output: Path, run_report: Path | None, review_with: Path | None, console: Console
) -> None:
    """Write an HTML page to review questions beside their text.

    QUESTIONS is an output of qgbatch run: a Parquet, CSV or JSONL file, or the directory that
    --runner ray writes.

    The text comes from the documents if they still exist and are unchanged, else from the column context
    that qgbatch run --with-context adds.
    """
    from qgbatch.exports.report.writer import write_report
    from qgbatch.exports.table import QuestionTable

    if output.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"-o {output} is not an HTML file.", "Give a file name that ends in .html.")
    log_table(write_report(QuestionTable(questions), run_report, output, review_with))
