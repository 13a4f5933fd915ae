"""The files of a tokenizer: finding, hashing and opening them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qgbatch.errors import ModelError, name_setting
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.models.hub import download
from qgbatch.models.tokenizer_json import OpenTokenizer, open_tokenizer_json
from qgbatch.models.utf8_path import utf8_path
from qgbatch.models.validation import check_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

DEFAULT_TOKENIZER = "t5-base"
"""Used for checkpoints without a tokenizer, such as those of the notebook and its copies."""
_TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
_HASHED_FILES = (
    *_TOKENIZER_FILES,
    "added_tokens.json",
    "config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)


def find_tokenizer(model: ModelFiles, name: str | None = None) -> Path:
    """Return the directory of a model's tokenizer.

    A given name takes precedence, then the files beside the model's weights, then
    :data:`DEFAULT_TOKENIZER`.

    Args:
        model: The model.
        name: A directory or hub id.

    Raises:
        ModelError: There is no such tokenizer.
    """
    if name is None and any((model.directory / file).is_file() for file in _TOKENIZER_FILES):
        return model.directory
    if name is None:
        name = DEFAULT_TOKENIZER
        logger.info("%s comes without a tokenizer: using %s.", model.name, name)
    return tokenizer_directory(name, model.name)


def tokenizer_sha256(directory: Path) -> str:
    """Return the SHA-256 of a tokenizer's files, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in _HASHED_FILES:
        if (directory / name).is_file():
            digest.update(name.encode())
            digest.update(hashlib.sha256((directory / name).read_bytes()).digest())
    return digest.hexdigest()


def tokenizer_directory(name: str, owner: str) -> Path:
    """Return the directory of a tokenizer, given as a directory or hub id, for the owner in messages."""
    if Path(name).is_dir():
        return Path(name)
    try:
        return download(name, None, ["*.json", "spiece.model"])
    except ModelError as error:
        raise ModelError(
            f"No tokenizer for {owner}: {error.message}",
            f"Give a directory or hub id with {name_setting('tokenizer')}.",
        ) from error


def open_tokenizer(directory: Path) -> OpenTokenizer:
    """Open the tokenizer in a directory, with transformers only if that is necessary.

    Raises:
        ModelError: The files are damaged, name a class that is not a tokenizer, or one without a fast form.
    """
    with damage_as_model_error(directory):
        found = open_tokenizer_json(directory)
    if found:
        return found
    tokenizer = open_hf_tokenizer(directory)
    if not tokenizer.is_fast:
        raise ModelError(
            f"{directory}: {type(tokenizer).__name__} has no fast form, which qgbatch needs.",
            "Use a checkpoint with a tokenizer.json or a SentencePiece model; ByT5 has neither.",
        )
    return OpenTokenizer(
        tokenizer.backend_tokenizer, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token
    )


def open_hf_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """Open the tokenizer in a directory with transformers.

    Raises:
        ModelError: The files are damaged, or name a class that is not a tokenizer.
    """
    from transformers import AutoTokenizer

    check_tokenizer(directory)
    with damage_as_model_error(directory), utf8_path(directory) as path:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)


@contextmanager
def damage_as_model_error(directory: Path) -> Iterator[None]:
    """Turn whatever damaged files raise into a :class:`ModelError`."""
    try:
        yield
    except ModelError:
        raise
    except BaseException as error:
        # A panic of the tokenizers library is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(
            f"{directory}: the tokenizer cannot be loaded ({error}).", "Get the checkpoint again."
        ) from error
