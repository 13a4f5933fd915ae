"""Finds out which devices and precisions this machine has."""

from __future__ import annotations

import platform
from glob import glob

from qgbatch.errors import SettingsError, name_setting
from qgbatch.settings import ComputeType, Dtype

# Files that the drivers of NVIDIA (also Jetson), WSL and AMD create.
_LINUX_GPUS = ("/dev/nvidia*", "/dev/nvhost*", "/dev/nvmap", "/dev/dxg", "/dev/kfd")


def find_device(name: str) -> str:
    """Return the best device for ``auto``, or check that the given device exists.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        SettingsError: This machine has no such device.
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
        raise SettingsError(
            f"{name_setting('device', name)}: unknown device.", "Use auto, cpu, cuda, cuda:N or mps."
        )
    if not known[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise SettingsError(
            f"{name_setting('device', name)}: this machine has no such device.",
            f"Use {name_setting('device', 'auto')}.",
        )
    return name


def _may_have_gpu() -> bool:
    """Return False if this machine certainly has no GPU; importing torch to find out takes seconds."""
    if platform.system() == "Linux":
        return any(glob(pattern) for pattern in _LINUX_GPUS)
    return platform.system() != "Darwin" or platform.machine() == "arm64"


def torch_precision(dtype: Dtype, device: str) -> str:
    """Return the best precision of the torch engine on a device for ``auto``, else the given one."""
    if dtype != "auto":
        return dtype
    if not device.startswith("cuda"):
        return "float32"

    import torch

    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"


def ctranslate2_precision(compute_type: ComputeType, device: str) -> str:
    """Return CTranslate2's fastest precision on a device for ``auto``, or check the given one.

    Raises:
        SettingsError: The device does not support this precision.
    """
    kind = device.partition(":")[0]
    if compute_type == "auto" and kind == "cpu":
        return "int8"  # supported on every CPU

    import ctranslate2

    supported = ctranslate2.get_supported_compute_types(kind)
    if compute_type == "auto":
        return "bfloat16" if "bfloat16" in supported else "float32"
    if compute_type not in supported:
        raise SettingsError(
            f"{name_setting('compute_type', compute_type)}: this {kind} does not support it.",
            f"It supports: {', '.join(sorted(supported))}.",
        )
    return compute_type
