"""Drawing tokens so that a chunk's outputs are its own, whatever batch it is in."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from qgbatch.engines.base import Batch
from qgbatch.settings import Decoding


class SeededSampling(LogitsProcessor):
    """Adds noise to the logits such that the best token is a draw, and notes its log-probability.

    The best of logits with Gumbel noise is a draw from their softmax, so a greedy search
    does the rest. Each row has a generator of its own, seeded with the chunk's ids and the
    number of the output, where torch's sampling has one for the whole batch. The noise is made on the
    CPU, so that a GPU draws the same.
    """

    def __init__(self, decoding: Decoding, batch: Batch) -> None:
        self._warp = LogitsProcessorList()
        if decoding.temperature != 1:
            self._warp.append(TemperatureLogitsWarper(decoding.temperature))
        if decoding.top_k:
            self._warp.append(TopKLogitsWarper(decoding.top_k))
        if decoding.top_p < 1:
            self._warp.append(TopPLogitsWarper(decoding.top_p))
        self._generators = [
            torch.Generator().manual_seed(_seed(row, number, decoding.seed))
            for row in batch
            for number in range(decoding.num_return_sequences)
        ]
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: Any, scores: Any) -> torch.Tensor:
        """Logits (rows, vocabulary), float32 -> the same with noise."""
        warped = self._warp(input_ids, scores)
        waits = [torch.empty(scores.shape[1]).exponential_(generator=g) for g in self._generators]
        noise = -torch.stack(waits).clamp_min(torch.finfo(torch.float32).tiny).log()
        noisy: torch.Tensor = warped + noise.to(scores.device)
        drawn = noisy.argmax(-1, keepdim=True)
        self._steps.append(scores.log_softmax(-1).gather(-1, drawn).squeeze(-1))
        return noisy

    def sums(self, lengths: Sequence[int]) -> list[float]:
        """Log-probability of the first ``length`` tokens of each row in nats, as the model has it."""
        steps = torch.stack(self._steps, dim=1).tolist()  # rows x steps
        return [sum(row[:length]) for row, length in zip(steps, lengths, strict=True)]


def _seed(row: Sequence[int], number: int, seed: int) -> int:
    digest = hashlib.blake2b(array("q", [seed, number, *row]).tobytes(), digest_size=7).digest()
    return int.from_bytes(digest)
