"""The order in which examples are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class StepSampler(Sampler[int]):
    """Shuffled examples in whole steps, anew each epoch; optionally those of a step by length.

    Sorting inside a step puts examples of like length into one batch on a device, so
    that there is little padding, while each step keeps the examples that the shuffle
    gave it, on any number of devices.

    Examples that do not fill a step, other ones in each epoch, are left out of it. So
    SQuAD v1.1 makes 295 steps of 64 in an epoch, as in the notebook.
    """

    def __init__(
        self, lengths: Sequence[tuple[int, int]], step_size: int, seed: int, *, group_by_length: bool
    ) -> None:
        """``lengths`` are each example's tokens of source and target; ``step_size`` counts examples."""
        self._lengths = lengths
        self._step_size = step_size
        self._seed = seed
        self._group_by_length = group_by_length
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the shuffle of an epoch, counted from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        order: list[int] = torch.randperm(len(self._lengths), generator=generator).tolist()
        for start in range(0, len(self), self._step_size):
            step = order[start : start + self._step_size]
            if self._group_by_length:
                step.sort(key=self._lengths.__getitem__, reverse=True)
            yield from step

    def __len__(self) -> int:
        n_examples = len(self._lengths)
        return n_examples - n_examples % self._step_size if n_examples > self._step_size else n_examples
