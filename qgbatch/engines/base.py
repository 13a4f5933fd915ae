"""The protocol of an engine, which runs a model on batches of token ids.

The engine is chosen without loading it, because a run whose results are all in the cache
needs no engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Literal, Protocol, TypeAlias

from qgbatch.engines.batching import BatchBudget
from qgbatch.errors import ModelError
from qgbatch.records import Generation, InputIds, PairScore

Batch: TypeAlias = Sequence[InputIds]
"""Rows of input ids, unpadded; one row per chunk."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a run, its device and its precision."""

    name: Literal["torch", "ctranslate2"]
    device: str
    """``cpu``, ``cuda``, ``cuda:N`` or ``mps``."""
    precision: str
    """Type of the weights: ``float32``, ``bfloat16``, ``int8``, ..."""

    @property
    def needs_fixed_padding(self) -> bool:
        """Whether a row's result only stays independent of its batch if its padding is always the same.

        The number of padded tokens changes the last bit of the floating-point numbers between the
        integer products, and rounding to integers amplifies this. With int8 and 4 beams, 8 of 240
        chunks gave other words in mixed batches of 64 rows, and none with fixed padding.
        """
        return self.name == "ctranslate2" and self.precision in ("int8", "int16")


class Engine(Protocol):
    """A loaded model that generates token ids."""

    @property
    def budget(self) -> BatchBudget:
        """The batch size to use if ``--batch-tokens`` is not given."""

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order.

        A row that does not fit into memory gives ``None``. An empty batch gives an empty list.
        An engine may take several batches before it yields the first result.
        """


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Ids of the tokens that an engine treats specially."""

    pad: int
    eos: int
    unk: int
    separators: frozenset[int]
    answer_separators: frozenset[int] = frozenset()


def check_numbers(log_probabilities: Sequence[float], model_name: str) -> Sequence[float]:
    """Return the log-probabilities that a model computed.

    Raises:
        ModelError: One is NaN or infinite: the weights are damaged, or too large for their precision.
    """
    if not all(map(math.isfinite, log_probabilities)):
        raise ModelError(f"{model_name}: the model computes no numbers (NaN).", "Get the checkpoint again.")
    return log_probabilities


def make_generation(ids: Sequence[int], log_probability: float, special: SpecialIds) -> Generation:
    """Split the output for one chunk at its separators.

    Args:
        ids: The generated ids, without start token and padding, and with the end token if the
            model wrote it.
        log_probability: The sum of their log-probabilities, in nats.
        special: Ids of the separators and the end token.
    """
    finished = bool(ids) and ids[-1] == special.eos
    content = ids[:-1] if finished else ids
    pieces: list[tuple[int, ...]] = [()]
    for is_separator, run in groupby(content, key=lambda token: token in special.separators):
        if is_separator:
            pieces.extend(() for _ in run)
        else:
            pieces[-1] = tuple(run)
    score = log_probability / len(ids) if ids else -math.inf
    return Generation(tuple(pieces), score, () if finished else (len(pieces) - 1,))


def merge_generations(outputs: Sequence[Generation]) -> Generation:
    """Combine several outputs for one chunk; the score is the mean of their scores."""
    pieces: list[Piece] = []
    truncated: list[int] = []
    for output in outputs:
        truncated += (len(pieces) + index for index in output.truncated)
        pieces += output.pieces
    return Generation(tuple(pieces), fmean(output.score for output in outputs), tuple(truncated))


Piece: TypeAlias = tuple[int, ...]
"""Token ids between two separators."""


N_LOW_TOKENS = 3
"""Number of tokens for :attr:`PairScore.question_low`."""


@dataclass(frozen=True, slots=True)
class PairSpan:
    """Where a question and its answer are in an output, as offsets in tokens."""

    start: int
    answer_separator: int
    end: int

    def score(self, log_probabilities: Sequence[float]) -> PairScore:
        """Return the score of the pair.

        Args:
            log_probabilities: Those of the tokens of the output, in nats.
        """
        question = log_probabilities[self.start : self.answer_separator]
        answer = log_probabilities[self.answer_separator + 1 : self.end]
        return PairScore(fmean(question), sum(answer), fmean(sorted(question)[:N_LOW_TOKENS]), min(answer))


def find_pairs(ids: Sequence[int], special: SpecialIds) -> dict[Piece, PairSpan]:
    """Find the pieces of an output that are a question with its answer.

    A last piece that was cut off by the length limit is left out. Of equal pieces the first is used.

    Args:
        ids: The generated ids, as for :func:`make_generation`.
        special: Ids of the separators and the end token.
    """
    pairs: dict[Piece, PairSpan] = {}
    start = 0
    for end, token in enumerate(ids):
        if token not in special.separators and token != special.eos:
            continue
        piece = tuple(ids[start:end])
        places = [place for place in range(start, end) if ids[place] in special.answer_separators]
        if len(places) == 1 and start < places[0] < end - 1:
            pairs.setdefault(piece, PairSpan(start, places[0], end))
        start = end + 1
    return pairs


def find_new_pairs(
    outputs: Sequence[Sequence[int]], special: SpecialIds
) -> list[tuple[Sequence[int], dict[Piece, PairSpan]]]:
    """Find the pairs of the outputs for a chunk, each pair in the first output that contains it.

    Returns:
        The outputs that have such pairs, with these pairs.
    """
    seen: set[Piece] = set()
    found = []
    for ids in outputs:
        pairs = {piece: span for piece, span in find_pairs(ids, special).items() if piece not in seen}
        seen |= pairs.keys()
        if pairs:
            found.append((ids, pairs))
    return found


def with_recorded_scores(
    output: Generation, ids: Sequence[int], log_probabilities: Sequence[float], special: SpecialIds
) -> Generation:
    """Add the scores of the pairs of an only output, from what was computed when it was written.

    Args:
        output: The generation from ``ids``.
        ids: The generated ids, as for :func:`make_generation`.
        log_probabilities: Those of the ids, in nats, as many as ids.
        special: Ids of the separators and the end token.
    """
    assert len(log_probabilities) == len(ids)
    pairs = find_pairs(ids, special)
    return with_pair_scores(
        [output], {piece: span.score(log_probabilities) for piece, span in pairs.items()}
    )


def with_pair_scores(outputs: Sequence[Generation], scores: Mapping[Piece, PairScore]) -> Generation:
    """Combine the outputs for one chunk, and add the scores of their pairs; no piece occurs twice."""
    merged = merge_generations(outputs)
    pieces = tuple(dict.fromkeys(merged.pieces))
    whole = {piece for index, piece in enumerate(merged.pieces) if index not in merged.truncated}
    truncated = tuple(index for index, piece in enumerate(pieces) if piece not in whole)
    return Generation(pieces, merged.score, truncated, tuple(map(scores.get, pieces)))
