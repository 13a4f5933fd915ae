"""Model name, directory or hub id -> checked files, metadata and decoding settings.

Checkpoints are untrusted input (:mod:`qgbatch.models.validation`): their metadata is checked
field by field, and what is missing is said before a document is read.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from qgbatch.errors import ModelError, SettingsError
from qgbatch.models.hub import download
from qgbatch.models.known_models import KNOWN_MODELS, KnownModel, ModelMetadata, Parser
from qgbatch.models.validation import (
    MAX_TOKENS,
    WEIGHTS_FILE,
    check_config,
    check_weights,
    is_text,
    is_whole,
    read_json,
    shown,
)
from qgbatch.settings import Decoding, Settings

METADATA = "qgbatch.json"
"""The file beside the weights that holds :class:`ModelMetadata`."""
EMBEDDED_MODELS = ("mini",)
_PACKAGE = Path(__file__).parent.parent
_EMBEDDED_HOMES = (_PACKAGE / "_models", _PACKAGE.parent / "models")
"""In an installed package, and in a checkout."""

_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
SUPPORTED_TYPES = ("t5", "mt5")
_MAX_CHARS = 1_000
"""Of a text in the metadata; each chunk has prefix and suffix around it."""


@dataclass(frozen=True)
class ModelFiles:
    """A model directory whose parts are there and fit together."""

    name: str
    """As the user gave it; column ``model`` of the output."""
    revision: str | None
    directory: Path
    metadata: ModelMetadata
    decoding: Decoding
    """From ``generation_config.json``, completed by the notebook's settings."""
    vocab_size: int
    """Rows of the embedding."""

    @cached_property
    def sha256(self) -> str:
        """:func:`checkpoint_sha256` of the directory."""
        return checkpoint_sha256(self.directory)


