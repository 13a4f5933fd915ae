"""What runs the model: batches of token ids in, generations out, in the same order.

Which engine it will be is decided without loading it, as a run whose results are all in
the cache never needs one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, Protocol, TypeAlias

from qgbatch.engines.batching import BatchBudget
from qgbatch.records import Generation, InputIds

Batch: TypeAlias = Sequence[InputIds]

CONVERSIONS = "ctranslate2"
"""Directory of converted models in the cache directory."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine, where it runs and in which precision."""

    name: Literal["torch", "ctranslate2"]
    device: str
    """``cpu``, ``cuda``, ``cuda:N`` or ``mps``."""
    precision: str
    """Of the weights: ``float32``, ``bfloat16``, ``int8``, ..."""

    @property
    def needs_equal_lengths(self) -> bool:
        """Whether rows of a batch must be of one length for their results to be theirs alone.

        Integer products are exact, but padding moves the float ones between them in their
        last bit, which rounding to integers makes large: of 240 chunks in int8 with 4
        beams 8 came out with other words in batches of 64, none in batches of one length.
        """
        return self.name == "ctranslate2" and self.precision in ("int8", "int16")


class Engine(Protocol):
    """Runs a model."""

    @property
    def budget(self) -> BatchBudget:
        """What a batch may hold where the settings do not say."""

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order; ``None`` for a row that does not fit into memory.

        A batch may be empty, and so are its generations then. Some batches are taken before
        the results of earlier ones are given.
        """


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Token ids with a meaning of their own."""

    pad: int
    eos: int
    unk: int
    separators: frozenset[int]


def to_generation(ids: Sequence[int], log_probability: float, special: SpecialIds) -> Generation:
    """Split one output at its separators.

    ``ids`` are the generated ids with the end token, if the model wrote it, and without
    start or padding; ``log_probability`` is their sum in nats.
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
    """Several outputs of one chunk as one, whose score is the mean of theirs."""
    pieces = tuple(piece for output in outputs for piece in output.pieces)
    score = sum(output.score for output in outputs) / len(outputs)
    return Generation(pieces, score, outputs[-1].finish_reason)
