"""``qgbatch dataset``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qgbatch.cli.config import config_option
from qgbatch.cli.console import Console, console_options
from qgbatch.cli.options import Command, complete_files, option
from qgbatch.cli.shared_options import dataset_options, output_dir_option
from qgbatch.cli.summary import log_table

if TYPE_CHECKING:
    from qgbatch.training.dataset import DataFormat

_EPILOG = """\b
Examples:
  qgbatch dataset train-v1.1.json dev-v1.1.json -o squad-questions
  qgbatch dataset rajpurkar/squad_v2 -o squad2-questions --keep-unanswerable
  qgbatch dataset faq.jsonl -o faq --license cc-by-sa-4.0 --push-to-hub
"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", shell_complete=complete_files)
@option(
    "--keep-unanswerable/--no-keep-unanswerable",
    show_default=True,
    group="Data",
    help="Keep the unanswerable questions of SQuAD v2.0.",
)
@option(
    "--with-answers/--no-with-answers",
    show_default=True,
    group="Data",
    help="Write each question with its answer. Questions without an answer are skipped.",
)
@output_dir_option("Directory for the card and one file per split.")
@option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "jsonl"]),
    metavar="FORMAT",
    default="parquet",
    show_default=True,
    group="Output",
    help="File format: parquet or jsonl.",
)
@dataset_options
@config_option()
@console_options
def dataset(
    *,
    inputs: tuple[str, ...],
    keep_unanswerable: bool,
    with_answers: bool,
    output_dir: Path,
    file_format: DataFormat,
    license_name: str | None,
    push_to_hub: bool,
    hub_dataset_id: str | None,
    console: Console,
) -> None:
    """Convert question data to a dataset for training or publishing.

    INPUT is SQuAD JSON (v1.1, v2.0), JSONL (both also .gz) or Parquet with the fields context and
    questions, or a single directory or hub id of a dataset. A question is a text, or an object with
    question and answer. The result has one example per paragraph, and a dataset card.

    A file whose name contains the word dev, val or validation becomes the split validation, one with the
    word test becomes test, and any other file becomes train.
    """
    from qgbatch.models.hub import prepare_repository, publish
    from qgbatch.training.dataset import read_splits, write_dataset

    splits = read_splits(inputs, keep_unanswerable=keep_unanswerable, with_answers=with_answers)
    repository = None
    if push_to_hub:
        repository = prepare_repository(hub_dataset_id or output_dir.absolute().name, "dataset")
    written = write_dataset(splits, output_dir, file_format, license_name, with_answers=with_answers)
    lines = [
        (name, f"{len(split.paragraphs):,} paragraphs, {split.n_questions:,} questions")
        for name, split in splits.items()
    ]
    skipped = [
        (f"{name} skipped", f"{count:,} {what}")
        for name, split in splits.items()
        for what, count in split.skipped.items()
    ]
    published = [("published", publish(output_dir, written, repository, "dataset"))] if repository else []
    log_table([*lines, *skipped, ("output", str(output_dir)), *published])
