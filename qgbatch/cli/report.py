"""``qgbatch report``."""

from __future__ import annotations

from pathlib import Path

import click

from qgbatch.cli.console import Console, console_options, log_table
from qgbatch.cli.options import GroupedCommand, GroupedOption, complete_files
from qgbatch.errors import SettingsError

_EPILOG = """\b
Examples:
  qgbatch report questions.parquet -o report.html
  qgbatch report questions.parquet --run-report report.json -o report.html
"""


@click.command("report", cls=GroupedCommand, epilog=_EPILOG)
@click.argument("questions", metavar="QUESTIONS", shell_complete=complete_files)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    cls=GroupedOption,
    group="Output",
    help="Page to write; it needs nothing else to be read.",
)
@click.option(
    "--run-report",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    cls=GroupedOption,
    group="Input",
    help="What --report of the run wrote, for what was left out and why.",
)
@console_options
def report_command(*, questions: str, output: Path, run_report: Path | None, console: Console) -> None:
    """Write a page to look at questions beside their text.

    QUESTIONS is an output of qgbatch run: Parquet, CSV, JSONL, or the directory of Parquet files of
    --runner ray. Documents are read again where they are there and unchanged; of others the page has the
    passages, if the run kept them with --with-context.
    """
    from qgbatch.exports.report.writer import write_report
    from qgbatch.exports.table import QuestionTable

    if output.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"-o {output}: not the name of a page.", "Give a name that ends in .html.")
    log_table(write_report(QuestionTable(questions), run_report, output))
