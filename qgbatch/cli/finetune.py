"""``qgbatch finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qgbatch.cli.console import Console, console_options, log_table
from qgbatch.cli.options import GroupedCommand, GroupedOption, config_option, pick, settings_options
from qgbatch.training.settings import TrainingSettings

_EPILOG = """\b
Examples:
  qgbatch finetune --train-file train-v1.1.json -o my-model
  qgbatch finetune --dataset rajpurkar/squad -o my-model --bf16
  torchrun --nproc-per-node 4 -m qgbatch finetune --config c.toml -o my-model
"""

_SHOWN = {"step": "model of step", "train_loss": "last training loss", "eval_loss": "its validation loss"}


@click.command(cls=GroupedCommand, epilog=_EPILOG)
@settings_options(TrainingSettings)
@click.option(
    "-o",
    "--output-dir",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    cls=GroupedOption,
    group="Output",
    help="Directory for the model, its card and the checkpoints.",
)
@config_option()
@console_options
def finetune(*, output_dir: Path, console: Console, **values: Any) -> None:
    """Fine-tune a T5 to ask questions.

    It learns from paragraphs and the questions that people asked of them. Run the same command again to go
    on after an interruption. Every option can also come from a QGBATCH_ variable or from --config.
    """
    settings = pick(TrainingSettings, values)
    console.set_up_libraries()

    from qgbatch.training.finetune import finetune as train

    with console.progress() as progress:
        report = train(settings, output_dir, progress)
    lines = [
        ("steps", f"{report.n_steps:,}"),
        *((_SHOWN[name], f"{value:.6g}") for name, value in report.metrics.items()),
        ("time", f"{report.seconds:.1f} s"),
        ("model", str(output_dir)),
        *([("published", report.published_at)] if report.published_at else []),
    ]
    log_table(lines)
