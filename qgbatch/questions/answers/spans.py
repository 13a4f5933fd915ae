"""Runs an extractive model on strides and finds the most likely span of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import AutoModelForQuestionAnswering

from qgbatch.engines.halving import run_with_halving
from qgbatch.engines.padding import pad_rows
from qgbatch.engines.weights import load_checkpoint
from qgbatch.errors import ModelError, name_setting
from qgbatch.questions.answers.strides import ModelLimits, Stride

MAX_ANSWER_TOKENS = 30
"""Maximum length of an answer; the default of BERT's SQuAD scripts."""


@dataclass(frozen=True, slots=True)
class Span:
    """The most likely answer in a stride."""

    first: int
    last: int
    """Indices of the first and the last token in the stride, both included."""
    log_score: float
    """Log-probability in nats; minus infinity if no token of the stride can end an answer."""
    no_answer: float
    """Probability that the stride has no answer, 0 to 1."""


class SpanModel:
    """An extractive model on its device.

    Raises:
        ModelError: The weights are damaged or incomplete.
    """

    def __init__(self, directory: Path, device: str, precision: str) -> None:
        self._directory = directory
        self._device = device
        dtype = getattr(torch, precision)
        self._model = load_checkpoint(AutoModelForQuestionAnswering, str(directory), directory, dtype)
        self._model.to(device)
        config = self._model.config
        if config.pad_token_id is None:  # loading already checked that a number is a valid id
            raise ModelError(
                f"{directory / 'config.json'}: pad_token_id is null.", "Get the checkpoint again."
            )
        self._pad_id: int = config.pad_token_id
        self.limits = _limits(config)

    def find_spans(self, batch: Sequence[Stride]) -> list[Span]:
        """Return the best span of each stride; a batch that does not fit into memory is halved.

        Raises:
            ModelError: A stride does not fit into memory by itself, or the model computes no
                numbers.
        """
        found = run_with_halving(self._run, batch, torch.cuda.empty_cache)
        spans = [span for span in found if span]
        if len(spans) < len(batch):
            raise ModelError(
                f"{self._directory}: {max(map(len, batch))} tokens do not fit into the memory of "
                f"{self._device}.",
                f"Use a smaller model, or {name_setting('device', 'cpu')}.",
            )
        if any(math.isnan(span.log_score) for span in spans):
            raise ModelError(
                f"{self._directory}: the model computes no numbers (NaN).", "Get the checkpoint again."
            )
        return spans

    @torch.inference_mode()
    def _run(self, batch: Sequence[Stride]) -> list[Span]:
        """Return the best span of each stride. All tensors have the shape (rows, longest stride)."""
        tensors = {
            "input_ids": self._pad([stride.input_ids for stride in batch], self._pad_id),
            "attention_mask": self._pad([[1] * len(stride) for stride in batch], 0),
        }
        if self.limits.n_types > 1:
            tensors["token_type_ids"] = self._pad([stride.type_ids for stride in batch], 0)
        output = self._model(**tensors, return_dict=True)
        return best_spans(
            output.start_logits,
            output.end_logits,
            self._pad([stride.in_context for stride in batch], False),
            self._pad([stride.can_end for stride in batch], False),
        )

    def _pad(self, rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
        return pad_rows(rows, value, self._device)


def best_spans(
    start_logits: torch.Tensor, end_logits: torch.Tensor, in_context: torch.Tensor, can_end: torch.Tensor
) -> list[Span]:
    """Return the most likely span of each row, the first one on a tie.

    This is the scoring of transformers 4's question answering pipeline. The logits of the
    context and of the first token become probabilities. The probability of a span is that of
    its first token as a start times that of its last token as an end.

    Args:
        start_logits: Shape (rows, longest row), floating point.
        end_logits: Shape (rows, longest row), floating point.
        in_context: Which tokens belong to the context, shape (rows, longest row), bool.
        can_end: Which tokens can be the last one of an answer, shape (rows, longest row), bool.
    """
    readable = in_context.clone()
    readable[:, 0] = True
    start = start_logits.float().masked_fill(~readable, -math.inf).log_softmax(-1)
    end = end_logits.float().masked_fill(~readable, -math.inf).log_softmax(-1)
    no_answer = (start[:, 0] + end[:, 0]).exp()
    start = start.masked_fill(~in_context, -math.inf)
    end = end.masked_fill(~can_end, -math.inf)
    # The possible ends of each start, shape (rows, longest row, MAX_ANSWER_TOKENS).
    ends = pad(end, (0, MAX_ANSWER_TOKENS - 1), value=-math.inf).unfold(1, MAX_ANSWER_TOKENS, 1)
    best_end, n_more = ends.max(-1)
    log_score, first = (start + best_end).max(-1)
    last = first + n_more.gather(1, first.unsqueeze(1)).squeeze(1)
    columns: Any = (first.tolist(), last.tolist(), log_score.tolist(), no_answer.tolist())
    return [Span(*row) for row in zip(*columns, strict=True)]


def _limits(config: Any) -> ModelLimits:
    """Read the sizes of a model's input from its configuration."""
    n_positions = config.max_position_embeddings
    if config.model_type in ("roberta", "xlm-roberta"):  # positions start after the pad id
        n_positions -= config.pad_token_id + 1
    return ModelLimits(n_positions, config.vocab_size, getattr(config, "type_vocab_size", 0))
