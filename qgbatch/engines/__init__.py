"""What runs the model: batches of token ids in, generations out, in the same order.

Which engine it will be is decided without loading it, as a run whose results are all in
the cache never needs one.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import groupby
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from qgbatch.batching import BatchRoom
from qgbatch.errors import SettingsError
from qgbatch.models import ModelFiles
from qgbatch.records import Generation, InputIds
from qgbatch.settings import ComputeType, Decoding, Dtype, Settings

Batch: TypeAlias = Sequence[InputIds]

CONVERSIONS = "ctranslate2"
"""Directory of converted models in the cache directory."""
# What drivers of NVIDIA (also Jetson), WSL and AMD put there.
_LINUX_GPUS = ("/dev/nvidia*", "/dev/nvhost*", "/dev/nvmap", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine, where it runs and in which precision."""

    name: Literal["torch", "ctranslate2"]
    device: str
    """``cpu``, ``cuda``, ``cuda:N`` or ``mps``."""
    precision: str
    """Of the weights: ``float32``, ``bfloat16``, ``int8``, ..."""

    @property
    def needs_equal_lengths(self) -> bool:
        """Whether rows of a batch must be of one length for their results to be theirs alone.

        Integer products are exact, but padding moves the float ones between them in their
        last bit, which rounding to integers makes large: of 240 chunks in int8 with 4
        beams 8 came out with other words in batches of 64, none in batches of one length.
        """
        return self.name == "ctranslate2" and self.precision in ("int8", "int16")


class Engine(Protocol):
    """Runs a model."""

    @property
    def room(self) -> BatchRoom:
        """What a batch may hold where the settings do not say."""

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order; ``None`` for a row that does not fit into memory.

        A batch may be empty, and so are its generations then. Some batches are taken before
        the results of earlier ones are given.
        """


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Token ids with a meaning of their own."""

    pad: int
    eos: int
    unk: int
    separators: frozenset[int]


def to_generation(ids: Sequence[int], log_probability: float, special: SpecialIds) -> Generation:
    """Split one output at its separators.

    ``ids`` are the generated ids with the end token, if the model wrote it, and without
    start or padding; ``log_probability`` is their sum in nats.
    """
    finished = bool(ids) and ids[-1] == special.eos
    content = ids[:-1] if finished else ids
    pieces: list[tuple[int, ...]] = [()]
    for is_separator, run in groupby(content, key=lambda token: token in special.separators):
        if is_separator:
            pieces.extend(() for _ in run)
        else:
            pieces[-1] = tuple(run)
    score = log_probability / len(ids) if ids else -math.inf
    return Generation(tuple(pieces), score, "eos" if finished else "length")


def merge_generations(outputs: Sequence[Generation]) -> Generation:
    """Several outputs of one chunk as one, whose score is the mean of theirs."""
    pieces = tuple(piece for output in outputs for piece in output.pieces)
    score = sum(output.score for output in outputs) / len(outputs)
    return Generation(pieces, score, outputs[-1].finish_reason)


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
    return EngineChoice("ctranslate2", device, _ctranslate2_precision(settings.compute_type, device))


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


def find_device(name: str) -> str:
    """Turn ``auto`` into the best device here, and check a given one.

    Raises:
        SettingsError: there is no such device.
    """
    if name == "cpu" or (name == "auto" and not _may_have_gpu()):
        return "cpu"

    import torch

    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if has_cuda else "mps" if has_mps else "cpu"
    kind, _, index = name.partition(":")
    known = {"mps": has_mps and not index, "cuda": has_cuda}
    if kind not in known or (index and not index.isdecimal()):
        raise SettingsError(f"--device {name}: not known.", "Give auto, cpu, cuda, cuda:N or mps.")
    if not known[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise SettingsError(f"--device {name}: not on this machine.", "Use --device auto.")
    return name


def n_cores() -> int:
    """Cores that this process may use, which a container, taskset or ``OMP_NUM_THREADS`` can make fewer."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdecimal() and int(limit):
        return min(int(limit), _n_cores_of_process())
    return _n_cores_of_process()


def _n_cores_of_process() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _may_have_gpu() -> bool:
    """False where there surely is none: importing torch to ask takes seconds."""
    if platform.system() == "Linux":
        return any(glob(pattern) for pattern in _LINUX_GPUS)
    return platform.system() != "Darwin" or platform.machine() == "arm64"


def torch_precision(dtype: Dtype, device: str) -> str:
    """Turn ``auto`` into the weights' precision in torch that is best on a device."""
    if dtype != "auto":
        return dtype
    if not device.startswith("cuda"):
        return "float32"

    import torch

    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"


def _ctranslate2_precision(compute_type: ComputeType, device: str) -> str:
    kind = device.partition(":")[0]
    if compute_type == "auto" and kind == "cpu":
        return "int8"  # which it has on every CPU

    import ctranslate2

    supported = ctranslate2.get_supported_compute_types(kind)
    if compute_type == "auto":
        return "bfloat16" if "bfloat16" in supported else "float32"
    if compute_type not in supported:
        raise SettingsError(
            f"--compute-type {compute_type}: not on this {kind}.",
            f"It has: {', '.join(sorted(supported))}.",
        )
    return compute_type
