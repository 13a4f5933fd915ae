"""``qgbatch evaluate``."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qgbatch.cli.console import Console, console_options
from qgbatch.cli.options import GroupedCommand, GroupedOption, config_option, pick, settings_options
from qgbatch.errors import SettingsError, require_package
from qgbatch.output.atomic import replacing
from qgbatch.settings import Settings

_EPILOG = """\b
Examples:
  qgbatch evaluate --data dev-v1.1.json --model my-model -o metrics.json
  qgbatch evaluate --data dev-v1.1.json --limit 200 --target-tokens 512
  qgbatch evaluate --data dev-v1.1.json --questions questions.parquet
"""
_FORMATS = (".json", ".md")


@click.command(cls=GroupedCommand, epilog=_EPILOG)
@click.option(
    "--data",
    required=True,
    metavar="FILE",
    cls=GroupedOption,
    group="Data",
    help="Paragraphs and the questions that people asked: SQuAD JSON or JSONL, also .gz, or Parquet.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    cls=GroupedOption,
    group="Data",
    help="Measure on that many paragraphs, drawn by a fixed seed.  [default: all]",
)
@click.option(
    "--questions",
    metavar="FILE",
    cls=GroupedOption,
    group="Data",
    help="Measure these questions (Parquet, CSV or JSONL as run writes them), not a model. They belong "
    "to paragraphs by document_sha256, where run read a file a paragraph, or by context.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    cls=GroupedOption,
    group="Data",
    help="File for the figures and the protocol, .json or .md.",
)
@settings_options(Settings)
@config_option()
@console_options
def evaluate(
    *,
    data: str,
    limit: int | None,
    questions: str | None,
    output: Path | None,
    console: Console,
    **values: Any,
) -> None:
    """Measure questions against those that people asked.

    They are a model's, or with --questions those of a file. The figures go to standard output too, as
    Markdown, with the protocol beside them. The options of the model and of generation are those of
    qgbatch run.
    """
    settings = pick(Settings, values)
    source = click.get_current_context().get_parameter_source("model")
    if questions and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--model and --questions: measure one of them.")
    if output and output.suffix not in _FORMATS:
        raise SettingsError(f"-o {output}: no format is known for it.", f"Use {' or '.join(_FORMATS)}.")
    for package in ("rouge_score", "sacrebleu", "scipy"):
        require_package(package, "qgbatch evaluate", extra="train")
    console.set_up_libraries()

    from qgbatch.readers.conflicts import check_output_conflicts
    from qgbatch.readers.listing import Listing
    from qgbatch.training.data import read_split
    from qgbatch.training.evaluation import evaluate_model, evaluate_questions

    if output:
        check_output_conflicts(Listing([data, *([questions] if questions else [])]), [str(output)])
    with replacing(output) if output else nullcontext() as stream:  # one that cannot be written stops it
        split = read_split(data)
        if questions:
            evaluation = evaluate_questions(split, questions, limit=limit)
        else:
            with console.progress() as progress:
                evaluation = evaluate_model(split, settings, limit=limit, on_progress=progress)
        markdown = evaluation.to_markdown()
        if stream and output:
            as_json = json.dumps(asdict(evaluation), ensure_ascii=False, indent=2) + "\n"
            stream.write((as_json if output.suffix == ".json" else markdown).encode())
    click.echo(markdown, nl=False)
