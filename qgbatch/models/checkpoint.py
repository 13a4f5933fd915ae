"""Finds a checkpoint by name, directory or hub id and reads its metadata and decoding settings.

The weights are not loaded here. Metadata is untrusted input and checked field by field (see
:mod:`qgbatch.models.validation`), so that missing or damaged files are reported before the
first document is read.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from qgbatch.errors import ModelError, SettingsError, display, name_setting
from qgbatch.models.hub import download
from qgbatch.models.known_models import (
    ARCHITECTURES,
    KNOWN_MODELS,
    OUTPUT_FORMATS,
    KnownModel,
    ModelMetadata,
)
from qgbatch.models.validation import (
    MAX_TOKENS,
    WEIGHTS_FILE,
    check_config,
    check_weights,
    is_int_in_range,
    is_valid_text,
    read_json,
    short_repr,
)
from qgbatch.settings import Decoding, Settings

RANKER = "ranker.json"
"""Name of the file beside the weights that contains the weights of a ranker."""
METADATA = "qgbatch.json"
"""Name of the file beside the weights that contains :class:`ModelMetadata`."""
BUILT_IN_MODELS = ("small",)
"""Names of the models that come with the package."""
_PACKAGE = Path(__file__).parent.parent
_BUILT_IN_HOMES = (_PACKAGE / "_models", _PACKAGE.parent / "models")
"""Directory of the built-in models in an installed package, and in a checkout."""

_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_MAX_CHARS = 1_000
"""Maximum length of a text in the metadata; prefix and suffix are added to every chunk."""


@dataclass(frozen=True)
class ModelFiles:
    """A checked model directory with its metadata and decoding settings."""

    name: str
    """The name that the user gave, as :func:`display` has it; column ``model`` of the output."""
    revision: str | None
    directory: Path
    metadata: ModelMetadata
    decoding: Decoding
    """Settings from ``generation_config.json``, completed with the notebook's values."""
    vocab_size: int
    """Number of rows of the embedding matrix."""

    @cached_property
    def sha256(self) -> str:
        """The :func:`checkpoint_sha256` of the directory."""
        return checkpoint_sha256(self.directory)


