"""``qgbatch export``."""

from __future__ import annotations

from pathlib import Path

import click

from qgbatch.cli.config import config_option
from qgbatch.cli.console import Console, console_options
from qgbatch.cli.options import Command, complete_files, option
from qgbatch.cli.shared_options import dataset_options, output_dir_option
from qgbatch.cli.summary import log_table
from qgbatch.errors import SettingsError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.directories import CARD

_MAX_NEGATIVES = 50
_FORMAT_LINES = "\n".join(f"  {name:<10} {FORMATS[name].help}" for name in FORMATS)
_NEED_CONTEXT = ", ".join(
    name for name in FORMATS if FORMATS[name].needs_context and not FORMATS[name].needs_passages
)
_NEED_ANSWERS = ", ".join(name for name in FORMATS if FORMATS[name].needs_answers)
_CAN_BE_SPLIT = ", ".join(name for name in FORMATS if FORMATS[name].part_file)
_EPILOG = f"""\b
Formats:
{_FORMAT_LINES}

These formats need the passages, from qgbatch run --with-context or --passages: {_NEED_CONTEXT}.
The format triples needs --passages. These formats need answers: {_NEED_ANSWERS}.

\b
Examples:
  qgbatch run docs/ -o questions.parquet --with-context
  qgbatch export questions.parquet --to beir -o retrieval-test
  qgbatch export questions.parquet --to hf -o questions --license cc-by-sa-4.0
"""


@click.command("export", cls=Command, epilog=_EPILOG)
@click.argument("questions", metavar="QUESTIONS", shell_complete=complete_files)
@option(
    "--to",
    required=True,
    type=click.Choice(list(FORMATS)),
    metavar="FORMAT",
    group="Output",
    help=f"Format of the export: {', '.join(FORMATS)}.",
)
@option(
    "--passages",
    metavar="FILE",
    group="Questions and passages",
    help="All passages, as qgbatch run --passages wrote them; then the corpus has those without a "
    "question too.",
)
@option(
    "--min-rank",
    type=click.IntRange(min=1),
    metavar="N",
    group="Questions and passages",
    help="Leave out questions whose passage BM25 finds at a rank below this (needs the column bm25_rank).",
)
@option(
    "--max-share-easy",
    type=click.FloatRange(min=0, max=1),
    metavar="X",
    group="Questions and passages",
    help="Leave out questions whose passage BM25 finds first, those with the lowest score, until they are "
    "at most this share.",
)
@option(
    "--negatives",
    type=click.IntRange(min=1, max=_MAX_NEGATIVES),
    default=1,
    show_default=True,
    metavar="N",
    group="Questions and passages",
    help="Hard negatives for each question of triples.",
)
@option(
    "--split",
    metavar="PARTS",
    group="Questions and passages",
    help=f"Split the documents into parts, such as train=0.8,dev=0.1,test=0.1: for {_CAN_BE_SPLIT}.",
)
@output_dir_option("Directory for the files and a README.md that describes them.")
@dataset_options
@config_option()
@console_options
def export_command(
    *,
    questions: str,
    to: str,
    passages: str | None,
    min_rank: int | None,
    max_share_easy: float | None,
    negatives: int,
    split: str | None,
    output_dir: Path,
    license_name: str | None,
    push_to_hub: bool,
    hub_dataset_id: str | None,
    console: Console,
) -> None:
    """Convert questions to the format of another tool.

    QUESTIONS is an output of qgbatch run: a Parquet, CSV or JSONL file, or the directory that
    --runner ray writes.
    """
    from qgbatch.models.hub import prepare_repository, publish
    from qgbatch.questions.retrieval.splits import parse_split

    if push_to_hub and to != "hf":
        raise SettingsError(f"--push-to-hub cannot be combined with --to {to}.", "Use --to hf.")
    table, export_format = QuestionTable(questions), FORMATS[to]
    repository = None
    if push_to_hub:
        repository = prepare_repository(hub_dataset_id or output_dir.absolute().name, "dataset")
    options = ExportOptions(
        license_name=license_name,
        passages=passages,
        min_rank=min_rank,
        max_share_easy=max_share_easy,
        negatives=negatives,
        split=parse_split(split) if split else {},
    )
    summary = export(table, export_format, output_dir, options)
    written = (*export_format.file_names(options.split), CARD)
    published = [("published", publish(output_dir, written, repository, "dataset"))] if repository else []
    log_table([*summary, ("output", str(output_dir)), *published])
