"""From question data to a model directory."""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from qgbatch.errors import ModelError, OutputError, SettingsError, require_package
from qgbatch.models.hub import prepare_repository, publish
from qgbatch.output.directories import CARD, prepare_directory
from qgbatch.training import checkpoints
from qgbatch.training.base import Base, load_base
from qgbatch.training.callbacks import LOG, OnProgress
from qgbatch.training.card import draw_losses, model_card
from qgbatch.training.checkpoints import RECIPE
from qgbatch.training.data import Example, Split, load_splits, make_examples, read_split
from qgbatch.training.recipe import make_recipe
from qgbatch.training.settings import TrainingSettings
from qgbatch.training.trainer import QuestionTrainer, make_arguments

logger = logging.getLogger(__name__)

LOSSES = "losses.png"


@dataclass(frozen=True)
class TrainingReport:
    """How a training ended."""

    n_steps: int
    """Done in all, those before going on from a checkpoint included."""
    metrics: dict[str, float]
    """``train_loss``, the last logged; ``step`` of the model, and its ``eval_loss``."""
    seconds: float
    """Of this process, loading included."""
    published_at: str | None


def finetune(
    settings: TrainingSettings, output_dir: str | os.PathLike[str], on_progress: OnProgress | None = None
) -> TrainingReport:
    """Train a model and leave it in ``output_dir``, whole or not at all.

    Under ``torchrun`` each process calls this; the first one writes.

    Raises:
        InputError: the data cannot be read or holds no question.
        ModelError: the base, or a package that training needs, is missing or damaged.
        OutputError: a checkpoint or the model cannot be written.
        SettingsError: settings are at odds with each other, the machine or a checkpoint.
    """
    start, directory = time.monotonic(), Path(os.path.abspath(output_dir))
    is_first = int(os.environ.get("RANK", "0")) == 0  # set by torchrun
    if not is_first:
        logging.getLogger("qgbatch").setLevel(logging.ERROR)
    tracker = [] if settings.report_to == "none" else [settings.report_to]
    for package in ("accelerate", "matplotlib", *tracker):
        require_package(package, "qgbatch finetune", extra=None if package == "wandb" else "train")
    _prepare_directory(directory, settings)
    train, validation = _read_data(settings)
    base = load_base(settings)
    repository = None
    if settings.push_to_hub and is_first:
        repository = prepare_repository(settings.hub_model_id or directory.name, "model")
    arguments = make_arguments(settings, directory, has_validation=validation is not None)
    recipe = make_recipe(settings, arguments, base, train, validation)
    if settings.resume == "auto" and checkpoints.is_finished(directory, recipe):
        logger.info("%s holds the finished model of this very training.", directory)
    else:
        last = _train(settings, arguments, base, train, validation, recipe, on_progress)
        if is_first:
            _finish(directory, recipe, last, repository or directory.name)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    published_at = None
    if repository:
        files = (*checkpoints.MODEL_FILES, CARD, RECIPE, LOSSES, LOG)
        published_at = publish(directory, files, repository, "model")
    done = checkpoints.read_recipe(directory) if is_first else recipe
    return TrainingReport(
        done.get("n_steps", 0), done.get("metrics", {}), time.monotonic() - start, published_at
    )


def _prepare_directory(directory: Path, settings: TrainingSettings) -> None:
    """Create the output directory; refuse one with models or checkpoints of other programs."""
    if os.path.realpath(settings.base) == os.path.realpath(directory):
        raise OutputError(f"{directory} is the base model itself.", "Name another --output-dir.")
    has_recipe = bool(checkpoints.read_recipe(directory))
    foreign = checkpoints.find_foreign_checkpoint(directory)
    outputs = [directory / name for name in (CARD, RECIPE, "config.json")]
    outputs += checkpoints.find_weights(directory)
    if foreign:  # old checkpoints are removed during a training
        outputs.append(foreign)
    prepare_directory(directory, outputs, lambda path: has_recipe and path != foreign, "qgbatch finetune")


def _read_data(settings: TrainingSettings) -> tuple[Split, Split | None]:
    keep = settings.keep_unanswerable
    if settings.dataset:
        splits = load_splits(settings.dataset, keep_unanswerable=keep, only=("train", "validation"))
        if "train" not in splits:
            raise SettingsError(
                f"--dataset {settings.dataset}: no split train.",
                "Give another, or --train-file.",
            )
        train, validation = splits["train"], splits.get("validation")
    else:
        train = read_split(str(settings.train_file), keep_unanswerable=keep)
        path = settings.validation_file
        validation = read_split(path, keep_unanswerable=keep) if path else None
    for split in filter(None, (train, validation)):
        left_out = "".join(f", {count:,} {what} left out" for what, count in split.skipped.items())
        logger.info(
            "%s: %s paragraphs, %s questions%s",
            split.name, f"{len(split.paragraphs):,}", f"{split.n_questions:,}", left_out,
        )  # fmt: skip
    if validation and {p.context for p in train.paragraphs} & {p.context for p in validation.paragraphs}:
        logger.warning("%s: has paragraphs of the training data; its loss says little.", validation.name)
    if validation is None:
        logger.warning("No validation data: the last checkpoint becomes the model, not the best.")
        if settings.early_stopping_patience:
            raise SettingsError(
                "--early-stopping-patience needs validation data.", "Give --validation-file."
            )
    return train, validation


