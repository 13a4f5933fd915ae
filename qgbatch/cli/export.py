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

_EPILOG = """\b
beir       retrieval test set: corpus.jsonl, queries.jsonl, qrels/test.tsv
squad      squad.json, as SQuAD v1.1; with answers where the table has them
hf         a data set with a card for the Hugging Face hub
anki       flash cards, anki.tsv
doc2query  passages with their questions for a search index, documents.jsonl

beir, squad and doc2query need the passages: qgbatch run --with-context.

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
    metavar="FORM",
    cls=GroupedOption,
    group="Output",
    help=f"One of the forms below: {', '.join(FORMATS)}.",
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
    """Write questions in a form that other tools read.

    QUESTIONS is an output of qgbatch run: Parquet, CSV, JSONL, or the directory of Parquet files of
    --runner ray.
    """
    from qgbatch.models.hub import prepare_repository, publish

    if push_to_hub and to != "hf":
        raise SettingsError(f"--push-to-hub does not go with --to {to}.", "Use --to hf.")
    table, target = QuestionTable(questions), FORMATS[to]
    repository = None
    if push_to_hub:
        repository = prepare_repository(hub_dataset_id or output_dir.absolute().name, "dataset")
    lines = export(table, target, output_dir, license_name)
    written = (*target.files, CARD)
    published = [("published", publish(output_dir, written, repository, "dataset"))] if repository else []
    log_table([*lines, ("output", str(output_dir)), *published])
