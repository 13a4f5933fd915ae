"""Chunks -> batches of similar length, bounded in padded tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchBudget:
    """What a batch may hold: ``rows * (longest + row_tokens) <= batch_tokens``."""

    batch_tokens: int = 4096
    """On two CPU cores nothing from 512 to 16,384 was slower or faster (benchmarks/tuning.py)."""
    row_tokens: int = 0
    """What a row takes beside its tokens, such as what is written for it, in tokens."""


def make_batches(
    lengths: Sequence[int], budget: BatchBudget, *, equal_lengths: bool = False
) -> list[list[int]]:
    """Group the indices of ``lengths`` into batches, longest first.

    A batch fits into the room, but for a single row that does not. Longest first, so that
    memory runs out early or not at all. With ``equal_lengths`` all rows of a batch are of one length. Every
    index is in exactly one batch. What is left after some whole batches is batched as it
    was before: a run that was killed goes on with the same batches.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        batch = batches[-1] if batches else []
        longest = lengths[batch[0]] if batch else 0
        fits = bool(batch) and (len(batch) + 1) * (longest + budget.row_tokens) <= budget.batch_tokens
        if fits and (lengths[index] == longest or not equal_lengths):
            batch.append(index)
        else:
            batches.append([index])
    return batches
