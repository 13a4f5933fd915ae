"""The order of the training examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class StepSampler(Sampler[int]):
    """Shuffles the examples in each epoch; can sort the examples within each step by length.

    Sorting within a step puts examples of similar length in the same batch, which reduces padding. The
    examples of each step stay the same, on any number of devices.

    Examples at the end of an epoch that do not fill a step are skipped; each epoch skips different ones.
    SQuAD v1.1 therefore has 295 steps of 64 examples per epoch, as in the notebook.
    """

    def __init__(
        self, lengths: Sequence[tuple[int, int]], step_size: int, seed: int, *, group_by_length: bool
    ) -> None:
        """Create the sampler.

        Args:
            lengths: Number of tokens of source and target, per example.
            step_size: Number of examples per step.
            seed: Seed of the shuffle.
            group_by_length: Whether to sort the examples of a step by length.
        """
        self._lengths = lengths
        self._step_size = step_size
        self._seed = seed
        self._group_by_length = group_by_length
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, from 0, which selects the shuffle."""
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
