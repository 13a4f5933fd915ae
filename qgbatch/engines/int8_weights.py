"""Weights whose matrices are stored as int8 with one scale per row.

In such a checkpoint, ``model.safetensors`` contains each matrix ``NAME`` as int8, shape (rows,
columns), and its scales ``NAME.scale`` as float32, shape (rows,). A value is the integer times
the scale of its row. All other tensors are float32.

CTranslate2 computes in int8 with the same integers, so converting such a checkpoint to int8
loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

WEIGHTS_FILE = "model.safetensors"
"""The only file that can contain int8 weights."""
SCALE_SUFFIX = ".scale"
"""The name of a matrix plus this suffix is the name of its scales."""

_MAX_INT = 127
_MIN_ROW_MAXIMUM = _MAX_INT / torch.finfo(torch.float32).max
"""Smallest maximum of a row that has a reciprocal scale in float32, as in CTranslate2."""


def quantize_rows(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Round a matrix to int8 as CTranslate2 does.

    Args:
        matrix: Shape (rows, columns), float32.

    Returns:
        The integers from -127 to 127, shape (rows, columns), int8, and the scales, shape (rows,),
        float32. The scale of a row is its largest absolute value divided by 127, or 1 if the row
        is zero.
    """
    maxima = matrix.abs().amax(dim=1)
    maxima[maxima == 0] = _MAX_INT
    maxima = maxima.clamp(min=_MIN_ROW_MAXIMUM)
    # As in CTranslate2. A division by the scale would round some values differently, and so would
    # an integer as the dividend, for which torch multiplies by 1 / maxima.
    factors = torch.full_like(maxima, _MAX_INT) / maxima
    return (matrix * factors[:, None]).round().to(torch.int8), maxima / _MAX_INT


def dequantize_rows(integers: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Return the float32 matrix of :func:`quantize_rows`."""
    return integers.float().mul_(scales[:, None])


def is_quantized(directory: Path) -> bool:
    """Return whether a checkpoint contains int8 weights.

    Raises:
        ValueError: The file is damaged.
    """
    path = directory / WEIGHTS_FILE
    if not path.is_file():
        return False
    with _open(path) as file:
        return any(file.get_slice(name).get_dtype() == "I8" for name in file.keys())  # noqa: SIM118


def read_weights(directory: Path, shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Read the weights of a checkpoint with int8 matrices in float32.

    Args:
        directory: The checkpoint.
        shapes: The shapes of the model's weights by their names.

    Raises:
        ValueError: The file is damaged, or the type, shape or value of a tensor is not allowed.
    """
    path = directory / WEIGHTS_FILE
    with _open(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    try:
        names = [name for name in tensors if not _is_scale(name, tensors)]
        for name in names:
            expected = tuple(shapes.get(name, tensors[name].shape))
            if tensors[name].shape != expected:
                raise ValueError(f"{name} is {_describe(tensors[name])}, but config.json says {expected}")
        return {name: _to_float(name, tensors) for name in names}
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a safetensors file; an error names the file."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _is_scale(name: str, tensors: Mapping[str, torch.Tensor]) -> bool:
    """Return whether a tensor contains the scales of a matrix."""
    matrix = tensors.get(name.removesuffix(SCALE_SUFFIX))
    return name.endswith(SCALE_SUFFIX) and matrix is not None and matrix.dtype == torch.int8


def _to_float(name: str, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Check a tensor and return it in float32."""
    tensor = tensors[name]
    if tensor.dtype == torch.float32:
        return tensor
    if tensor.dtype != torch.int8 or tensor.ndim != 2:
        raise ValueError(f"{name} is {_describe(tensor)}, neither float32 nor a matrix of int8")
    scales = tensors.get(name + SCALE_SUFFIX)
    if scales is None:
        raise ValueError(f"{name} has no scales")
    if scales.dtype != torch.float32 or scales.shape != tensor.shape[:1]:
        raise ValueError(
            f"{name}{SCALE_SUFFIX} is {_describe(scales)}, not float32 of shape ({len(tensor)},)"
        )
    if not (scales.isfinite() & (scales > 0)).all():
        raise ValueError(f"{name}{SCALE_SUFFIX} contains a value that is not finite and positive")
    return dequantize_rows(tensor, scales)


def _describe(tensor: torch.Tensor) -> str:
    """Return the type and shape of a tensor for a message."""
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
