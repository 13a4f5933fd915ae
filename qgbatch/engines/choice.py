"""Chooses the engine of a run without loading it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from qgbatch.engines.base import Engine, EngineChoice, SpecialIds
from qgbatch.engines.devices import ctranslate2_precision, find_device, torch_precision
from qgbatch.errors import SettingsError, name_setting
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.settings import Decoding, Settings

LoadEngine: TypeAlias = Callable[[EngineChoice, ModelFiles, Decoding, SpecialIds, Path], Engine]
"""Loads an engine, as :func:`load_engine` does; tests pass one that needs no model."""


def choose_engine(settings: Settings, *, do_sample: bool = False) -> EngineChoice:
    """Choose engine, device and precision for this machine.

    torch is only imported if the machine may have a GPU, because the import takes seconds.

    Args:
        settings: The settings of the run.
        do_sample: Whether tokens are sampled, which only the torch engine can do.

    Raises:
        SettingsError: The device does not exist, or the engine does not support a setting.
    """
    device = find_device(settings.device)
    name, use_torch = settings.engine, name_setting("engine", "torch")
    if do_sample and name == "ctranslate2":
        raise SettingsError("The ctranslate2 engine cannot sample.", f"Use {use_torch}.")
    if name == "ctranslate2" and device == "mps":
        if settings.device != "auto":
            raise SettingsError("The ctranslate2 engine does not run on mps.", f"Use {use_torch}.")
        device = "cpu"  # the only device of this engine on a Mac
    if name == "auto":
        name = "ctranslate2" if device == "cpu" and not do_sample else "torch"
    if name == "torch":
        if settings.compute_type != "auto":
            raise SettingsError(
                f"The torch engine has no {name_setting('compute_type')}.", f"Use {name_setting('dtype')}."
            )
        return EngineChoice("torch", device, torch_precision(settings.dtype, device))
    if settings.dtype != "auto":
        raise SettingsError(
            f"The ctranslate2 engine has no {name_setting('dtype')}.",
            f"Use {name_setting('compute_type')} or {use_torch}.",
        )
    return EngineChoice("ctranslate2", device, ctranslate2_precision(settings.compute_type, device))


def load_engine(
    choice: EngineChoice, model: ModelFiles, decoding: Decoding, special: SpecialIds, cache_dir: Path
) -> Engine:
    """Load the chosen engine with the model's weights.

    Args:
        choice: The result of :func:`choose_engine`.
        model: The model to load.
        decoding: Settings of the search or the sampling.
        special: Ids of the special tokens.
        cache_dir: Where the ctranslate2 engine stores converted models.

    Raises:
        ModelError: The weights are damaged.
    """
    if choice.name == "torch":
        from qgbatch.engines.torch import TorchEngine

        return TorchEngine(choice, model, decoding, special)

    from qgbatch.engines.ctranslate2 import CTranslate2Engine

    return CTranslate2Engine(choice, model, decoding, special, cache_dir)
