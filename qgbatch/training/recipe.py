"""The recipe of a training: everything that determines its weights, and information for the model card."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from qgbatch.errors import display
from qgbatch.training.base import Base
from qgbatch.training.card import environment
from qgbatch.training.metadata import metadata_fields
from qgbatch.training.paragraphs import Split
from qgbatch.training.settings import TrainingSettings


def make_recipe(
    settings: TrainingSettings,
    arguments: TrainingArguments,
    base: Base,
    train: Split,
    validation: Split | None,
) -> dict[str, Any]:
    """Describe a training, for ``recipe.json``.

    Args:
        settings: The settings of the training.
        arguments: The arguments of the Trainer, which depend on the machine.
        base: The base model.
        train: The training data.
        validation: The validation data, if any.

    Returns:
        A JSON object. Its ``identity`` determines the weights at each step, except for rounding and the
        division of a step into batches. ``identity`` and ``plan`` together determine the last step. The
        other fields are for readers.
    """
    vocabulary = json.dumps(base.tokenizer.hf_tokenizer.get_vocab(), sort_keys=True)
    identity_settings = (
        "max_source_length", "max_target_length", "learning_rate", "num_train_epochs", "max_steps",
        "group_by_length", "seed",
    )  # fmt: skip
    return {
        "identity": {
            "base_sha256": base.sha256,
            "vocabulary_sha256": hashlib.sha256(vocabulary.encode()).hexdigest(),
            "train_sha256": train.sha256,
            "train_questions": train.n_questions,
            "validation_sha256": validation.sha256 if validation else None,
            "prompt": metadata_fields(base.metadata),
            "examples_per_step": settings.examples_per_step,
            **{name: getattr(settings, name) for name in identity_settings},
        },
        "plan": {"early_stopping_patience": settings.early_stopping_patience},
        "base": _public(base.name),
        "data": {
            name: {**split.facts(), "name": _data_name(settings, split, name)}
            for name, split in (("train", train), ("validation", validation))
            if split
        },
        "settings": {key: _public(value) for key, value in asdict(settings).items()},
        "devices": {
            "devices": arguments.world_size * max(1, arguments.n_gpu),
            "precision": "bfloat16, weights float32" if arguments.bf16 else "float32",
        },
        "surroundings": environment(),
    }


def _public(value: Any) -> Any:
    """A value that can be published: a path on this machine is reduced to its last component."""
    return display(Path(value).name) if isinstance(value, str) and os.path.exists(value) else value


def _data_name(settings: TrainingSettings, split: Split, split_name: str) -> str:
    """The name of a split for the recipe: the dataset and the split, or the file."""
    return f"{_public(settings.dataset)}, {split_name}" if settings.dataset else str(_public(split.name))
