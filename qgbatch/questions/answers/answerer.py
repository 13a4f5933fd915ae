"""Answers questions from a text with an extractive model.

The model gives each token of the text a probability to start the answer and one to end it, so
an answer is always a span of the text.
"""

from __future__ import annotations

import logging
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.devices import find_device, torch_precision
from qgbatch.questions.answers.checkpoint import check_answer_model, find_answer_model
from qgbatch.records import Answer
from qgbatch.settings import Dtype

if TYPE_CHECKING:
    from qgbatch.questions.answers.spans import Span
    from qgbatch.questions.answers.strides import Stride

__all__ = ["Answerer", "find_answer_model"]

logger = logging.getLogger(__name__)


_ROOM = BatchBudget()
_NONE = Answer("", 0, 0, 0.0, 1.0)


class Answerer:
    """An extractive question answering model with its tokenizer.

    Args:
        directory: A result of :func:`find_answer_model`.
        device: As for the torch engine.
        dtype: As for the torch engine.
        budget: The limit of a batch.

    Raises:
        ModelError: The checkpoint is damaged or not supported.
        SettingsError: there is no such device.
    """

    def __init__(
        self,
        directory: Path,
        *,
        device: str = "auto",
        dtype: Dtype = "auto",
        budget: BatchBudget = _ROOM,
    ) -> None:
        check_answer_model(str(directory), directory)
        device = find_device(device)

        from qgbatch.questions.answers.spans import SpanModel
        from qgbatch.questions.answers.strides import StrideMaker

        self._model = SpanModel(directory, device, torch_precision(dtype, device))
        self._strides = StrideMaker(directory, self._model.limits)
        self._budget = budget

    def answer(self, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """Return the best answer to each (question, context), in the same order.

        A context that is too long for the model is read in overlapping strides, and the best
        answer of all strides is returned. A question is never cut: if it exceeds half of the
        model's maximum length, it counts as unanswered, with ``score`` 0. All pairs are
        tokenized together, so memory grows with their number.

        Raises:
            ModelError: a window does not fit into memory, or the model gives no numbers.
        """
        strides, too_long = self._strides.make(pairs)
        if too_long:
            logger.warning("%d questions are too long for the answer model and stay unanswered.", too_long)
        best: dict[int, tuple[Stride, Span]] = {}
        no_answer: dict[int, float] = {}
        for stride, span in zip(strides, self._spans(strides), strict=True):
            pair = stride.pair_index
            no_answer[pair] = min(no_answer.get(pair, 1.0), span.no_answer)
            if pair not in best or span.log_score > best[pair][1].log_score:
                best[pair] = stride, span
        return [
            _to_answer(context, *best[pair], no_answer[pair]) if pair in best else _NONE
            for pair, (_, context) in enumerate(pairs)
        ]

    def _spans(self, strides: Sequence[Stride]) -> list[Span]:
        """The best span of each stride, in the same order."""
        spans: dict[int, Span] = {}
        for batch in make_batches([len(stride) for stride in strides], self._budget):
            found = self._model.find_spans([strides[index] for index in batch])
            spans.update(zip(batch, found, strict=True))
        return [spans[index] for index in range(len(strides))]


def _to_answer(context: str, stride: Stride, span: Span, no_answer: float) -> Answer:
    if span.log_score == -math.inf:  # not one token that could end an answer
        return Answer("", 0, 0, 0.0, no_answer)
    start, end = _whole_characters(context, *stride.offsets(span.first, span.last))
    return Answer(context[start:end], start, end, math.exp(span.log_score), no_answer)


def _whole_characters(context: str, start: int, end: int) -> tuple[int, int]:
    """Extend a span over the combining marks that tokenizers leave out, and strip leading white space."""
    while 0 < start < end and _is_mark(context[start]):
        start -= 1
    while end < len(context) and _is_mark(context[end]):
        end += 1
    while start < end and context[start].isspace():
        start += 1
    return start, end


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
