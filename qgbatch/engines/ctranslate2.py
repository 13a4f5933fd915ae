"""The CTranslate2 engine, the fastest one on a CPU.

Tokens are the token ids as decimal numbers, see :mod:`qgbatch.engines.conversion`.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import ctranslate2

from qgbatch.engines.allocator import keep_freed_memory
from qgbatch.engines.base import (
    Batch,
    EngineChoice,
    Piece,
    SpecialIds,
    check_numbers,
    find_new_pairs,
    make_generation,
    merge_generations,
    with_pair_scores,
    with_recorded_scores,
)
from qgbatch.engines.batching import BatchBudget, padded_length
from qgbatch.engines.converted import CONVERTED_MODELS
from qgbatch.engines.cores import n_cores
from qgbatch.engines.halving import run_with_halving
from qgbatch.engines.translator import load_translator
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.records import Generation, InputIds, PairScore
from qgbatch.settings import Decoding

logger = logging.getLogger(__name__)

_BATCHES_PER_WORKER = 2
"""One that the worker computes, and one that is ready when the worker finishes."""
_POLL_S = 0.002
"""Seconds between checks for a result. Waiting inside CTranslate2 would delay signal handlers."""
_SWITCH_INTERVAL_S = 0.0001
"""Seconds between switches of Python's threads, so that workers record tokens without a long wait. While a
thread computed in Python all the time, workers took 13 % longer, and 111 % with Python's default of 5 ms.
"""


class CTranslate2Engine:
    """Generates with a CTranslate2 translator that has one worker per CPU core.

    A batch that does not fit into memory is halved.
    """

    def __init__(
        self,
        choice: EngineChoice,
        model: ModelFiles,
        decoding: Decoding,
        special: SpecialIds,
        cache_dir: Path,
    ) -> None:
        self.budget = BatchBudget()
        self._name = model.name
        self._special = special
        self._has_fixed_padding = choice.needs_fixed_padding
        self._length_penalty = decoding.length_penalty
        self._options = translate_options(decoding)
        self._n_workers = n_cores() if choice.device == "cpu" else 1
        logger.debug("CTranslate2 %s, threads: %d", ctranslate2.__version__, self._n_workers)
        self._records_scores = bool(special.answer_separators) and decoding.is_plain_greedy
        self._n_scoring = self._n_workers if special.answer_separators and not self._records_scores else 0
        self._translator = load_translator(
            model, special, choice, cache_dir / CONVERTED_MODELS, self._n_workers
        )
        if choice.device == "cpu":
            keep_freed_memory()
        if self._records_scores:
            sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL_S))

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order; ``None`` for a row that exceeds the memory."""
        translating: deque[tuple[Batch, list[_Translation]]] = deque()
        scoring: deque[list[_Promise]] = deque()
        for batch in batches:
            translating.append((batch, self._translate(batch) if batch else []))
            if len(translating) == _BATCHES_PER_WORKER * self._n_workers:
                scoring.append(self._finish(*translating.popleft()))
            if len(scoring) > self._n_scoring:
                yield [promise() for promise in scoring.popleft()]
        while translating:
            scoring.append(self._finish(*translating.popleft()))
        while scoring:
            yield [promise() for promise in scoring.popleft()]

    def _translate(self, batch: Batch) -> list[_Translation]:
        """Start the translation of a batch, one per row."""
        inputs = [[str(token) for token in row] for row in [*batch, *self._filler(batch)]]
        log_probabilities: list[list[float]] = [[] for _ in inputs]

        def record(step: Any) -> bool:
            log_probabilities[step.batch_id].append(step.log_prob)
            return False  # do not stop

        callback = record if self._records_scores else None
        promises = self._translator.translate_batch(
            inputs, asynchronous=True, callback=callback, **self._options
        )
        return list(map(_Translation, promises[: len(batch)], log_probabilities))

    def _filler(self, batch: Batch) -> list[InputIds]:
        """Return a row that makes CTranslate2 pad a batch as fixed padding requires, if one is necessary.

        CTranslate2 pads to the longest row. The filler consists of unknown tokens, for which the built-in
        model ends its output at once, so that the row costs little.
        """
        longest = max(map(len, batch))
        target = padded_length(longest)
        if not self._has_fixed_padding or longest == target:
            return []
        return [(self._special.unk,) * target]

    def _finish(self, batch: Batch, translations: list[_Translation]) -> list[_Promise]:
        """Wait for the translations of a batch, and start to score the answers in them."""
        results = _results(translations, self._translate, batch)
        return [self._score(row, result) for row, result in zip(batch, results, strict=True)]

    def _score(self, row: InputIds, result: _Result | None) -> _Promise:
        """Return a function that waits for the generation of a chunk; start to score its pairs."""
        if result is None:
            return lambda: None
        outputs, scores, log_probabilities = result
        check_numbers([*scores, *log_probabilities], self._name)
        generations = [self._make_generation(*pair) for pair in zip(outputs, scores, strict=True)]
        if not self._special.answer_separators:
            merged = merge_generations(generations)
            return lambda: merged
        if self._records_scores:
            scored = with_recorded_scores(generations[0], outputs[0], log_probabilities, self._special)
            return lambda: scored
        return self._score_again(row, outputs, generations)

    def _score_again(
        self, row: InputIds, outputs: Sequence[list[int]], generations: Sequence[Generation]
    ) -> _Promise:
        """Start to score the pairs of a chunk in a second pass over its outputs.

        The outputs of a chunk are a batch by themselves, so their scores do not depend on other chunks.
        """
        found = find_new_pairs(outputs, self._special)
        targets = [[str(token) for token in ids if token != self._special.eos] for ids, _ in found]

        def score(targets: Sequence[list[str]]) -> list[Any]:
            sources = [[str(token) for token in row]] * len(targets)
            promises: list[Any] = self._translator.score_batch(
                sources, targets, max_input_length=0, asynchronous=True
            )
            return promises

        promises = score(targets) if targets else []

        def finish() -> Generation | None:
            scores: dict[Piece, PairScore] = {}
            for scored, (_, pairs) in zip(_results(promises, score, targets), found, strict=True):
                if scored is None:
                    return None
                log_probabilities = check_numbers(scored.log_probs, self._name)
                scores |= {piece: span.score(log_probabilities) for piece, span in pairs.items()}
            return with_pair_scores(generations, scores)

        return finish

    def _make_generation(self, ids: Sequence[int], score: float) -> Generation:
        """Turn a hypothesis of CTranslate2 into a generation; undo the length penalty of its score."""
        return make_generation(ids, score * len(ids) ** self._length_penalty, self._special)


