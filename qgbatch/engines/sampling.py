"""Samples tokens so that the outputs for a chunk do not depend on the other chunks of its batch."""

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
    """Adds random noise to the logits, so that a greedy search samples from their softmax.

    The argmax of logits plus Gumbel noise is a sample from their softmax. Each row has its own
    random generator, seeded with the chunk's ids and the number of the output, while torch's
    sampling has one generator for the whole batch. The noise is generated on the CPU, so that a
    GPU samples the same tokens. The log-probabilities of the sampled tokens are recorded.
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
        """Return the warped logits with noise, of the same shape (rows, vocabulary) and float32."""
        warped = self._warp(input_ids, scores)
        exponentials = [torch.empty(scores.shape[1]).exponential_(generator=g) for g in self._generators]
        noise = -torch.stack(exponentials).clamp_min(torch.finfo(torch.float32).tiny).log()
        noisy: torch.Tensor = warped + noise.to(scores.device)
        sampled = noisy.argmax(-1, keepdim=True)
        self._steps.append(scores.log_softmax(-1).gather(-1, sampled).squeeze(-1))
        return noisy

    def log_probabilities(self, lengths: Sequence[int]) -> list[float]:
        """Return the model's log-probability, in nats, of the first ``length`` tokens of each row."""
        steps = torch.stack(self._steps, dim=1).tolist()  # rows x steps
        return [sum(row[:length]) for row, length in zip(steps, lengths, strict=True)]


def _seed(row: Sequence[int], number: int, seed: int) -> int:
    """Return the seed of an output's generator, from the run's seed and the chunk's ids."""
    digest = hashlib.blake2b(array("q", [seed, number, *row]).tobytes(), digest_size=7).digest()
    return int.from_bytes(digest)
