"""Runs an extractive model in PyTorch and selects the most probable span of each stride."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import AutoModelForQuestionAnswering

from qgbatch.engines.padding import pad_rows
from qgbatch.engines.torch import load_checkpoint, run_with_halving
from qgbatch.errors import ModelError
from qgbatch.questions.answers.strides import ModelLimits, Stride

MAX_ANSWER_TOKENS = 30


@dataclass(frozen=True, slots=True)
class Span:
    """The most probable span of a stride."""

    first: int
    last: int
    """Index of the first and the last token of the span, both inclusive."""
    log_score: float
    """Log-probability in nats; minus infinity if no token of the stride can end an answer."""
    no_answer: float
    """Probability that the stride contains no answer, 0 to 1."""


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
        if config.pad_token_id is None:  # that it is an id, loading has seen
            raise ModelError(
                f"{directory / 'config.json'}: pad_token_id is null.", "Get the checkpoint again."
            )
        self._pad_id: int = config.pad_token_id
        self.limits = _limits(config)

    def find_spans(self, batch: Sequence[Stride]) -> list[Span]:
        """Return the best span of each stride; a batch that does not fit into memory is halved.

        Raises:
            ModelError: A single stride does not fit into memory, or the model returns NaN.
        """
        spans = [span for span in run_with_halving(self._run, batch, self._device) if span]
        if len(spans) < len(batch):
            raise ModelError(
                f"{self._directory}: {max(map(len, batch))} tokens do not fit into the memory of "
                f"{self._device}.",
                "Give a smaller model, or --device cpu.",
            )
        if any(math.isnan(span.log_score) for span in spans):
            raise ModelError(
                f"{self._directory}: the model computes no numbers (NaN).", "Get the checkpoint again."
            )
        return spans

    @torch.inference_mode()
    def _run(self, batch: Sequence[Stride]) -> list[Span]:
        """Run the model; all tensors have the shape (rows, longest row)."""
        tensors = {
            "input_ids": pad_rows([stride.input_ids for stride in batch], self._pad_id, self._device),
            "attention_mask": pad_rows([[1] * len(stride) for stride in batch], 0, self._device),
        }
        if self.limits.n_types > 1:
            tensors["token_type_ids"] = pad_rows([stride.type_ids for stride in batch], 0, self._device)
        output = self._model(**tensors, return_dict=True)
        return best_spans(
            output.start_logits,
            output.end_logits,
            pad_rows([stride.in_context for stride in batch], False, self._device),
            pad_rows([stride.can_end for stride in batch], False, self._device),
        )


def best_spans(
    start_logits: torch.Tensor, end_logits: torch.Tensor, in_context: torch.Tensor, can_end: torch.Tensor
) -> list[Span]:
    """Return the most probable span of each row; of equal spans the first.

    All tensors have the shape (rows, longest row). As in the question answering pipeline of
    transformers 4, the logits of the context and of the first token become probabilities, and
    the probability of a span is that of its start times that of its end.
    """
    readable = in_context.clone()
    readable[:, 0] = True
    start = start_logits.float().masked_fill(~readable, -math.inf).log_softmax(-1)
    end = end_logits.float().masked_fill(~readable, -math.inf).log_softmax(-1)
    no_answer = (start[:, 0] + end[:, 0]).exp()
    start = start.masked_fill(~in_context, -math.inf)
    end = end.masked_fill(~can_end, -math.inf)
    # (rows, longest, MAX_ANSWER_TOKENS): the ends that each start can have
    ends = pad(end, (0, MAX_ANSWER_TOKENS - 1), value=-math.inf).unfold(1, MAX_ANSWER_TOKENS, 1)
    best_end, n_more = ends.max(-1)
    log_score, first = (start + best_end).max(-1)
    last = first + n_more.gather(1, first.unsqueeze(1)).squeeze(1)
    columns: Any = (first.tolist(), last.tolist(), log_score.tolist(), no_answer.tolist())
    return [Span(*row) for row in zip(*columns, strict=True)]


def _limits(config: Any) -> ModelLimits:
    n_positions = config.max_position_embeddings
    if config.model_type in ("roberta", "xlm-roberta"):  # its positions begin behind the pad token's number
        n_positions -= config.pad_token_id + 1
    return ModelLimits(n_positions, config.vocab_size, getattr(config, "type_vocab_size", 0))