def checkpoint_sha256(directory: Path) -> str:
    """Return the SHA-256 of the configuration, the weights and the ranker, as 64 hexadecimal digits.

    Raises:
        ModelError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        is_index = path.name in _WEIGHTS and path.suffix == ".json"
        if path.name in ("config.json", RANKER) or is_index or WEIGHTS_FILE.fullmatch(path.name):
            try:
                with path.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
            except OSError as error:
                reason = error.strerror or error
                raise ModelError(f"{path}: cannot be read ({reason}).", "Check its permissions.") from error
    return digest.hexdigest()


def find_model(name: str, revision: str | None = None) -> ModelFiles:
    """Find a model that generates questions and check its files without loading its weights.

    The network is only used for a hub id, and only if ``HF_HUB_OFFLINE`` is not set.

    Args:
        name: A built-in model, a directory or a hub id.
        revision: Branch, tag or commit of a hub id.

    Raises:
        SettingsError: A revision was given for something that is not a hub id.
        ModelError: The model does not exist, a file is missing or damaged, or the model is not a T5.
    """
    directory = _model_directory(name, revision)
    config = read_config(name, directory)
    if config.get("model_type") not in ARCHITECTURES:
        raise ModelError(
            f"{name} is a model of type {config.get('model_type')!r}.",
            f"qgbatch runs models of type: {', '.join(ARCHITECTURES)}.",
        )
    vocab_size = check_config(config, directory / "config.json")
    known = KNOWN_MODELS.get(name, KnownModel(ModelMetadata()))
    metadata = _read_metadata(directory / METADATA, known.metadata)
    decoding = _read_decoding(directory / "generation_config.json", known.decoding)
    return ModelFiles(display(name), revision, directory, metadata, decoding, vocab_size)


def _model_directory(name: str, revision: str | None) -> Path:
    """Return the directory of a built-in model or of any other checkpoint."""
    if name not in BUILT_IN_MODELS:
        hint = f"Give a directory, a hub id, or one of: {', '.join(BUILT_IN_MODELS)}."
        return find_directory(name, revision, ("spiece.model",), hint)
    if revision:
        raise _no_revisions(name, revision)
    for home in _BUILT_IN_HOMES:
        if (home / name).is_dir():
            return home / name
    raise ModelError(f"The built-in model {name} is missing.", "Install qgbatch again.")


def find_directory(name: str, revision: str | None, tokenizer_files: Sequence[str], hint: str) -> Path:
    """Return the directory of a checkpoint, and download it first if the name is a hub id.

    From the hub come the JSON files, the tokenizer files, and the weights: as safetensors if
    the repository has them, else in PyTorch's format.

    Args:
        name: A directory or a hub id.
        revision: Branch, tag or commit of a hub id.
        tokenizer_files: Names of further files to download.
        hint: The hint of the error if the name is neither.

    Raises:
        SettingsError: A revision was given for a directory.
        ModelError: There is no such checkpoint.
    """
    # Path.is_dir raises for names that are too long; os.path.isdir returns False.
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


def read_config(name: str, directory: Path) -> dict[str, Any]:
    """Read the configuration of a checkpoint, after checking that its weights are complete.

    Raises:
        ModelError: Weights or configuration are missing or damaged.
    """
    if not _has_weights(directory):
        raise ModelError(f"{name}: no weights in {directory}.", f"It needs one of: {', '.join(_WEIGHTS)}.")
    config = read_json(directory / "config.json", required=True)
    check_weights(directory, [name for name in _WEIGHTS if name.endswith(".json")])
    return config


def _has_weights(directory: Path) -> bool:
    return any(os.path.isfile(directory / weights) for weights in _WEIGHTS)


def _no_revisions(name: str, revision: str) -> SettingsError:
    return SettingsError(
        f"{name_setting('revision', revision)}: {name} has no revisions.", "Use it with a hub id only."
    )


_TOKENS = ("separator", "answer_separator", "context_separator")
_TEXTS = ("prefix", "suffix", "license", *_TOKENS)
_LANGUAGES = ("english",)
_NUMBERS = ("max_source_tokens", "target_tokens")
_NULLABLE = ("target_tokens", "language", "license", "answer_separator", "context_separator")


def _read_metadata(path: Path, default: ModelMetadata) -> ModelMetadata:
    """Read and check ``qgbatch.json``; return ``default`` if there is no such file."""
    if not path.exists():
        return default
    values = read_json(path)
    for key, value in values.items():
        if key not in (*_TEXTS, *_NUMBERS, "language", "parser"):
            known = ", ".join(spec.name for spec in fields(ModelMetadata))
            raise ModelError(f"{path}: unknown key {short_repr(key)}.", f"qgbatch knows: {known}.")
        if value is None and key in _NULLABLE:
            continue
        if not _is_valid(key, value):
            raise ModelError(f"{path}: {key} is {short_repr(value)}.", "Correct that file.")
    return ModelMetadata(**values)


def _is_valid(key: str, value: object) -> bool:
    """Return whether a field of the metadata has a value of its type and range."""
    if key == "parser":
        return isinstance(value, str) and value in OUTPUT_FORMATS
    if key == "language":
        return value in _LANGUAGES
    if key in _TOKENS and not value:
        return False
    return is_valid_text(value, _MAX_CHARS) if key in _TEXTS else is_int_in_range(value, 1, MAX_TOKENS)


def _read_decoding(path: Path, known: Mapping[str, Any]) -> Decoding:
    """Read the decoding settings of a model.

    ``generation_config.json`` takes precedence, then the settings ``known`` for the model, then
    the notebook's values.
    """
    values = read_json(path)
    if values.get("max_new_tokens") is None and isinstance(values.get("max_length"), int):
        values["max_new_tokens"] = values["max_length"] - 1  # max_length includes the start token
    if values.get("early_stopping") == "never":  # only transformers has this variant of False
        values["early_stopping"] = False
    given: dict[str, Any] = {}
    for spec in fields(Decoding):
        if spec.name == "seed":  # a setting of the run, not of the model
            continue
        value: Any = values.get(spec.name)
        kinds = (int, float) if type(spec.default) is float else (type(spec.default),)
        if value is None:
            continue
        if type(value) not in kinds or (type(value) is int and abs(value) > MAX_TOKENS):
            raise ModelError(f"{path}: {spec.name} is {short_repr(value)}.", "Correct that file.")
        given[spec.name] = value
    try:  # the command line's options have the same ranges
        Settings(**{name: value for name, value in given.items() if name != "early_stopping"})
    except SettingsError as error:
        raise ModelError(f"{path}: {error.message}", "Correct that file.") from error
    return Decoding(**{**known, **given})


def choose_decoding(settings: Settings, model: ModelFiles) -> Decoding:
    """Merge decoding settings: the user's take precedence, then the model's, then the notebook's.

    If the user chose fewer beams than the model has outputs, there are as many outputs as beams.

    Raises:
        SettingsError: The merged settings contradict each other.
    """
    chosen: dict[str, Any] = {}
    for spec in fields(Decoding):
        value = getattr(settings, spec.name, None)
        chosen[spec.name] = getattr(model.decoding, spec.name) if value is None else value
    if chosen["do_sample"] and settings.num_beams is None:
        chosen["num_beams"] = 1
    if chosen["do_sample"] and chosen["num_beams"] > 1:
        raise SettingsError(
            f"{name_setting('num_beams', chosen['num_beams'])}: sampling uses one beam.",
            "Omit it, or use 1.",
        )
    if settings.num_beams and settings.num_return_sequences is None and not chosen["do_sample"]:
        chosen["num_return_sequences"] = min(chosen["num_return_sequences"], chosen["num_beams"])
    if chosen["num_return_sequences"] > chosen["num_beams"] and not chosen["do_sample"]:
        raise SettingsError(
            f"{name_setting('num_return_sequences', chosen['num_return_sequences'])}: a search with "
            f"{chosen['num_beams']} beams has at most as many outputs.",
            f"Raise {name_setting('num_beams')}, or add {name_setting('do_sample', True)}.",
        )
    return Decoding(**chosen)
