"""``qgbatch finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qgbatch.cli.config import config_option
from qgbatch.cli.console import Console, console_options
from qgbatch.cli.options import LongCommand, build_settings, settings_options
from qgbatch.cli.shared_options import output_dir_option
from qgbatch.cli.summary import log_table
from qgbatch.training.settings import TrainingSettings

_EPILOG = """\b
Examples:
  qgbatch finetune --train-file train-v1.1.json -o my-model
  qgbatch finetune --dataset rajpurkar/squad -o my-model --bf16
  torchrun --nproc-per-node 4 --no-python qgbatch finetune --dataset a/qa -o m
"""

_METRIC_LABELS = {"step": "checkpoint step", "train_loss": "training loss", "eval_loss": "validation loss"}


@click.command(cls=LongCommand, epilog=_EPILOG)
@settings_options(TrainingSettings)
@output_dir_option("Directory for the model, its card and the checkpoints.", common=True)
@config_option()
@console_options
def finetune(*, output_dir: Path, console: Console, **values: Any) -> None:
    """Fine-tune a T5 to ask questions.

    The training data are paragraphs with questions that people asked about them, and answers if the model
    is to write answers. To resume after an interruption, run the same command again.

    The first place that sets an option wins: command line, environment variable (QGBATCH_MAX_STEPS=100),
    --config.
    """
    settings = build_settings(TrainingSettings, values)
    console.set_up_libraries()

    from qgbatch.training.finetune import finetune as train

    with console.progress() as progress:
        report = train(settings, output_dir, progress)
    lines = [
        ("steps", f"{report.n_steps:,}"),
        *((_METRIC_LABELS[name], f"{value:.6g}") for name, value in report.metrics.items()),
        ("time", f"{report.seconds:.1f} s"),
        ("model", str(output_dir)),
        *([("published", report.published_at)] if report.published_at else []),
    ]
    log_table(lines)
