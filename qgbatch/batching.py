"""Chunks -> batches of similar length, bounded in padded tokens."""

from __future__ import annotations

from collections.abc import Sequence


def make_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group the indices of ``lengths`` into batches, longest first.

    A batch of ``rows`` padded to its ``longest`` has ``rows * longest <= batch_tokens``,
    but for a single row that is longer. Longest first, so that memory runs out early
    or not at all. Every index is in exactly one batch.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        longest = lengths[batches[-1][0]] if batches else 0
        if batches and (len(batches[-1]) + 1) * longest <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
