"""Converts models to CTranslate2's format.

A model is converted once and stored in the user's cache directory. Its vocabulary consists of
the token ids as decimal numbers, so that texts are only tokenized by the model's own tokenizer.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import ctranslate2
import torch
from ctranslate2.converters import transformers as loaders
from ctranslate2.converters.converter import Converter
from ctranslate2.specs.model_spec import OPTIONAL

from qgbatch.engines.base import SpecialIds
from qgbatch.engines.converted import DRAFT_PREFIX, conversion_name
from qgbatch.engines.weights import load_weights
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.models.known_models import ARCHITECTURES

logger = logging.getLogger(__name__)

_CONVERSION_VERSION = 1
"""Raise this when the conversion changes, so that older conversions in the cache are not used."""
_STALE_DRAFT_S = 24 * 3600
"""Drafts older than this, in seconds, were left by killed runs: no conversion takes a day."""


def find_conversion(
    model: ModelFiles, special: SpecialIds, precision: str, conversions: Path, fallback: Path
) -> Path:
    """Return the directory of the converted model, and convert it first if necessary.

    Args:
        model: The model.
        special: Ids of the special tokens.
        precision: Type of the converted weights.
        conversions: Where conversions are kept.
        fallback: Where to convert if ``conversions`` cannot be written.
    """
    tokens = f"{special.pad}.{special.eos}.{special.unk}"
    key = conversion_name(model.sha256, precision, tokens, ctranslate2.__version__, _CONVERSION_VERSION)
    directory = conversions / key
    if directory.is_dir():
        return directory
    logger.info("Converting %s to CTranslate2 %s (only once).", model.name, precision)
    try:
        conversions.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # later, it also holds results
        conversions.mkdir(exist_ok=True)
        _remove_stale_drafts(conversions)
        with tempfile.TemporaryDirectory(prefix=DRAFT_PREFIX, dir=conversions) as draft:
            converted = _convert(model, special, precision, Path(draft) / key)
            try:
                converted.rename(directory)
            except OSError:
                if not directory.is_dir():  # otherwise another run converted it at the same time
                    raise
    except OSError as error:
        logger.warning("%s cannot be written (%s): each run converts the model.", conversions, error)
        return _convert(model, special, precision, fallback / key)
    return directory


def _remove_stale_drafts(conversions: Path) -> None:
    """Remove unfinished conversions of runs that were killed."""
    for draft in conversions.glob(f"{DRAFT_PREFIX}*"):
        if time.time() - draft.stat().st_mtime > _STALE_DRAFT_S:
            shutil.rmtree(draft, ignore_errors=True)


def _convert(model: ModelFiles, special: SpecialIds, precision: str, directory: Path) -> Path:
    _Converter(model, special).convert(str(directory), quantization=precision)
    return directory


class _Converter(Converter):
    """CTranslate2's converter, applied to weights that qgbatch loaded and checked."""

    def __init__(self, model: ModelFiles, special: SpecialIds) -> None:
        self._model = model
        self._special = special

    def _load(self) -> Any:
        # Not shared with anything else: the conversion quantizes these tensors in place.
        weights = load_weights(self._model, torch.float32)
        vocabulary = _IdVocabulary(weights.config.vocab_size, self._special)
        loader = getattr(loaders, ARCHITECTURES[weights.config.model_type])()
        with torch.no_grad():
            spec = loader(weights, vocabulary)
        d_model = weights.config.d_model
        spec.decoder.scale_outputs = d_model**-0.5 if _scales_outputs(weights.config) else OPTIONAL
        return spec


def _scales_outputs(config: Any) -> bool:
    """Return whether the model scales its last hidden states.

    T5 does; T5 v1.1, Flan-T5 and mT5 do not. CTranslate2 4.8 decides this by whether embeddings
    are tied, but transformers 5 has a field for it.
    """
    return bool(getattr(config, "scale_decoder_outputs", False))


class _IdVocabulary:
    """Replaces the tokenizer in a conversion; each token is its id as a decimal number."""

    def __init__(self, size: int, special: SpecialIds) -> None:
        self._size = size
        self.pad_token = str(special.pad)
        self.eos_token = str(special.eos)
        self.unk_token = str(special.unk)

    def get_vocab(self) -> dict[str, int]:
        """Return all tokens with their ids."""
        return {str(token): token for token in range(self._size)}

    def convert_ids_to_tokens(self, token: int) -> str:
        """Return the token of an id."""
        return str(token)
