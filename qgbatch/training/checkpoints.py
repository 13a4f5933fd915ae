"""Checkpoints of a training: finds complete ones, and turns the best one into the model.

A checkpoint is a model directory with additional files for the state of the training. The Trainer of
transformers writes ``trainer_state.json`` last. Therefore a checkpoint is complete if this file is valid
and weights, optimizer, scheduler and random state exist.
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
from qgbatch.output.atomic import replace_file

logger = logging.getLogger(__name__)

RECIPE = "recipe.json"
"""The recipe of a training, written into each checkpoint and into the model directory."""
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
"""Glob patterns of the files of a model; all other files of a checkpoint are state of the training."""
_STATE_FILES = ("optimizer.pt", "scheduler.pt", "rng_state*.pth")
_DRAFT = ".model-"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def read_state(checkpoint: Path) -> dict[str, Any] | None:
    """Read the Trainer's state from a checkpoint; return None if the checkpoint is incomplete."""
    state = _read_json(checkpoint / _STATE)
    step, history, best = (state.get(key) for key in ("global_step", "log_history", "best_metric"))
    is_valid = (
        isinstance(step, int)
        and step > 0
        and isinstance(state.get("epoch"), int | float)
        and isinstance(best, int | float | None)
        and isinstance(history, list)
        and all(isinstance(entry, dict) and "step" in entry for entry in history)
    )
    is_complete = bool(find_weights(checkpoint)) and all(
        any(checkpoint.glob(name)) for name in _STATE_FILES
    )
    return state if is_valid and is_complete else None


def read_history(checkpoint: Path) -> list[dict[str, float]]:
    """Read the losses up to a checkpoint, in order; each entry has its ``step``."""
    history: list[dict[str, float]] = (read_state(checkpoint) or {}).get("log_history", [])
    return history


def read_recipe(directory: Path) -> dict[str, Any]:
    """Read the recipe of a model or checkpoint; return an empty dictionary if there is none."""
    return _read_json(directory / RECIPE)


def step_of(checkpoint: Path) -> int:
    """Return the number of steps before a checkpoint; 0 if it is incomplete."""
    return int((read_state(checkpoint) or {}).get("global_step", 0))


def mark_incomplete(checkpoint: Path) -> None:
    """Make a checkpoint incomplete, before another one is written in its place."""
    (checkpoint / _STATE).unlink(missing_ok=True)


def find_newest(output_dir: Path) -> Path | None:
    """Find the newest complete checkpoint; warn about newer ones that a killed run left incomplete."""
    found = [(int(match[1]), path) for path, match in _checkpoints(output_dir)]
    for _, path in sorted(found, reverse=True):
        if read_state(path):
            return path
        logger.warning("%s is incomplete and will not be used.", path)
    return None


def choose_checkpoint(output_dir: Path, resume: str, identity: Mapping[str, Any]) -> Path | None:
    """Choose the checkpoint to resume from.

    Args:
        output_dir: The directory with the checkpoints.
        resume: ``auto`` for the newest complete checkpoint, ``never``, or the path of a checkpoint.
        identity: Everything that determines the weights of this training. The checkpoint must have the
            same identity in its recipe.

    Returns:
        The checkpoint, or None to start from the base model.

    Raises:
        ModelError: The given checkpoint is missing or incomplete.
        SettingsError: The checkpoint belongs to another training.
    """
    if resume == "never":
        return None
    checkpoint = find_newest(output_dir) if resume == "auto" else Path(resume)
    if checkpoint is None:
        return None
    if not read_state(checkpoint):
        raise ModelError(
            f"--resume {resume}: not a complete checkpoint.", "Name another one, or use --resume auto."
        )
    saved = _object(read_recipe(checkpoint), "identity")
    if differing := [key for key, value in identity.items() if saved.get(key) != value]:
        key = differing[0]
        raise SettingsError(
            f"{checkpoint} belongs to another training: its {key} is {saved.get(key)!r}, "
            f"not {identity[key]!r}.",
            "Name another --output-dir, or use --resume never to delete the checkpoints and start again.",
        )
    return checkpoint


