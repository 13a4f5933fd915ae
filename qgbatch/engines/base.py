"""The protocol of an engine, which runs a model on batches of token ids.

The engine is chosen without loading it, because a run whose results are all in the cache
needs no engine.
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
