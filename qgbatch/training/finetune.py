"""``qgbatch finetune``: trains a model on question data and writes a model directory.

A training writes checkpoints to the output directory and, at its end, turns the best of them into the
model. The same command resumes an interrupted training from its last checkpoint.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from qgbatch.errors import ModelError, OutputError, SettingsError, display, require_package
from qgbatch.models.hub import prepare_repository, publish
from qgbatch.output.directories import CARD, prepare_directory
from qgbatch.training import checkpoints
from qgbatch.training.base import Base, load_base
from qgbatch.training.callbacks import LOG, OnProgress
from qgbatch.training.card import draw_losses, model_card
from qgbatch.training.checkpoints import RECIPE
from qgbatch.training.data import load_splits, read_split
from qgbatch.training.examples import Example, encode_paragraphs, make_examples
from qgbatch.training.paragraphs import Split
from qgbatch.training.recipe import make_recipe
from qgbatch.training.settings import TrainingSettings
from qgbatch.training.trainer import QuestionTrainer, make_arguments

logger = logging.getLogger(__name__)

LOSSES = "losses.png"


@dataclass(frozen=True)
class TrainingReport:
    """The result of a training."""

    n_steps: int
    """Number of steps of the whole training, including those before a resume."""
    metrics: dict[str, float]
    """``train_loss``: the last in the log; ``step``: of the checkpoint that became the model;
    ``eval_loss``: the validation loss at that step, if there are validation data."""
    seconds: float
    """Wall time of this process, including loading."""
    published_at: str | None
    """URL of the published model; None if it was not published."""


@dataclass(frozen=True)
class _Data:
    train: Split
    validation: Split | None


def finetune(
    settings: TrainingSettings, output_dir: str | os.PathLike[str], on_progress: OnProgress | None = None
) -> TrainingReport:
    """Train a model and write it to ``output_dir``, which contains either a complete model or none.

    Under ``torchrun``, every process calls this function; only the first one writes.

    Args:
        settings: The settings of the training.
        output_dir: The directory for checkpoints and the model.
        on_progress: Called after each step.

    Raises:
        InputError: The data cannot be read or contain no question.
        ModelError: The base model, a checkpoint or a required package is missing or damaged.
        OutputError: A checkpoint or the model cannot be written.
        SettingsError: A setting conflicts with another one, with the machine or with a checkpoint.
    """
    start, directory = time.monotonic(), Path(os.path.abspath(output_dir))
    is_first = int(os.environ.get("RANK", "0")) == 0  # torchrun sets it
    if not is_first:
        logging.getLogger("qgbatch").setLevel(logging.ERROR)
    tracker = [] if settings.report_to == "none" else [settings.report_to]
    for package in ("accelerate", "matplotlib", *tracker):
        require_package(package, "qgbatch finetune", extra=None if package == "wandb" else "train")
    _prepare_directory(directory, settings)
    data = _read_data(settings)
    base = load_base(settings)
    repository = None
    if settings.push_to_hub and is_first:
        repository = prepare_repository(settings.hub_model_id or directory.name, "model")
    arguments = make_arguments(settings, directory, has_validation=data.validation is not None)
    recipe = make_recipe(settings, arguments, base, data.train, data.validation)
    if settings.resume == "auto" and checkpoints.is_finished(directory, recipe):
        logger.info("%s already contains the model of this training.", directory)
    else:
        last = _train(settings, arguments, base, data, recipe, on_progress)
        if is_first:
            _write_model(directory, recipe, last, repository or directory.name)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    published_at = None
    if repository:
        files = (*checkpoints.MODEL_FILES, CARD, RECIPE, LOSSES, LOG)
        published_at = publish(directory, files, repository, "model")
    written = checkpoints.read_recipe(directory) if is_first else recipe
    n_steps, metrics = written.get("n_steps", 0), written.get("metrics", {})
    return TrainingReport(n_steps, metrics, time.monotonic() - start, published_at)


def _prepare_directory(directory: Path, settings: TrainingSettings) -> None:
    """Create the output directory; refuse one with models or checkpoints of other programs."""
    if display(str(directory)) != str(directory):
        raise OutputError(
            f"{directory}: the name is not UTF-8, and the libraries of training write no such names.",
            "Name another --output-dir, and rename it afterwards.",
        )
    if settings.base and os.path.realpath(settings.base) == os.path.realpath(directory):
        raise OutputError(f"{directory} is the base model itself.", "Name another --output-dir.")
    has_recipe = bool(checkpoints.read_recipe(directory))
    foreign = checkpoints.find_foreign_checkpoint(directory)
    outputs = [directory / name for name in (CARD, RECIPE, "config.json")]
    outputs += checkpoints.find_weights(directory)
    if foreign:  # old checkpoints are removed during a training
        outputs.append(foreign)
    prepare_directory(directory, outputs, lambda path: has_recipe and path != foreign, "qgbatch finetune")


def _read_data(settings: TrainingSettings) -> _Data:
    """Read the training data and the validation data, log their sizes, and warn about overlaps."""
    data = _read_dataset(settings) if settings.dataset else _read_files(settings)
    train, validation = data.train, data.validation
    for split in filter(None, (train, validation)):
        skipped = "".join(f", {count:,} {what} skipped" for what, count in split.skipped.items())
        n_paragraphs, n_questions = f"{len(split.paragraphs):,}", f"{split.n_questions:,}"
        logger.info("%s: %s paragraphs, %s questions%s", split.name, n_paragraphs, n_questions, skipped)
    if validation is None:
        logger.warning("No validation data: the last checkpoint becomes the model, not the best one.")
        if settings.early_stopping_patience:
            raise SettingsError(
                "--early-stopping-patience needs validation data.", "Add --validation-file FILE."
            )
    elif {p.context for p in train.paragraphs} & {p.context for p in validation.paragraphs}:
        logger.warning(
            "%s: contains paragraphs of the training data, so the validation loss is too low.",
            validation.name,
        )
    return data


def _read_dataset(settings: TrainingSettings) -> _Data:
    splits = load_splits(
        str(settings.dataset),
        keep_unanswerable=settings.keep_unanswerable,
        with_answers=settings.with_answers,
        only=("train", "validation"),
    )
    if "train" not in splits:
        raise SettingsError(
            f"--dataset {settings.dataset}: it has no split train.",
            "Use another dataset, or --train-file FILE.",
        )
    return _Data(splits["train"], splits.get("validation"))


def _read_files(settings: TrainingSettings) -> _Data:
    read = partial(
        read_split, keep_unanswerable=settings.keep_unanswerable, with_answers=settings.with_answers
    )
    path = settings.validation_file
    return _Data(read(str(settings.train_file)), read(path) if path else None)


def _train(
    settings: TrainingSettings,
    arguments: TrainingArguments,
    base: Base,
    data: _Data,
    recipe: dict[str, Any],
    on_progress: OnProgress | None,
) -> Path:
    """Train to the end, from the last checkpoint if there is one, and return the final checkpoint."""
    directory = Path(str(arguments.output_dir))
    checkpoint = checkpoints.choose_checkpoint(directory, settings.resume, recipe["identity"])
    trainer = QuestionTrainer(
        base,
        arguments,
        settings,
        _encode(data.train, base, settings),
        _encode(data.validation, base, settings) if data.validation else None,
        recipe,
        on_progress,
    )
    if checkpoint is None:
        if trainer.is_world_process_zero():
            checkpoints.remove_checkpoints(directory)
    else:
        if checkpoints.step_of(checkpoint) >= trainer.n_steps or checkpoints.is_at_end(checkpoint, recipe):
            return checkpoint
        logger.info("Resuming from %s.", checkpoint)
    with _training_errors(directory):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return directory / f"checkpoint-{trainer.state.global_step}"


@contextmanager
def _training_errors(directory: Path) -> Iterator[None]:
    """Turn errors that can stop a training into errors with a hint."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SettingsError(
            "A batch does not fit in the memory of the device.",
            "Halve --per-device-train-batch-size and double --gradient-accumulation-steps. The effective "
            "batch size stays the same.",
        ) from error
    except OSError as error:  # from a tracker; qgbatch's own files raise OutputError
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OutputError(
            f"{directory}: cannot be written ({error.strerror}).",
            "Free some space; the same command then resumes the training.",
        ) from error
    except Exception as error:
        if not type(error).__module__.startswith("wandb"):
            raise
        raise ModelError(
            f"wandb: {error}", "Log in with wandb login, set WANDB_MODE=offline, or omit --report-to."
        ) from error


