"""Answers questions from their text with an extractive model.

Such a model scores each token of the text as the first and as the last token of the answer, so
an answer is always a span of the text.
"""

from __future__ import annotations

import logging
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.devices import find_device, torch_precision
from qgbatch.questions.answers.answer import Answer
from qgbatch.questions.answers.checkpoint import check_answer_model, find_answer_model
from qgbatch.settings import Dtype

if TYPE_CHECKING:
    from qgbatch.questions.answers.spans import Span
    from qgbatch.questions.answers.strides import Stride

__all__ = ["Answerer", "find_answer_model"]

logger = logging.getLogger(__name__)
_DEFAULT_BUDGET = BatchBudget()
_UNANSWERED = Answer("", 0, 0, 0.0, 1.0)


class Answerer:
    """An extractive question answering model with its tokenizer.

    Args:
        directory: A result of :func:`find_answer_model`.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        dtype: Precision of the weights, as for the torch engine.
        budget: Maximum size of a batch.

    Raises:
        ModelError: The checkpoint is damaged, or qgbatch does not support its type.
        SettingsError: This machine has no such device.
    """

    def __init__(
        self,
        directory: Path,
        *,
        device: str = "auto",
        dtype: Dtype = "auto",
        budget: BatchBudget = _DEFAULT_BUDGET,
    ) -> None:
        check_answer_model(str(directory), directory)
        device = find_device(device)

        from qgbatch.questions.answers.spans import SpanModel
        from qgbatch.questions.answers.strides import StrideMaker

        self._model = SpanModel(directory, device, torch_precision(dtype, device))
        self._strides = StrideMaker(directory, self._model.limits)
        self._budget = budget
        self._computing = Lock()  # threads may share a model; its memory is planned for one batch

    def answer(self, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """Return the best answer to each pair of question and context, in the same order.

        A context that is too long for the model is read in overlapping strides, and the best
        answer of all strides is returned. A question is never truncated: one that takes more
        than half of the model's input counts as unanswered, with ``score`` 0. All pairs are
        tokenized together, so memory grows with their number.

        Raises:
            ModelError: A stride does not fit into memory, or the model computes no numbers.
        """
        strides, n_too_long = self._strides.make(pairs)
        if n_too_long:
            logger.warning("%d questions are too long for the answer model: no answers.", n_too_long)
        best: dict[int, tuple[Stride, Span]] = {}
        no_answer: dict[int, float] = {}
        for stride, span in zip(strides, self._spans(strides), strict=True):
            pair = stride.pair_index
            no_answer[pair] = min(no_answer.get(pair, 1.0), span.no_answer)
            if pair not in best or span.log_score > best[pair][1].log_score:
                best[pair] = stride, span
        return [
            _to_answer(context, *best[pair], no_answer[pair]) if pair in best else _UNANSWERED
            for pair, (_, context) in enumerate(pairs)
        ]

    def _spans(self, strides: Sequence[Stride]) -> list[Span]:
        """Return the best span of each stride, in the same order."""
        spans: dict[int, Span] = {}
        for batch in make_batches([len(stride) for stride in strides], self._budget):
            with self._computing:
                found = self._model.find_spans([strides[index] for index in batch])
            spans.update(zip(batch, found, strict=True))
        return [spans[index] for index in range(len(strides))]


def _to_answer(context: str, stride: Stride, span: Span, no_answer: float) -> Answer:
    """Turn the best span of a context into an answer with offsets in the context."""
    if span.log_score == -math.inf:  # no token of the context can end an answer
        return Answer("", 0, 0, 0.0, no_answer)
    start, end = _adjust_span(context, *stride.offsets(span.first, span.last))
    return Answer(context[start:end], start, end, math.exp(span.log_score), no_answer)


def _adjust_span(context: str, start: int, end: int) -> tuple[int, int]:
    """Extend a span by the combining marks at its ends, and remove white space at its start."""
    while 0 < start < end and _is_mark(context[start]):
        start -= 1
    while end < len(context) and _is_mark(context[end]):
        end += 1
    while start < end and context[start].isspace():
        start += 1
    return start, end


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
