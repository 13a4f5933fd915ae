"""What a training is: what decides its weights, and what a card and a reader want to know of it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from qgbatch.training.base import Base
from qgbatch.training.card import environment
from qgbatch.training.data import Split
from qgbatch.training.settings import TrainingSettings


def make_recipe(
    settings: TrainingSettings,
    arguments: TrainingArguments,
    base: Base,
    train: Split,
    validation: Split | None,
) -> dict[str, Any]:
    """What this training is.

    ``identity`` decides the weights at a step, up to rounding and to how a step is cut
    into batches; ``plan`` decides with it where the training ends.
    """
    vocabulary = json.dumps(base.tokenizer.hf_tokenizer.get_vocab(), sort_keys=True)
    same = (
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
            "prompt": asdict(base.metadata),
            "examples_per_step": settings.examples_per_step,
            **{name: getattr(settings, name) for name in same},
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
    """A value as a recipe may tell it to others: of a path on this machine the name alone."""
    return Path(value).name if isinstance(value, str) and os.path.exists(value) else value


def _data_name(settings: TrainingSettings, split: Split, split_name: str) -> str:
    """As the recipe may tell it: of a data set, its directory's name or its id, and the split."""
    return f"{_public(settings.dataset)}, {split_name}" if settings.dataset else str(_public(split.name))
