"""What happens between the steps of a training: log, progress, saving the best, stopping early."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from qgbatch.output.atomic import replacing
from qgbatch.output.writers import json_line
from qgbatch.training.sampling import StepSampler

logger = logging.getLogger(__name__)

LOG = "training_log.jsonl"
OnProgress = Callable[[float, str], None]
"""Called after each step with the share of this process's steps, 0 to 1, and where it is."""


class Epochs(TrainerCallback):
    """Tells the sampler which epoch it is, also after going on from a checkpoint."""

    def __init__(self, sampler: StepSampler) -> None:
        self._sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Choose the epoch's shuffle."""
        self._sampler.set_epoch(int(state.epoch or 0))


class Log(TrainerCallback):
    """Losses to the log and to ``training_log.jsonl``, progress to a person, from one process."""

    def __init__(self, output_dir: Path, on_progress: OnProgress | None) -> None:
        self._path = output_dir / LOG
        self._on_progress = on_progress
        self._first_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note where this process begins, and take the distances of its own settings."""
        self._first_step = state.global_step
        state.compute_steps(args, state.max_steps)  # a checkpoint brings back those it was saved with

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write the history so far, and say the last of it."""
        if not state.is_world_process_zero:
            return
        # The history comes back from a checkpoint, so the file never has a step twice.
        with replacing(self._path) as stream:
            stream.writelines(json_line(_without_nan(entry)) for entry in state.log_history)
        kinds = {"loss": "loss", "eval_loss": "validation loss", "learning_rate": "learning rate"}
        shown = [f"{name} {logs[key]:.4g}" for key, name in kinds.items() if logs and key in logs]
        if shown:
            logger.info("step %d of %d: %s", state.global_step, state.max_steps, ", ".join(shown))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Tell the progress."""
        if self._on_progress and state.is_world_process_zero:
            share = (state.global_step - self._first_step) / (state.max_steps - self._first_step)
            self._on_progress(share, f"step {state.global_step} of {state.max_steps}")


def _without_nan(entry: dict[str, float]) -> dict[str, float | None]:
    """An entry as JSON can hold it: null for what is no number, as when a training overflows."""
    return {key: value if math.isfinite(value) else None for key, value in entry.items()}


class SaveBest(TrainerCallback):
    """Saves a checkpoint whenever the validation loss is the best so far.

    The Trainer alone keeps the best of those that were due anyway, and forgets a best
    loss between them.
    """

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Have the best so far saved."""
        if metrics and (state.best_metric is None or metrics["eval_loss"] < state.best_metric):
            control.should_save = True


class StopEarly(TrainerCallback):
    """Stops after so many evaluations without a better loss, and saves where it stopped.

    They are counted in the history, which comes back from a checkpoint; the callback of
    transformers would bring back its patience too, whatever the settings say now.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop, and have the last saved, when the patience is at its end."""
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        if len(losses) - 1 - losses.index(min(losses)) >= self._patience:
            control.should_training_stop = control.should_save = True
