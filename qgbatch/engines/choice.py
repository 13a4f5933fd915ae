"""Which engine runs the model, decided without loading it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from qgbatch.engines.base import Engine, EngineChoice, SpecialIds
from qgbatch.engines.devices import ctranslate2_precision, find_device, torch_precision
from qgbatch.errors import SettingsError
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.settings import Decoding, Settings

LoadEngine: TypeAlias = Callable[[EngineChoice, ModelFiles, Decoding, SpecialIds, Path], Engine]
"""Loads an engine, as :func:`load_engine` does; tests pass one that needs no model."""


def choose_engine(settings: Settings, *, do_sample: bool = False) -> EngineChoice:
    """What the settings ask for on this machine; torch is only asked where a GPU may be.

    What is drawn is drawn in torch, whatever the device.

    Raises:
        SettingsError: the device is not there, or a precision is not for this engine.
    """
    device = find_device(settings.device)
    name = settings.engine
    if do_sample and name == "ctranslate2":
        raise SettingsError("The ctranslate2 engine draws no tokens.", "Use --engine torch.")
    if name == "ctranslate2" and device == "mps":
        if settings.device != "auto":
            raise SettingsError("The ctranslate2 engine does not run on mps.", "Use --engine torch.")
        device = "cpu"  # the best that this engine has on such a machine
    if name == "auto":
        name = "ctranslate2" if device == "cpu" and not do_sample else "torch"
    if name == "torch":
        if settings.compute_type != "auto":
            raise SettingsError("--compute-type is for the ctranslate2 engine.", "Use --dtype.")
        return EngineChoice("torch", device, torch_precision(settings.dtype, device))
    if settings.dtype != "auto":
        raise SettingsError("--dtype is for the torch engine.", "Use --compute-type, or --engine torch.")
    return EngineChoice("ctranslate2", device, ctranslate2_precision(settings.compute_type, device))


def load_engine(
    choice: EngineChoice, model: ModelFiles, decoding: Decoding, special: SpecialIds, cache_dir: Path
) -> Engine:
    """Load the chosen engine; the weights are read here.

    Raises:
        ModelError: the weights are damaged.
    """
    if choice.name == "torch":
        from qgbatch.engines.torch import TorchEngine

        return TorchEngine(choice, model, decoding, special)

    from qgbatch.engines.ctranslate2 import CTranslate2Engine

    return CTranslate2Engine(choice, model, decoding, special, cache_dir)
