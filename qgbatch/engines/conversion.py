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
from typing import TYPE_CHECKING

import ctranslate2

from qgbatch.engines.base import SpecialIds
from qgbatch.engines.converted import DRAFT_PREFIX, conversion_name
from qgbatch.models.checkpoint import ModelFiles

if TYPE_CHECKING:
    from qgbatch.engines.t5_weights import T5Weights

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
    """Convert a model as CTranslate2's converter does, from weights that qgbatch loaded and checked."""
    from qgbatch.engines.t5_spec import make_spec  # imports numpy, which a converted model does not need
    from qgbatch.engines.t5_weights import read_t5

    weights = read_t5(model) or _load_with_transformers(model)
    spec = make_spec(weights, special, precision)
    spec.validate()
    spec.optimize(quantization=precision)
    directory.mkdir()
    spec.save(str(directory))
    return directory


def _load_with_transformers(model: ModelFiles) -> T5Weights:
    """Load any checkpoint that transformers can read.

    Raises:
        ModelError: The weights are damaged.
    """
    import torch

    from qgbatch.engines.t5_weights import weights_of
    from qgbatch.engines.weights import load_weights

    return weights_of(load_weights(model, torch.float32))
