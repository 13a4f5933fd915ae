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
from typing import Any, TypeAlias

import numpy as np
from safetensors import SafetensorError, safe_open

WEIGHTS_FILE = "model.safetensors"
"""The only file that can contain int8 weights."""
SCALE_SUFFIX = ".scale"
"""The name of a matrix plus this suffix is the name of its scales."""

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_MAX_INT = np.float32(127)
_MIN_ROW_MAXIMUM = _MAX_INT / np.finfo(np.float32).max
"""Smallest maximum of a row that has a reciprocal scale in float32, as in CTranslate2."""


def quantize_rows(matrix: Array) -> tuple[Array, Array]:
    """Round a matrix to int8 as CTranslate2 does.

    Args:
        matrix: Shape (rows, columns), float32.

    Returns:
        The integers from -127 to 127, shape (rows, columns), int8, and the scales, shape (rows,),
        float32. The scale of a row is its largest absolute value divided by 127, or 1 if the row
        is zero.
    """
    maxima = np.abs(matrix).max(axis=1)
    maxima[maxima == 0] = _MAX_INT
    maxima = np.maximum(maxima, _MIN_ROW_MAXIMUM)
    # As in CTranslate2. A division by the scale would round some values differently.
    return np.rint(matrix * (_MAX_INT / maxima)[:, None]).astype(np.int8), maxima / _MAX_INT


def dequantize_rows(integers: Array, scales: Array) -> Array:
    """Return the float32 matrix of :func:`quantize_rows`."""
    return integers.astype(np.float32) * scales[:, None]


def is_quantized(directory: Path) -> bool:
    """Return whether a checkpoint contains int8 weights.

    Raises:
        ValueError: The file is damaged.
    """
    path = directory / WEIGHTS_FILE
    if not path.is_file():
        return False
    with open_tensors(path) as file:
        return any(file.get_slice(name).get_dtype() == "I8" for name in file.keys())  # noqa: SIM118


def read_weights(directory: Path, shapes: Mapping[str, Sequence[int]]) -> dict[str, Array]:
    """Read the weights of a checkpoint with int8 matrices in float32.

    Args:
        directory: The checkpoint.
        shapes: The shapes of the model's weights by their names.

    Raises:
        ValueError: The file is damaged, or the type, shape or value of a tensor is not allowed.
    """
    path = directory / WEIGHTS_FILE
    with open_tensors(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        try:
            return {
                name: _to_float(name, file, slices, shapes)
                for name in slices
                if not _is_scale(name, slices)
            }
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file; an error names the file."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _is_scale(name: str, slices: Mapping[str, Any]) -> bool:
    """Return whether a tensor contains the scales of a matrix."""
    matrix = slices.get(name.removesuffix(SCALE_SUFFIX))
    return name.endswith(SCALE_SUFFIX) and matrix is not None and matrix.get_dtype() == "I8"


def _to_float(
    name: str, file: Any, slices: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]
) -> Array:
    """Check a tensor and return it in float32."""
    kind, shape = slices[name].get_dtype(), slices[name].get_shape()
    expected = tuple(shapes.get(name, shape))
    if tuple(shape) != expected:
        raise ValueError(f"{name} is {_describe(slices[name])}, but config.json says {expected}")
    if kind == "F32":
        return file.get_tensor(name)  # type: ignore[no-any-return]
    if kind != "I8" or len(shape) != 2:
        raise ValueError(f"{name} is {_describe(slices[name])}, neither float32 nor a matrix of int8")
    scales = slices.get(name + SCALE_SUFFIX)
    if scales is None:
        raise ValueError(f"{name} has no scales")
    if scales.get_dtype() != "F32" or scales.get_shape() != shape[:1]:
        raise ValueError(f"{name}{SCALE_SUFFIX} is {_describe(scales)}, not float32 of shape ({shape[0]},)")
    factors = file.get_tensor(name + SCALE_SUFFIX)
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise ValueError(f"{name}{SCALE_SUFFIX} contains a value that is not finite and positive")
    return dequantize_rows(file.get_tensor(name), factors)


_TYPES = {"I": "int", "F": "float", "BF": "bfloat"}


def _describe(tensor: Any) -> str:
    """Return the type and shape of a tensor in a file for a message."""
    kind = tensor.get_dtype()
    letters = kind.rstrip("0123456789")
    return (
        f"{_TYPES.get(letters, letters)}{kind.removeprefix(letters)} of shape {tuple(tensor.get_shape())}"
    )
