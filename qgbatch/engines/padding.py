"""Turns rows of different lengths into one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def pad_rows(rows: Sequence[Sequence[int]], value: int, device: str | torch.device = "cpu") -> torch.Tensor:
    """Pad rows on the right to the length of the longest one.

    Args:
        rows: At least one row of integers or booleans.
        value: The padding, of the same type.
        device: Where to create the tensor.

    Returns:
        A tensor of shape (rows, longest row), int64 for integers and bool for booleans.
    """
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows], device=device)
