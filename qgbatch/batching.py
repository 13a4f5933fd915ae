"""Chunks -> batches of similar length, bounded in padded tokens."""

from __future__ import annotations

from collections.abc import Sequence


def make_batches(
    lengths: Sequence[int], batch_tokens: int, *, equal_lengths: bool = False
) -> list[list[int]]:
    """Group the indices of ``lengths`` into batches, longest first.

    A batch of ``rows`` padded to its ``longest`` has ``rows * longest <= batch_tokens``,
    but for a single row that is longer. Longest first, so that memory runs out early
    or not at all. With ``equal_lengths`` all rows of a batch are of one length. Every
    index is in exactly one batch. What is left after some whole batches is batched as it
    was before: a run that was killed goes on with the same batches.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        batch = batches[-1] if batches else []
        longest = lengths[batch[0]] if batch else 0
        has_room = bool(batch) and (len(batch) + 1) * longest <= batch_tokens
        if has_room and (lengths[index] == longest or not equal_lengths):
            batch.append(index)
        else:
            batches.append([index])
    return batches