def remove_checkpoints(output_dir: Path) -> None:
    """Remove the checkpoints of an earlier training, but only those that qgbatch wrote."""
    for path, _ in _checkpoints(output_dir):
        if (path / RECIPE).is_file():
            logger.info("Removing %s.", path)
            mark_incomplete(path)  # first, in case this process is killed while it removes the files
            shutil.rmtree(path)


def find_foreign_checkpoint(output_dir: Path) -> Path | None:
    """Find a complete checkpoint that qgbatch did not write."""
    paths = (path for path, _ in _checkpoints(output_dir))
    return next((path for path in paths if read_state(path) and not read_recipe(path)), None)


def is_finished(output_dir: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether the directory contains the model of a training with the same identity and plan."""
    saved = read_recipe(output_dir)
    is_same = all(saved.get(key) == recipe[key] for key in ("identity", "plan"))
    return is_same and bool(find_weights(output_dir))


def is_at_end(checkpoint: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether the training ended at a checkpoint, so that only the model has to be written."""
    control = _object(read_state(checkpoint) or {}, "stateful_callbacks", "TrainerControl", "args")
    has_stopped = control.get("should_training_stop") is True
    return has_stopped and read_recipe(checkpoint).get("plan") == recipe["plan"]


def find_weights(directory: Path) -> list[Path]:
    """The weight files in a directory; empty if the directory does not exist."""
    if not directory.is_dir():
        return []
    return [path for path in directory.iterdir() if _WEIGHTS.fullmatch(path.name)]


def best_of(checkpoint: Path) -> Path:
    """Find the checkpoint with the lowest validation loss so far; the given one if it is not known."""
    best = (read_state(checkpoint) or {}).get("best_model_checkpoint")
    if not isinstance(best, str):
        return checkpoint
    candidates = (checkpoint.parent / Path(best).name, Path(best))  # the directory may have moved
    return next((path for path in candidates if read_state(path)), checkpoint)


@contextmanager
def replacing_model(checkpoint: Path, output_dir: Path) -> Iterator[Path]:
    """Replace the model in the output directory with that of a checkpoint.

    The model is first copied to a draft directory, to which the block can add files. Then the old weights
    are removed, the files are moved, and the new weights are moved last: without weights, a directory is
    not a model.

    Yields:
        The draft directory.

    Raises:
        OutputError: The model cannot be written.
    """
    for leftover in output_dir.glob(f"{_DRAFT}*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with TemporaryDirectory(prefix=_DRAFT, dir=output_dir) as name:
            draft = Path(name)
            for path in (path for pattern in MODEL_FILES for path in checkpoint.glob(pattern)):
                with path.open("rb") as source, replace_file(draft / path.name) as target:
                    shutil.copyfileobj(source, target)
            yield draft
            _move_model(draft, output_dir)
    except OSError as error:
        raise OutputError(
            f"{output_dir}: the model cannot be written ({error.strerror}).",
            "Check the permissions and the free space there. The same command then resumes the training.",
        ) from error


def _move_model(draft: Path, output_dir: Path) -> None:
    for path in find_weights(output_dir):
        path.unlink()
    # The recipe first: it identifies the directory as one of qgbatch.
    names = sorted(path.name for path in draft.iterdir())
    names.sort(key=lambda name: (name != RECIPE, bool(_WEIGHTS.fullmatch(name))))
    for name in names:
        (draft / name).replace(output_dir / name)


def _checkpoints(output_dir: Path) -> list[tuple[Path, re.Match[str]]]:
    if not output_dir.is_dir():
        return []
    return [(path, match) for path in output_dir.iterdir() if (match := _CHECKPOINT.fullmatch(path.name))]


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; return an empty dictionary if the file is missing or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _object(values: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return the object under nested keys; empty if a key is missing or has another type."""
    for key in keys:
        inner = values.get(key)
        values = inner if isinstance(inner, dict) else {}
    return values
