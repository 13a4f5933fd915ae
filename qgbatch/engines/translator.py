"""Loads the model of the CTranslate2 engine."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

import ctranslate2

from qgbatch.engines.base import EngineChoice, SpecialIds
from qgbatch.engines.conversion import find_conversion
from qgbatch.errors import ModelError, OutputError, name_setting
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.models.utf8_path import utf8_path

logger = logging.getLogger(__name__)


def load_translator(
    model: ModelFiles, special: SpecialIds, choice: EngineChoice, conversions: Path, n_workers: int
) -> ctranslate2.Translator:
    """Load the converted model; convert it first, or again if the conversion is damaged.

    Args:
        model: A checkpoint.
        special: Its special ids.
        choice: The device and the precision.
        conversions: The directory of converted models.
        n_workers: Number of batches that are computed at the same time.

    Raises:
        ModelError: The converted model cannot be loaded.
        OutputError: There is no room for it.
    """
    try:
        with tempfile.TemporaryDirectory() as spare:
            directory = find_conversion(model, special, choice.precision, conversions, Path(spare))
            try:
                return _open_translator(directory, choice, n_workers)
            except ModelError as error:
                logger.warning("%s Converting it again.", error.message)
                shutil.rmtree(directory, ignore_errors=True)
            directory = find_conversion(model, special, choice.precision, conversions, Path(spare))
            return _open_translator(directory, choice, n_workers)
    except OSError as error:
        raise OutputError(
            f"{model.name}: cannot be converted ({error}).",
            f"Free disk space in {name_setting('cache_dir')} or TMPDIR, or use "
            f"{name_setting('engine', 'torch')}.",
        ) from error


def _open_translator(directory: Path, choice: EngineChoice, n_workers: int) -> ctranslate2.Translator:
    kind, _, index = choice.device.partition(":")
    try:
        with utf8_path(directory) as path:
            return ctranslate2.Translator(
                str(path),
                device=kind,
                device_index=int(index or 0),
                compute_type=choice.precision,
                inter_threads=n_workers,
                intra_threads=1,
            )
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{directory}: the converted model cannot be loaded ({error}).",
            f"Try {name_setting('engine', 'torch')}.",
        ) from error