class _Result(NamedTuple):
    """What CTranslate2 wrote for a row."""

    outputs: list[list[int]]
    """The ids of each output, best first."""
    scores: Sequence[float]
    """Their log-probabilities, in nats, divided by the length penalty."""
    log_probabilities: Sequence[float] = ()
    """The log-probabilities of the tokens of the first output, if they were recorded."""


@dataclass(frozen=True, slots=True)
class _Translation:
    """The translation of a row, which CTranslate2 may still be computing."""

    promise: Any
    log_probabilities: Sequence[float]
    """Those of the tokens so far, if they are recorded."""

    def done(self) -> bool:
        """Whether the result can be taken without waiting."""
        return bool(self.promise.done())

    def result(self) -> _Result:
        """Return the result, or raise the error that CTranslate2 had."""
        result = self.promise.result()
        outputs = [[int(token) for token in tokens] for tokens in result.hypotheses]
        return _Result(outputs, result.scores, self.log_probabilities)


_Promise: TypeAlias = Callable[[], Generation | None]
"""Waits for the generation of a chunk and returns it."""
_Row = TypeVar("_Row")


def _results(
    promises: list[Any], start: Callable[[Sequence[_Row]], list[Any]], rows: Sequence[_Row]
) -> list[Any]:
    """Wait for the results of rows; ``None`` for a row that does not fit into memory.

    Args:
        promises: The asynchronous results of ``start(rows)``.
        start: Called again for parts of the rows if memory ran out.
        rows: May be empty.
    """
    started = [promises]

    def run(part: Sequence[_Row]) -> list[Any]:
        return [_wait(promise) for promise in (started.pop() if started else start(part))]

    return run_with_halving(run, rows) if rows else []


def _wait(promise: Any) -> Any:
    """Return the result of CTranslate2's asynchronous call."""
    while not promise.done():
        time.sleep(_POLL_S)
    return promise.result()


def translate_options(decoding: Decoding) -> dict[str, Any]:
    """Return CTranslate2's options for the decoding settings.

    All options are set, because CTranslate2's defaults differ from those of transformers.
    """
    return {
        "beam_size": decoding.num_beams,
        "max_decoding_length": decoding.max_new_tokens,
        "min_decoding_length": 0,  # an output may be empty; the default would forbid the end token first
        "length_penalty": decoding.length_penalty,
        "num_hypotheses": decoding.num_return_sequences,
        "no_repeat_ngram_size": decoding.no_repeat_ngram_size,
        # With early stopping, a search ends with as many finished hypotheses as beams, else twice as many.
        "patience": 1 if decoding.early_stopping else 2,
        "max_input_length": 0,  # no truncation: chunking keeps inputs below the limit
        "max_batch_size": 0,  # batches already have their final size
        "return_scores": True,
        "return_end_token": True,  # distinguishes eos from length, and the score's length includes it
    }
