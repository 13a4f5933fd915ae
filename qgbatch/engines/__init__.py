"""What runs the model: chunks in, generations out, in the same order.

Both engines take a whole window of chunks, batch it by length in their own way and
give results that in float32 do not depend on the batching.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Protocol

from qgbatch.batching import make_batches
from qgbatch.errors import SettingsError
from qgbatch.models import ModelFiles
from qgbatch.records import Chunk, Generation
from qgbatch.settings import Decoding, Settings


class Engine(Protocol):
    """Runs a model on chunks."""

    name: str
    """``torch`` or ``ctranslate2``."""
    device: str
    precision: str
    """Of the weights: ``float32``, ``bfloat16``, ``int8``, ..."""

    def generate(self, chunks: Sequence[Chunk]) -> list[Generation]:
        """One generation per chunk, in the same order."""


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Token ids with a meaning of their own."""

    pad: int
    eos: int
    unk: int
    separator: int


def to_generation(ids: Sequence[int], log_probability: float, special: SpecialIds) -> Generation:
    """Split one output at its separators.

    ``ids`` are the generated ids with the end token, if the model wrote it, and without
    start or padding; ``log_probability`` is their sum in nats.
    """
    finished = bool(ids) and ids[-1] == special.eos
    content = ids[:-1] if finished else ids
    pieces: list[tuple[int, ...]] = [()]
    for is_separator, run in groupby(content, key=lambda token: token == special.separator):
        if is_separator:
            pieces.extend(() for _ in run)
        else:
            pieces[-1] = tuple(run)
    score = log_probability / len(ids) if ids else -math.inf
    return Generation(tuple(pieces), score, "eos" if finished else "length")


def load_engine(settings: Settings, model: ModelFiles, decoding: Decoding, special: SpecialIds) -> Engine:
    """Load the engine that the settings ask for; the weights are read here.

    Raises:
        ModelError: the weights are damaged.
        SettingsError: the device is not there, or a precision is not for this engine.
    """
    from qgbatch.engines.torch import TorchEngine, find_device

    device = find_device(settings.device)
    name = settings.engine
    if name == "ctranslate2" and settings.device == "auto" and device == "mps":
        device = "cpu"  # the best that this engine has on such a machine
    if name == "auto":
        name = "ctranslate2" if device == "cpu" else "torch"
    if name == "torch":
        if settings.compute_type != "auto":
            raise SettingsError("--compute-type is for the ctranslate2 engine.", "Use --dtype.")
        split_batches = partial(make_batches, batch_tokens=settings.batch_tokens)
        return TorchEngine(model, decoding, special, device, settings.dtype, split_batches)

    from qgbatch.engines.ctranslate2 import CTranslate2Engine

    if settings.dtype != "auto":
        raise SettingsError("--dtype is for the torch engine.", "Use --compute-type, or --engine torch.")
    return CTranslate2Engine(model, decoding, special, device, settings.compute_type, settings.batch_tokens)
