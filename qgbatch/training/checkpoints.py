"""Checkpoints of a training: which is whole, which belongs to it, and the model made of the best.

A checkpoint is a model directory with the state of the training beside it. transformers'
Trainer writes ``trainer_state.json`` last, so one that can be read marks a whole one.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qgbatch.errors import ModelError, SettingsError
from qgbatch.outputs import replacing

logger = logging.getLogger(__name__)

RECIPE = "recipe.json"
"""What a training was: written into each checkpoint and beside the finished model."""
_STATE = "trainer_state.json"
_NOT_OF_THE_MODEL = re.compile(
    r"(optimizer|scheduler|scaler|training_args|rng_state.*)\.(pt|pth|bin)|trainer_state\.json|recipe\.json"
)
_WEIGHTS = re.compile(r"(model.*\.safetensors|pytorch_model.*\.bin)(\.index\.json)?")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def read_state(checkpoint: Path) -> dict[str, Any] | None:
    """The Trainer's state in a checkpoint; None where the checkpoint is not whole."""
    state = _read_json(checkpoint / _STATE)
    return state if isinstance(state.get("global_step"), int) else None


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
    theirs = read_recipe(checkpoint).get("identity", {})
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
            shutil.rmtree(path)


def is_finished(output_dir: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether the directory holds the finished model of this very recipe."""
    theirs = read_recipe(output_dir)
    same = all(theirs.get(key) == recipe[key] for key in ("identity", "plan"))
    return same and has_weights(output_dir)


def is_at_end(checkpoint: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether a checkpoint has all steps of its plan behind it, and only the model is to be made."""
    state = read_state(checkpoint) or {}
    return read_recipe(checkpoint).get("plan") == recipe["plan"] and (
        state.get("global_step") == state.get("max_steps")
    )


def has_weights(directory: Path) -> bool:
    """Whether a directory holds a model."""
    return any(_WEIGHTS.fullmatch(path.name) for path in directory.iterdir())


def best_of(checkpoint: Path) -> Path:
    """The checkpoint with the best validation loss up to this one, or itself."""
    best = (read_state(checkpoint) or {}).get("best_model_checkpoint")
    found = checkpoint.parent / Path(best).name if isinstance(best, str) else checkpoint
    return found if read_state(found) else checkpoint


def remove_weights(output_dir: Path) -> None:
    """Take away an older finished model's weights: what is without any is no model."""
    for path in output_dir.iterdir():
        if _WEIGHTS.fullmatch(path.name):
            path.unlink()


def copy_model(checkpoint: Path, output_dir: Path) -> None:
    """Copy a checkpoint's model, without the training's state, the weights last.

    Raises:
        OutputError: it cannot be written.
    """
    names = [path.name for path in checkpoint.iterdir() if path.is_file()]
    model = [
        name for name in names if name not in (_STATE, RECIPE) and not _NOT_OF_THE_MODEL.fullmatch(name)
    ]
    for name in sorted(model, key=lambda name: (bool(_WEIGHTS.fullmatch(name)), name)):
        with (checkpoint / name).open("rb") as source, replacing(output_dir / name) as target:
            shutil.copyfileobj(source, target)


def _checkpoints(output_dir: Path) -> list[tuple[Path, re.Match[str]]]:
    return [(path, match) for path in output_dir.iterdir() if (match := _CHECKPOINT.fullmatch(path.name))]


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty where there is none, as where it was cut off."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
