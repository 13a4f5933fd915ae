"""``qgbatch review``."""

from __future__ import annotations

import click

from qgbatch.cli.config import config_option
from qgbatch.cli.console import Console, console_options
from qgbatch.cli.options import Command, complete_files, option
from qgbatch.cli.summary import log_table

_EPILOG = """\b
Examples:
  qgbatch report questions.parquet -o report.html
  qgbatch review questions.parquet decisions.json -o reviewed.parquet
  qgbatch export reviewed.parquet --to squad -o reviewed-squad
"""


@click.command("review", cls=Command, epilog=_EPILOG)
@click.argument("questions", metavar="QUESTIONS", shell_complete=complete_files)
@click.argument("decisions", metavar="DECISIONS", shell_complete=complete_files)
@option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    group="Output",
    has_variable=False,
    help="Output file or URI (.parquet, .csv, .jsonl); - for standard output.",
)
@option(
    "--with-unread/--no-with-unread",
    show_default=True,
    group="Output",
    help="Also write the questions without a decision.",
)
@option(
    "--csv-safe/--no-csv-safe",
    show_default=True,
    group="Output",
    help="In CSV, write a byte order mark, and ' before text that a spreadsheet would run as a formula.",
)
@config_option()
@console_options
def review_command(
    *, questions: str, decisions: str, output: str, with_unread: bool, csv_safe: bool, console: Console
) -> None:
    """Apply the decisions of a reader to questions.

    QUESTIONS is an output of qgbatch run: a Parquet, CSV or JSONL file, or the directory that
    --runner ray writes. DECISIONS is the file that the page of qgbatch report saves.

    The output has the kept questions with their edits. An edited question keeps its question_id, and
    original_question and original_answer hold what the model wrote.
    """
    from qgbatch.exports.review import write_reviewed
    from qgbatch.exports.table import QuestionTable
    from qgbatch.questions.review import read_decisions

    table, read = QuestionTable(questions), read_decisions(decisions)
    summary = write_reviewed(table, decisions, read, output, with_unread=with_unread, csv_safe=csv_safe)
    log_table([*summary, ("output", output)])
