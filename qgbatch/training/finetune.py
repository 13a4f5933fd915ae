"""From question data to a model directory."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from qgbatch.errors import OutputError, SettingsError
from qgbatch.hub import prepare_repository, publish
from qgbatch.outputs import replacing
from qgbatch.training import checkpoints
from qgbatch.training.base import Base, load_base
from qgbatch.training.card import draw_losses, model_card, surroundings
from qgbatch.training.checkpoints import RECIPE
from qgbatch.training.data import Example, Split, load_splits, make_examples, read_split
from qgbatch.training.packages import require
from qgbatch.training.settings import TrainingSettings
from qgbatch.training.trainer import OnProgress, QuestionTrainer, make_arguments

logger = logging.getLogger(__name__)

LOSSES = "losses.png"
_NOT_PUBLISHED = ("checkpoint-*/**", "runs/**", "wandb/**", ".*")


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
    require("accelerate", "matplotlib", *tracker)
    _prepare_directory(directory, settings)
    repository = None
    if settings.push_to_hub and is_first:
        repository = prepare_repository(settings.hub_model_id or directory.name, "model")
    train, validation = _read_data(settings)
    base = load_base(settings)
    recipe = _recipe(settings, base, train, validation)
    if settings.resume == "auto" and checkpoints.is_finished(directory, recipe):
        logger.info("%s holds the finished model of this very training.", directory)
    else:
        _train(settings, directory, base, train, validation, recipe, on_progress)
        if is_first:
            _finish(directory, recipe)
    published_at = None
    if repository:
        published_at = publish(directory, repository, "model", ignore=_NOT_PUBLISHED)
    done = checkpoints.read_recipe(directory) if is_first else recipe
    return TrainingReport(
        done.get("n_steps", 0), done.get("metrics", {}), time.monotonic() - start, published_at
    )


def _prepare_directory(directory: Path, settings: TrainingSettings) -> None:
    """Make the directory, or see that it holds nothing that must not be replaced."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OutputError(
            f"{directory}: cannot be written ({error.strerror}).",
            "Check the rights there, or name another.",
        ) from error
    if checkpoints.has_weights(directory) and not checkpoints.read_recipe(directory):
        raise OutputError(
            f"{directory} holds a model that qgbatch finetune did not make.",
            "It would be replaced: name another directory.",
        )


def _read_data(settings: TrainingSettings) -> tuple[Split, Split | None]:
    keep = settings.keep_unanswerable
    if settings.dataset:
        splits = load_splits(settings.dataset, keep_unanswerable=keep)
        if "train" not in splits:
            raise SettingsError(
                f"--dataset {settings.dataset}: no split train, only {', '.join(splits)}.",
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
    if validation is None:
        logger.warning("No validation data: the last checkpoint becomes the model, not the best.")
        if settings.early_stopping_patience:
            raise SettingsError(
                "--early-stopping-patience needs validation data.", "Give --validation-file."
            )
    return train, validation


def _recipe(
    settings: TrainingSettings, base: Base, train: Split, validation: Split | None
) -> dict[str, Any]:
    """What this training is. ``identity`` decides the weights at a step, ``plan`` the step."""
    same = ("max_source_length", "max_target_length", "learning_rate", "group_by_length", "seed")
    return {
        "identity": {
            "base_sha256": base.sha256,
            "train_sha256": train.sha256,
            "train_questions": train.n_questions,
            "prompt": asdict(base.metadata),
            "examples_per_step": settings.examples_per_step,
            **{name: getattr(settings, name) for name in same},
        },
        "plan": {
            "validation_sha256": validation.sha256 if validation else None,
            **{
                name: getattr(settings, name)
                for name in ("num_train_epochs", "max_steps", "early_stopping_patience")
            },
        },
        "base": _public(base.name),
        "data": {
            name: {key: _public(value) for key, value in split.facts().items()}
            for name, split in (("train", train), ("validation", validation))
            if split
        },
        "settings": {key: _public(value) for key, value in asdict(settings).items()},
        "surroundings": surroundings(),
    }


def _public(value: Any) -> Any:
    """A value as a recipe may tell it to others: of a path on this machine the name alone."""
    return Path(value).name if isinstance(value, str) and os.path.exists(value) else value


def _train(
    settings: TrainingSettings,
    directory: Path,
    base: Base,
    train: Split,
    validation: Split | None,
    recipe: dict[str, Any],
    on_progress: OnProgress | None,
) -> None:
    checkpoint = checkpoints.choose_checkpoint(directory, settings.resume, recipe["identity"])
    arguments = make_arguments(settings, directory, has_validation=validation is not None)
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
        trainer.train()
    elif not checkpoints.is_at_end(checkpoint, recipe):
        logger.info("Going on from %s.", checkpoint)
        trainer.train(resume_from_checkpoint=str(checkpoint))


def _encode(split: Split, base: Base, settings: TrainingSettings) -> list[Example]:
    """Examples of a split; how many lose something to the length limits is logged."""
    prompt = base.prompt
    sources = prompt.encode([paragraph.context for paragraph in split.paragraphs])
    targets = prompt.encode_targets([paragraph.questions for paragraph in split.paragraphs])
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
        sources, targets, prompt.eos_id, settings.max_source_length, settings.max_target_length
    )


def _finish(directory: Path, recipe: dict[str, Any]) -> None:
    """Make the best checkpoint the directory's model; its weights come last."""
    newest = checkpoints.find_newest(directory)
    if newest is None:
        raise OutputError(f"{directory}: the checkpoints are gone.", "Leave them there while training.")
    best = checkpoints.best_of(newest)
    history = checkpoints.read_history(newest)
    n_steps, step = checkpoints.step_of(newest), checkpoints.step_of(best)
    losses = {"train_loss": [entry["loss"] for entry in history if "loss" in entry][-1:]}
    losses["eval_loss"] = [e["eval_loss"] for e in history if "eval_loss" in e and e["step"] == step][-1:]
    metrics = {"step": step} | {name: values[0] for name, values in losses.items() if values}
    recipe = {**recipe, "n_steps": n_steps, "metrics": metrics}
    checkpoints.remove_weights(directory)
    draw_losses(history, directory / LOSSES)
    for name, text in (
        ("README.md", model_card(directory.name, recipe)),
        (RECIPE, json.dumps(recipe, ensure_ascii=False, indent=2) + "\n"),
    ):
        with replacing(directory / name) as stream:
            stream.write(text.encode())
    checkpoints.copy_model(best, directory)
