"""``qgbatch export``."""

from __future__ import annotations

from pathlib import Path

import click

from qgbatch.cli.console import Console, console_options, log_table
from qgbatch.cli.options import (
    GroupedCommand,
    GroupedOption,
    complete_files,
    config_option,
    data_set_options,
)
from qgbatch.errors import SettingsError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.table import QuestionTable
from qgbatch.output.directories import CARD

_FORMAT_LINES = "\n".join(f"{name:<10} {FORMATS[name].help}" for name in FORMATS)
_NEED_CONTEXT = ", ".join(name for name in FORMATS if FORMATS[name].needs_context)
_EPILOG = f"""\b
Formats:
{_FORMAT_LINES}

These formats need the passages, from qgbatch run --with-context: {_NEED_CONTEXT}.

\b
Examples:
  qgbatch run docs/ -o questions.parquet --with-context
  qgbatch export questions.parquet --to beir -o retrieval-test
  qgbatch export questions.parquet --to hf -o questions --license cc-by-sa-4.0
"""


@click.command("export", cls=GroupedCommand, epilog=_EPILOG)
@click.argument("questions", metavar="QUESTIONS", shell_complete=complete_files)
@click.option(
    "--to",
    required=True,
    type=click.Choice(list(FORMATS)),
    metavar="FORMAT",
    cls=GroupedOption,
    group="Output",
    help=f"Format, one of: {', '.join(FORMATS)}.",
)
@click.option(
    "-o",
    "--output-dir",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    cls=GroupedOption,
    group="Output",
    help="Directory for the files and a README.md about them.",
)
@data_set_options
@config_option()
@console_options
def export_command(
    *,
    questions: str,
    to: str,
    output_dir: Path,
    license_name: str | None,
    push_to_hub: bool,
    hub_dataset_id: str | None,
    console: Console,
) -> None:
    """Write questions in a format that other tools read.

    QUESTIONS is an output of qgbatch run: Parquet, CSV, JSONL, or the directory of Parquet files of
    --runner ray.
    """
    from qgbatch.models.hub import prepare_repository, publish

    if push_to_hub and to != "hf":
        raise SettingsError(f"--push-to-hub does not go with --to {to}.", "Use --to hf.")
    table, export_format = QuestionTable(questions), FORMATS[to]
    repository = None
    if push_to_hub:
        repository = prepare_repository(hub_dataset_id or output_dir.absolute().name, "dataset")
    summary = export(table, export_format, output_dir, license_name)
    written = (*export_format.files, CARD)
    published = [("published", publish(output_dir, written, repository, "dataset"))] if repository else []
    log_table([*summary, ("output", str(output_dir)), *published])
