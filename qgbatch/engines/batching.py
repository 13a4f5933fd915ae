"""Groups chunks of similar length into batches of limited size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchBudget:
    """The maximum size of a batch: ``n_rows * (longest row + row_tokens) <= batch_tokens``."""

    batch_tokens: int = 4096
    """Padded tokens. On two CPU cores, values from 512 to 16,384 were equally fast
    (benchmarks/tuning.py)."""
    row_tokens: int = 0
    """Extra memory per row beyond its input, for example for its output, as a number of tokens."""


MAX_PADDING = 1 / 8
"""Maximum padding of a row with fixed padding, per token of it. Less padding needs more batches."""


def padded_length(n_tokens: int) -> int:
    """Return the length of a row with fixed padding: a multiple of a power of two that grows with it.

    >>> [padded_length(n) for n in (9, 17, 33, 65)]
    [9, 18, 36, 72]
    """
    step = 1
    while n_tokens * MAX_PADDING > 2 * step:
        step *= 2
    return -(-n_tokens // step) * step


def make_batches(
    lengths: Sequence[int], budget: BatchBudget, *, fixed_padding: bool = False
) -> list[list[int]]:
    """Group rows into batches, longest rows first.

    The longest rows come first so that a lack of memory shows in the first batch. Leaving
    out all rows of finished batches does not change the other batches, so a resumed run forms the
    same remaining batches as an uninterrupted one.

    Args:
        lengths: Number of tokens of each row.
        budget: Maximum size of a batch. A row that exceeds it by itself forms its own batch.
        fixed_padding: Whether all rows of a batch must have the same :func:`padded_length`.

    Returns:
        Indices into ``lengths``. Every index is in exactly one batch.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        batch = batches[-1] if batches else []
        longest = lengths[batch[0]] if batch else 0
        if fixed_padding:
            longest = padded_length(longest)
        fits = bool(batch) and (len(batch) + 1) * (longest + budget.row_tokens) <= budget.batch_tokens
        if fits and (not fixed_padding or padded_length(lengths[index]) == longest):
            batch.append(index)
        else:
            batches.append([index])
    return batches