def _encode(split: Split, base: Base, settings: TrainingSettings) -> list[Example]:
    """Tokenize a split, and warn if sources or targets are truncated."""
    tokenizer = base.tokenizer
    sources, targets = encode_paragraphs(tokenizer, split.paragraphs)
    for what, rows, limit in (
        ("source", sources, settings.max_source_length),
        ("target", targets, settings.max_target_length),
    ):
        n_truncated, longest = sum(len(row) > limit for row in rows), max(map(len, rows))
        if n_truncated:
            logger.warning(
                "%s: --max-%s-length %d truncates %s of %s %ss (%.1f %%); the longest has %d tokens.",
                split.name, what, limit, f"{n_truncated:,}", f"{len(rows):,}", what,
                100 * n_truncated / len(rows), longest,
            )  # fmt: skip
    return make_examples(
        sources, targets, tokenizer.eos_id, settings.max_source_length, settings.max_target_length
    )


def _write_model(directory: Path, recipe: dict[str, Any], last: Path, name: str) -> None:
    """Write the best checkpoint up to the last one as the model of the output directory."""
    if checkpoints.read_state(last) is None:
        raise OutputError(
            f"{last}: the checkpoint has disappeared.", "Run the command again without removing files."
        )
    best = checkpoints.best_of(last)
    history = checkpoints.read_history(last)
    n_steps, step = checkpoints.step_of(last), checkpoints.step_of(best)
    train_losses = [entry["loss"] for entry in history if "loss" in entry]
    eval_losses = [e["eval_loss"] for e in history if "eval_loss" in e and e["step"] == step]
    metrics: dict[str, float] = {"step": step}
    if train_losses:
        metrics["train_loss"] = train_losses[-1]
    if eval_losses:
        metrics["eval_loss"] = eval_losses[-1]
    recipe = {**recipe, "n_steps": n_steps, "metrics": metrics}
    with checkpoints.replacing_model(best, directory) as draft:
        draw_losses(history, draft / LOSSES)
        (draft / CARD).write_text(model_card(name, recipe), encoding="utf-8")
        (draft / RECIPE).write_text(
            json.dumps(recipe, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
