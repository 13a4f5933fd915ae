"""Trainer callbacks: log, progress, best checkpoint and early stopping."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from qgbatch.output.atomic import replace_file
from qgbatch.output.writers import json_line
from qgbatch.training.sampling import StepSampler

logger = logging.getLogger(__name__)

LOG = "training_log.jsonl"
OnProgress = Callable[[float, str], None]
"""Called after each step with the fraction of steps that are done, 0 to 1, and a text such as
``step 3 of 9``. Steps before a resumed checkpoint are not counted."""


class EpochCallback(TrainerCallback):
    """Tells the sampler the current epoch, including after a resume."""

    def __init__(self, sampler: StepSampler) -> None:
        self._sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Set the epoch of the sampler."""
        self._sampler.set_epoch(int(state.epoch or 0))


class LogCallback(TrainerCallback):
    """Writes losses to the log and to ``training_log.jsonl``, and reports progress, in one process."""

    def __init__(self, output_dir: Path, on_progress: OnProgress | None) -> None:
        self._path = output_dir / LOG
        self._on_progress = on_progress
        self._first_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remember the first step, and apply the logging, evaluation and save intervals of this run."""
        self._first_step = state.global_step
        state.compute_steps(args, state.max_steps)  # a checkpoint restores its own intervals

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write all losses so far to the file, and log the latest."""
        if not state.is_world_process_zero:
            return
        # A checkpoint restores the history, so the file never contains a step twice.
        with replace_file(self._path) as stream:
            stream.writelines(json_line(_finite_or_null(entry)) for entry in state.log_history)
        kinds = {"loss": "loss", "eval_loss": "validation loss", "learning_rate": "learning rate"}
        shown = [f"{name} {logs[key]:.4g}" for key, name in kinds.items() if logs and key in logs]
        if shown:
            logger.info("step %d of %d: %s", state.global_step, state.max_steps, ", ".join(shown))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report progress."""
        if self._on_progress and state.is_world_process_zero:
            fraction = (state.global_step - self._first_step) / (state.max_steps - self._first_step)
            self._on_progress(fraction, f"step {state.global_step} of {state.max_steps}")


def _finite_or_null(entry: dict[str, float]) -> dict[str, float | None]:
    """An entry that JSON can represent: NaN and infinity, after an overflow, become null."""
    return {key: value if math.isfinite(value) else None for key, value in entry.items()}


class SaveBestCallback(TrainerCallback):
    """Saves a checkpoint whenever the validation loss is the best so far.

    The Trainer itself saves only at fixed intervals and misses a best loss between them.
    """

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Request a checkpoint if the loss is the best so far."""
        if metrics and (state.best_metric is None or metrics["eval_loss"] < state.best_metric):
            control.should_save = True


class EarlyStoppingCallback(TrainerCallback):
    """Stops after ``patience`` evaluations without a better loss, and saves a checkpoint.

    The evaluations are counted in the history, which a checkpoint restores. The callback of transformers
    would also restore its old patience and ignore the current setting.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Request a stop and a checkpoint if the loss has not improved for ``patience`` evaluations."""
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        if len(losses) - 1 - losses.index(min(losses)) >= self._patience:
            control.should_training_stop = control.should_save = True
