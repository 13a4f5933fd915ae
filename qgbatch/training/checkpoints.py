"""Checkpoints of a training: which is whole, which belongs to it, and the model made of the best.

A checkpoint is a model directory with the state of the training beside it. transformers'
Trainer writes ``trainer_state.json`` last, so one that can be read, beside weights,
optimizer, scheduler and random state, marks a whole one.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qgbatch.errors import ModelError, OutputError, SettingsError
from qgbatch.output.atomic import replacing

logger = logging.getLogger(__name__)

RECIPE = "recipe.json"
"""What a training was: written into each checkpoint and beside the finished model."""
_STATE = "trainer_state.json"
_WEIGHTS = re.compile(r"(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)(\.index\.json)?")
MODEL_FILES = (
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "qgbatch.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
)
"""What makes a checkpoint a model, as patterns of names; the rest is the training's state."""
_STATE_FILES = ("optimizer.pt", "scheduler.pt", "rng_state*.pth")
_DRAFT = ".model-"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def read_state(checkpoint: Path) -> dict[str, Any] | None:
    """The Trainer's state in a checkpoint; None where the checkpoint is not whole."""
    state = _read_json(checkpoint / _STATE)
    step, history, best = (state.get(key) for key in ("global_step", "log_history", "best_metric"))
    is_sound = (
        isinstance(step, int)
        and step > 0
        and isinstance(state.get("epoch"), int | float)
        and isinstance(best, int | float | None)
        and isinstance(history, list)
        and all(isinstance(entry, dict) and "step" in entry for entry in history)
    )
    is_whole = bool(find_weights(checkpoint)) and all(any(checkpoint.glob(name)) for name in _STATE_FILES)
    return state if is_sound and is_whole else None


def read_history(checkpoint: Path) -> list[dict[str, float]]:
    """What was logged up to a whole checkpoint, in order: losses with their ``step``."""
    history: list[dict[str, float]] = (read_state(checkpoint) or {}).get("log_history", [])
    return history


def read_recipe(directory: Path) -> dict[str, Any]:
    """What made the model or checkpoint in a directory; empty where it does not say."""
    return _read_json(directory / RECIPE)


def step_of(checkpoint: Path) -> int:
    """The steps that a whole checkpoint has behind it."""
    return int((read_state(checkpoint) or {}).get("global_step", 0))


def mark_incomplete(checkpoint: Path) -> None:
    """Take away what marks a checkpoint as whole, before another is written in its place."""
    (checkpoint / _STATE).unlink(missing_ok=True)


def find_newest(output_dir: Path) -> Path | None:
    """The newest whole checkpoint; others, of a run that was killed while saving, are named."""
    found = [(int(match[1]), path) for path, match in _checkpoints(output_dir)]
    for _, path in sorted(found, reverse=True):
        if read_state(path):
            return path
        logger.warning("%s is not whole: going on from an earlier one, if there is one.", path)
    return None


def choose_checkpoint(output_dir: Path, resume: str, identity: Mapping[str, Any]) -> Path | None:
    """The checkpoint to go on from, or None to start anew.

    ``identity`` is what decides the weights; a checkpoint with another one is refused.

    Raises:
        ModelError: the named checkpoint is missing or not whole.
        SettingsError: the checkpoint is of another training.
    """
    if resume == "never":
        return None
    checkpoint = find_newest(output_dir) if resume == "auto" else Path(resume)
    if checkpoint is None:
        return None
    if not read_state(checkpoint):
        raise ModelError(f"--resume {resume}: not a whole checkpoint.", "Give another, or --resume auto.")
    theirs = _object(read_recipe(checkpoint), "identity")
    if differing := [key for key, value in identity.items() if theirs.get(key) != value]:
        key = differing[0]
        raise SettingsError(
            f"{checkpoint} is of another training: {key} was {theirs.get(key)!r}, is {identity[key]!r}.",
            "Give another --output-dir, or --resume never to start anew and remove it.",
        )
    return checkpoint


