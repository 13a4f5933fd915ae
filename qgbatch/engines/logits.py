"""Changes and records the scores of the next tokens during a search with transformers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor


class NGramRepetitionFilter(LogitsProcessor):
    """Forbids each token that would repeat an n-gram of its own output.

    Equivalent to transformers' ``NoRepeatNGramLogitsProcessor``, which processes one row at a
    time on the CPU. This class processes all rows at once on their device.
    """

    def __init__(self, ngram_size: int) -> None:
        self._size = ngram_size

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return ``scores`` with forbidden tokens at minus infinity.

        Args:
            input_ids: Ids generated so far, shape (rows, length), int64.
            scores: Logits of the next token, shape (rows, vocabulary), floating point.
        """
        if input_ids.shape[1] < self._size:
            return scores
        ngrams = input_ids.unfold(1, self._size, 1)  # shape (rows, length - size + 1, size)
        last = input_ids[:, input_ids.shape[1] - self._size + 1 :]
        matches_last = (ngrams[:, :, :-1] == last[:, None]).all(-1)
        penalties = torch.zeros_like(ngrams[:, :, -1], dtype=scores.dtype).masked_fill(
            matches_last, -torch.inf
        )
        return scores.scatter_add(1, ngrams[:, :, -1], penalties)


class GreedyLogProbabilities(LogitsProcessor):
    """Records the log-probability of the best token at each step, without changing the scores.

    It runs after the n-gram filter, so the probabilities are among the allowed tokens, as in
    CTranslate2.
    """

    def __init__(self) -> None:
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Record the best token of ``scores``, shape (rows, vocabulary), and return them unchanged."""
        self._steps.append(scores.log_softmax(-1).amax(-1))
        return scores

    def log_probabilities(self, lengths: Sequence[int]) -> list[list[float]]:
        """Return those of the first ``length`` steps of each row, in nats."""
        steps = torch.stack(self._steps, dim=1).tolist()  # rows x steps
        return [row[:length] for row, length in zip(steps, lengths, strict=True)]
