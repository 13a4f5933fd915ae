"""The protocol of an engine, which runs a model on batches of token ids.

The engine is chosen without loading it, because a run whose results are all in the cache
needs no engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, Protocol, TypeAlias

from qgbatch.engines.batching import BatchBudget
from qgbatch.records import Generation, InputIds, PairScore

Batch: TypeAlias = Sequence[InputIds]
"""Rows of input ids, unpadded; one row per chunk."""

CONVERTED_MODELS = "ctranslate2"
"""Name of the directory of converted models in the cache directory."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a run, its device and its precision."""

    name: Literal["torch", "ctranslate2"]
    device: str
    """``cpu``, ``cuda``, ``cuda:N`` or ``mps``."""
    precision: str
    """Type of the weights: ``float32``, ``bfloat16``, ``int8``, ..."""

    @property
    def needs_equal_lengths(self) -> bool:
        """Whether a row's result only stays independent of its batch if all rows have one length.

        Padding changes the last bit of the floating-point numbers between the integer
        products, and rounding to integers amplifies this. With int8 and 4 beams, 8 of 240
        chunks gave other words in mixed batches of 64 rows, and none in batches of one length.
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
    return Generation(tuple(pieces), score, "eos" if finished else "length")


def merge_generations(outputs: Sequence[Generation]) -> Generation:
    """Combine several outputs for one chunk; the score is the mean of their scores."""
    pieces = tuple(piece for output in outputs for piece in output.pieces)
    score = sum(output.score for output in outputs) / len(outputs)
    return Generation(pieces, score, outputs[-1].finish_reason)


Piece: TypeAlias = tuple[int, ...]
"""Token ids between two separators."""


def find_pairs(outputs: Sequence[Generation], special: SpecialIds) -> dict[Piece, int]:
    """Find the pieces that are a question with its answer, in the outputs for one chunk.

    A last piece that was cut off by the length limit is left out.

    Returns:
        The index of the answer separator, by piece.
    """
    pairs = {}
    for output in outputs:
        complete = output.pieces if output.finish_reason == "eos" else output.pieces[:-1]
        for piece in complete:
            places = [index for index, token in enumerate(piece) if token in special.answer_separators]
            if len(places) == 1 and 0 < places[0] < len(piece) - 1:
                pairs[piece] = places[0]
    return pairs


def with_pair_scores(
    outputs: Sequence[Generation], pairs: Mapping[Piece, int], log_probabilities: Iterable[Sequence[float]]
) -> Generation:
    """Combine the outputs for one chunk, and add the scores of their pairs; no piece occurs twice.

    Args:
        outputs: At least one.
        pairs: The result of :func:`find_pairs`.
        log_probabilities: For each pair, in order, those of its tokens, in nats.
    """
    scores = {
        piece: PairScore(sum(tokens[:place]) / place, sum(tokens[place + 1 : len(piece)]))
        for (piece, place), tokens in zip(pairs.items(), log_probabilities, strict=True)
    }
    merged = merge_generations(outputs)
    pieces = tuple(dict.fromkeys(merged.pieces))
    return replace(merged, pieces=pieces, pair_scores=tuple(scores.get(piece) for piece in pieces))