def remove_checkpoints(output_dir: Path) -> None:
    """Remove the checkpoints of an earlier training, those that qgbatch wrote alone."""
    for path, _ in _checkpoints(output_dir):
        if (path / RECIPE).is_file():
            logger.info("Removing %s.", path)
            mark_incomplete(path)  # first, so that what a kill leaves of it is not taken for whole
            shutil.rmtree(path)


def find_foreign_checkpoint(output_dir: Path) -> Path | None:
    """A whole checkpoint that qgbatch did not write, if there is one."""
    paths = (path for path, _ in _checkpoints(output_dir))
    return next((path for path in paths if read_state(path) and not read_recipe(path)), None)


def is_finished(output_dir: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether the directory holds the finished model of this very recipe."""
    theirs = read_recipe(output_dir)
    same = all(theirs.get(key) == recipe[key] for key in ("identity", "plan"))
    return same and bool(find_weights(output_dir))


def is_at_end(checkpoint: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether the plan ended at a checkpoint, also early, and only the model is to be made."""
    control = _object(read_state(checkpoint) or {}, "stateful_callbacks", "TrainerControl", "args")
    stopped = control.get("should_training_stop") is True
    return stopped and read_recipe(checkpoint).get("plan") == recipe["plan"]


def find_weights(directory: Path) -> list[Path]:
    """The weight files in a directory; empty if the directory does not exist."""
    if not directory.is_dir():
        return []
    return [path for path in directory.iterdir() if _WEIGHTS.fullmatch(path.name)]


def best_of(checkpoint: Path) -> Path:
    """The checkpoint with the best validation loss up to this one, or itself."""
    best = (read_state(checkpoint) or {}).get("best_model_checkpoint")
    if not isinstance(best, str):
        return checkpoint
    found = (checkpoint.parent / Path(best).name, Path(best))  # moved with it, or left where it was
    return next((path for path in found if read_state(path)), checkpoint)


@contextmanager
def replacing_model(checkpoint: Path, output_dir: Path) -> Iterator[Path]:
    """Make a checkpoint's model the directory's, with what the block puts into the draft it is given.

    Everything is written to the draft first. Then the old weights go, and the new ones
    come last: a directory without weights is no model.

    Raises:
        OutputError: it cannot be written; an older model is untouched.
    """
    for leftover in output_dir.glob(f"{_DRAFT}*"):  # of a run that was killed here
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with TemporaryDirectory(prefix=_DRAFT, dir=output_dir) as name:
            draft = Path(name)
            for path in (path for pattern in MODEL_FILES for path in checkpoint.glob(pattern)):
                with path.open("rb") as source, replacing(draft / path.name) as target:
                    shutil.copyfileobj(source, target)
            yield draft
            _move_model(draft, output_dir)
    except OSError as error:
        raise OutputError(
            f"{output_dir}: the model cannot be written ({error.strerror}).",
            "Check the rights and the free space there; the same command goes on from the checkpoints.",
        ) from error


def _move_model(draft: Path, output_dir: Path) -> None:
    for path in find_weights(output_dir):
        path.unlink()
    # The recipe comes first, as it says whose directory this is.
    names = sorted(path.name for path in draft.iterdir())
    names.sort(key=lambda name: (name != RECIPE, bool(_WEIGHTS.fullmatch(name))))
    for name in names:
        (draft / name).replace(output_dir / name)


def _checkpoints(output_dir: Path) -> list[tuple[Path, re.Match[str]]]:
    if not output_dir.is_dir():
        return []
    return [(path, match) for path in output_dir.iterdir() if (match := _CHECKPOINT.fullmatch(path.name))]


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty where there is none, as where it was cut off."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _object(values: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The object under a path of keys; empty where something else is on the way."""
    for key in keys:
        inner = values.get(key)
        values = inner if isinstance(inner, dict) else {}
    return values
