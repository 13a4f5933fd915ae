"""``qgbatch evaluate``."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qgbatch.cli.config import config_option
from qgbatch.cli.console import Console, console_options
from qgbatch.cli.options import LongCommand, build_settings, option, settings_options
from qgbatch.cli.result import print_result
from qgbatch.errors import SettingsError, require_package
from qgbatch.output.atomic import replace_file
from qgbatch.settings import Settings

_EPILOG = """\b
Examples:
  qgbatch evaluate --data dev-v1.1.json --model my-model -o metrics.json
  qgbatch evaluate --data dev-v1.1.json --limit 200 --target-tokens 512
  qgbatch evaluate --data dev-v1.1.json --questions questions.parquet
"""
_FORMATS = (".json", ".md")


@click.command(cls=LongCommand, epilog=_EPILOG)
@option(
    "--data",
    required=True,
    metavar="FILE",
    group="Data",
    common=True,
    help="Paragraphs and their reference questions: SQuAD JSON, JSONL (both also .gz) or Parquet.",
)
@option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    group="Data",
    common=True,
    help="Number of paragraphs to use, sampled with a fixed seed.  [default: all]",
)
@option(
    "--questions",
    metavar="FILE",
    group="Data",
    common=True,
    help="Evaluate the questions in this output of qgbatch run instead of a model. They are matched to "
    "paragraphs by document_sha256 (if run read one file per paragraph) or by context.",
)
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Data",
    common=True,
    has_variable=False,
    help="File for the metrics and the method, .json or .md.",
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
    """Compare questions with reference questions.

    Generates questions for the paragraphs in --data, or reads them from --questions, and compares them with
    the questions that people asked. If there are answers, they are compared too. Prints the metrics and the
    method as Markdown. The options of the model and of generation are those of qgbatch run.
    """
    settings = build_settings(Settings, values)
    source = click.get_current_context().get_parameter_source("model")
    if questions and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--model and --questions cannot be combined: evaluate one of them.")
    if output and output.suffix not in _FORMATS:
        raise SettingsError(f"-o {output}: unknown suffix.", f"Use {' or '.join(_FORMATS)}.")
    for package in ("rouge_score", "sacrebleu", "scipy"):
        require_package(package, "qgbatch evaluate", extra="train")
    console.set_up_libraries()

    from qgbatch.readers.conflicts import check_output_conflicts
    from qgbatch.readers.listing import Listing
    from qgbatch.training.data import read_split
    from qgbatch.training.evaluation import evaluate_model, evaluate_questions

    if output:
        check_output_conflicts(Listing([data, *([questions] if questions else [])]), [str(output)])
    with replace_file(output) if output else nullcontext() as stream:  # fail early if it cannot be written
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
    print_result(markdown.rstrip("\n"))