def _train(
    settings: TrainingSettings,
    arguments: TrainingArguments,
    base: Base,
    train: Split,
    validation: Split | None,
    recipe: dict[str, Any],
    on_progress: OnProgress | None,
) -> Path:
    """Train to the end, from a checkpoint where there is one, and give the last checkpoint."""
    directory = Path(str(arguments.output_dir))
    checkpoint = checkpoints.choose_checkpoint(directory, settings.resume, recipe["identity"])
    trainer = QuestionTrainer(
        base,
        arguments,
        settings,
        _encode(train, base, settings),
        _encode(validation, base, settings) if validation else None,
        recipe,
        on_progress,
    )
    if checkpoint is None:
        if trainer.is_world_process_zero():
            checkpoints.remove_checkpoints(directory)
    else:
        if checkpoints.step_of(checkpoint) >= trainer.n_steps or checkpoints.is_at_end(checkpoint, recipe):
            return checkpoint
        logger.info("Going on from %s.", checkpoint)
    with _in_our_terms(directory):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return directory / f"checkpoint-{trainer.state.global_step}"


@contextmanager
def _in_our_terms(directory: Path) -> Iterator[None]:
    """Tell what can stop a training as what it is to the user."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SettingsError(
            "The device's memory does not hold a batch.",
            "Halve --per-device-train-batch-size and double --gradient-accumulation-steps: the steps stay.",
        ) from error
    except OSError as error:  # of a tracker: our own files and the checkpoints have errors of their own
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OutputError(
            f"{directory}: cannot be written ({error.strerror}).",
            "Make room there; the same command goes on from the last checkpoint.",
        ) from error
    except Exception as error:
        if not type(error).__module__.startswith("wandb"):
            raise
        raise ModelError(
            f"wandb: {error}", "Log in with wandb login, set WANDB_MODE=offline, or leave out --report-to."
        ) from error


def _encode(split: Split, base: Base, settings: TrainingSettings) -> list[Example]:
    """Examples of a split; how many lose something to the length limits is logged."""
    tokenizer = base.tokenizer
    sources = tokenizer.encode([paragraph.context for paragraph in split.paragraphs])
    targets = tokenizer.encode_targets([paragraph.questions for paragraph in split.paragraphs])
    for what, rows, limit in (
        ("source", sources, settings.max_source_length),
        ("target", targets, settings.max_target_length),
    ):
        n_cut, longest = sum(len(row) > limit for row in rows), max(map(len, rows))
        if n_cut:
            logger.warning(
                "%s: --max-%s-length %d cuts %s of %s %ss (%.1f %%); %d would cut none.",
                split.name, what, limit, f"{n_cut:,}", f"{len(rows):,}", what,
                100 * n_cut / len(rows), longest,
            )  # fmt: skip
    return make_examples(
        sources, targets, tokenizer.eos_id, settings.max_source_length, settings.max_target_length
    )


def _finish(directory: Path, recipe: dict[str, Any], last: Path, name: str) -> None:
    """Make the best checkpoint up to the last the directory's model; its weights come last."""
    if checkpoints.read_state(last) is None:
        raise OutputError(f"{last}: the checkpoint is gone.", "Leave it there while training.")
    best = checkpoints.best_of(last)
    history = checkpoints.read_history(last)
    n_steps, step = checkpoints.step_of(last), checkpoints.step_of(best)
    losses = {"train_loss": [entry["loss"] for entry in history if "loss" in entry][-1:]}
    losses["eval_loss"] = [e["eval_loss"] for e in history if "eval_loss" in e and e["step"] == step][-1:]
    metrics = {"step": step} | {name: values[0] for name, values in losses.items() if values}
    recipe = {**recipe, "n_steps": n_steps, "metrics": metrics}
    with checkpoints.replacing_model(best, directory) as draft:
        draw_losses(history, draft / LOSSES)
        (draft / CARD).write_text(model_card(name, recipe), encoding="utf-8")
        (draft / RECIPE).write_text(
            json.dumps(recipe, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