def checkpoint_sha256(directory: Path) -> str:
    """Hash of the configuration and the weights, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        is_index = path.name in _WEIGHTS and path.suffix == ".json"
        if path.name == "config.json" or is_index or WEIGHTS_FILE.fullmatch(path.name):
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def find_model(name: str, revision: str | None = None) -> ModelFiles:
    """Find a model and check its files without loading its weights.

    Only a hub id touches the network, and not with ``HF_HUB_OFFLINE=1``.

    Raises:
        SettingsError: a revision of something that has none.
        ModelError: nothing is there, a file is missing or damaged, or it is no T5.
    """
    directory = _locate(name, revision)
    config = read_checkpoint(name, directory)
    if config.get("model_type") not in SUPPORTED_TYPES:
        raise ModelError(
            f"{name}: a model of type {config.get('model_type')!r}.",
            f"qgbatch runs: {', '.join(SUPPORTED_TYPES)}.",
        )
    vocab_size = check_config(config, directory / "config.json")
    known = KNOWN_MODELS.get(name, KnownModel(ModelMetadata()))
    metadata = _metadata(directory / METADATA, known.metadata)
    decoding = _model_decoding(directory / "generation_config.json", known.decoding)
    return ModelFiles(name, revision, directory, metadata, decoding, vocab_size)


def _locate(name: str, revision: str | None) -> Path:
    if name not in EMBEDDED_MODELS:
        hint = f"Give a directory, a hub id, or one of: {', '.join(EMBEDDED_MODELS)}."
        return locate_checkpoint(name, revision, ("spiece.model",), hint)
    if revision:
        raise _no_revisions(name, revision)
    for home in _EMBEDDED_HOMES:
        if (home / name).is_dir():
            return home / name
    raise ModelError(f"The embedded model {name} is missing.", "Install qgbatch again.")


def locate_checkpoint(name: str, revision: str | None, tokenizer_files: Sequence[str], hint: str) -> Path:
    """The directory of a checkpoint, a directory itself or a hub id.

    Of a hub id come its JSON files, the ``tokenizer_files``, and the weights as safetensors
    where there are any, else as PyTorch's. ``hint`` says what can be given.

    Raises:
        SettingsError: a revision of a directory.
        ModelError: there is no such thing.
    """
    # os.path answers False where Path raises, as for names that are too long.
    if os.path.isdir(name):
        if revision:
            raise _no_revisions(name, revision)
        return Path(name)
    if not _HUB_ID.fullmatch(name):
        raise ModelError(f"{name}: no such directory.", hint)
    directory = download(name, revision, ["*.json", *tokenizer_files, "*.safetensors"])
    if not _has_weights(directory):
        download(name, revision, ["*.json", *tokenizer_files, "pytorch_model*.bin"])
    return directory


def read_checkpoint(name: str, directory: Path) -> dict[str, Any]:
    """The configuration of a checkpoint that has its weights, all of them in its directory.

    Raises:
        ModelError: weights or configuration are missing or damaged.
    """
    if not _has_weights(directory):
        raise ModelError(f"{name}: no weights in {directory}.", f"It needs one of: {', '.join(_WEIGHTS)}.")
    config = read_json(directory / "config.json", required=True)
    check_weights(directory, [name for name in _WEIGHTS if name.endswith(".json")])
    return config


def _has_weights(directory: Path) -> bool:
    return any(os.path.isfile(directory / weights) for weights in _WEIGHTS)


def _no_revisions(name: str, revision: str) -> SettingsError:
    return SettingsError(f"--revision {revision}: {name} has no revisions.", "It is for hub ids.")


_TEXTS = ("prefix", "suffix", "separator", "license")
_NUMBERS = ("max_source_tokens", "target_tokens")
_MAY_BE_NULL = ("target_tokens", "license")


def _metadata(path: Path, unsaid: ModelMetadata) -> ModelMetadata:
    """What the file says; where there is none, what is known of the model."""
    if not path.exists():
        return unsaid
    values = read_json(path)
    for key, value in values.items():
        if key not in (*_TEXTS, *_NUMBERS, "parser"):
            known = ", ".join(spec.name for spec in fields(ModelMetadata))
            raise ModelError(f"{path}: unknown key {shown(key)}.", f"qgbatch knows: {known}.")
        if value is None and key in _MAY_BE_NULL:
            continue
        if not _is_good(key, value):
            raise ModelError(f"{path}: {key} is {shown(value)}.", "Correct that file.")
    return ModelMetadata(**values)


def _is_good(key: str, value: object) -> bool:
    if key == "parser":
        return value in get_args(Parser)
    if key == "separator" and not value:
        return False
    return is_text(value, _MAX_CHARS) if key in _TEXTS else is_whole(value, 1, MAX_TOKENS)


def _model_decoding(path: Path, unsaid: Mapping[str, Any]) -> Decoding:
    """What a ``generation_config.json`` says, then what is known of the model, then the notebook's."""
    values = read_json(path)
    if values.get("max_new_tokens") is None and isinstance(values.get("max_length"), int):
        values["max_new_tokens"] = values["max_length"] - 1  # max_length counts the start token
    if values.get("early_stopping") == "never":  # a way of not stopping early that only transformers has
        values["early_stopping"] = False
    given: dict[str, Any] = {}
    for spec in fields(Decoding):
        if spec.name == "seed":  # each run's own
            continue
        value: Any = values.get(spec.name)
        kinds = (int, float) if type(spec.default) is float else (type(spec.default),)
        if value is None:
            continue
        if type(value) not in kinds or (type(value) is int and abs(value) > MAX_TOKENS):
            raise ModelError(f"{path}: {spec.name} is {shown(value)}.", "Correct that file.")
        given[spec.name] = value
    try:  # the ranges are those of the options
        Settings(**{name: value for name, value in given.items() if name != "early_stopping"})
    except SettingsError as error:
        raise ModelError(f"{path}: {error.message}", "Correct that file.") from error
    return Decoding(**{**unsaid, **given})


def choose_decoding(settings: Settings, model: ModelFiles) -> Decoding:
    """The settings' values where they are given, else the model's, else the notebook's.

    Raises:
        SettingsError: they do not go together.
    """
    chosen: dict[str, Any] = {}
    for spec in fields(Decoding):
        value = getattr(settings, spec.name, None)
        chosen[spec.name] = getattr(model.decoding, spec.name) if value is None else value
    if chosen["do_sample"] and settings.num_beams is None:
        chosen["num_beams"] = 1
    if chosen["do_sample"] and chosen["num_beams"] > 1:
        raise SettingsError(
            f"--num-beams {chosen['num_beams']}: what is drawn has one beam.", "Leave it out, or give 1."
        )
    if chosen["num_return_sequences"] > 1 and not chosen["do_sample"]:
        raise SettingsError(
            f"--num-return-sequences {chosen['num_return_sequences']}: a search has one output.",
            "Add --do-sample.",
        )
    return Decoding(**chosen)
