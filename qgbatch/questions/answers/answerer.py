"""Question and text -> the part of the text that answers it, found by an extractive model.

Such a model gives each token of the text a chance to be the first of the answer and one to
be the last, so an answer is always a piece of the text.
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

    Takes a directory of :func:`find_answer_model`. ``device`` and ``dtype`` are those of
    the torch engine; ``room`` bounds a batch.

    Raises:
        ModelError: the checkpoint is damaged, or of a kind that qgbatch does not run.
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
        """The best answer to each (question, context), in the same order.

        A context that is too long for the model is read in windows that overlap, and the
        best window's answer is taken. A question is never cut: one that is longer than half
        of what the model reads at once counts as unanswered, with ``score`` 0. The pairs
        are tokenized together, so memory grows with them.

        Raises:
            ModelError: a window does not fit into memory, or the model gives no numbers.
        """
        strides, too_long = self._strides.make(pairs)
        if too_long:
            logger.warning("%d questions are too long for the answer model: unanswered.", too_long)
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
        """The best span of each window, in the same order."""
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
    """With the combining marks that tokenizers leave out, without white space in front."""
    while 0 < start < end and _is_mark(context[start]):
        start -= 1
    while end < len(context) and _is_mark(context[end]):
        end += 1
    while start < end and context[start].isspace():
        start += 1
    return start, end


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
