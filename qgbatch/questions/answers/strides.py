"""Splits a question and its context into overlapping strides that fit the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from qgbatch.errors import ModelError
from qgbatch.models.tokenizer import open_tokenizer

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from transformers import PreTrainedTokenizerBase

MAX_WINDOW_TOKENS = 384
"""Length in tokens that most published models were trained with, though they accept more."""
STRIDE_TOKENS = 128
"""Overlap of two neighbouring strides in tokens, so that one of them contains the whole answer."""
_MIN_STRIDE_TOKENS = 32


@dataclass(frozen=True)
class ModelLimits:
    """The sizes that a model accepts."""

    max_tokens: int
    vocab_size: int
    n_types: int
    """Number of segment types; 0 or 1 if the model does not use them."""


@dataclass(frozen=True)
class Stride:
    """Special tokens, a question, and a span of its context."""

    pair_index: int
    context: str
    encoding: Encoding

    def __len__(self) -> int:
        return len(self.encoding)

    @property
    def input_ids(self) -> list[int]:
        """The id of each token."""
        return self.encoding.ids

    @property
    def type_ids(self) -> list[int]:
        """The segment of each token."""
        return self.encoding.type_ids

    @cached_property
    def in_context(self) -> list[bool]:
        """Whether each token belongs to the context."""
        return [sequence == 1 for sequence in self.encoding.sequence_ids]

    @cached_property
    def can_end(self) -> list[bool]:
        """Whether each token can end an answer: it belongs to the context and is not blank."""
        pairs = zip(self.in_context, self.encoding.offsets, strict=True)
        return [inside and bool(self.context[start:end].strip()) for inside, (start, end) in pairs]

    def offsets(self, first: int, last: int) -> tuple[int, int]:
        """Return the offsets of tokens ``first`` to ``last`` in the context, in code points, half open."""
        return self.encoding.offsets[first][0], self.encoding.offsets[last][1]


class StrideMaker:
    """Makes strides with the tokenizer of a model.

    Raises:
        ModelError: The tokenizer is damaged, has no offsets, or does not fit the model.
    """

    def __init__(self, directory: Path, limits: ModelLimits) -> None:
        self._directory = directory
        tokenizer = _open_fast(directory)
        self._backend: Tokenizer = tokenizer.backend_tokenizer
        advised = tokenizer.model_max_length
        self._max_tokens = min(limits.max_tokens, MAX_WINDOW_TOKENS)
        if isinstance(advised, int):
            self._max_tokens = min(self._max_tokens, advised)
        self._check(limits)
        # A document's "[SEP]" is text, except for a unigram vocabulary, which also has it as a word.
        self._backend.encode_special_tokens = True
        self._backend.no_padding()

    def make(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[Stride], int]:
        """Return the strides of all pairs in order, and the number of pairs whose question is too long."""
        self._backend.no_truncation()
        questions = self._backend.encode_batch([pair[0] for pair in pairs], add_special_tokens=False)
        fitting = [i for i, question in enumerate(questions) if len(question) <= self._max_tokens // 2]
        # The tokenizers library panics if a question leaves less space than the stride.
        self._backend.enable_truncation(
            self._max_tokens, stride=min(STRIDE_TOKENS, self._max_tokens // 3), strategy="only_second"
        )
        encodings = self._backend.encode_batch([pairs[index] for index in fitting])
        strides = [
            Stride(index, pairs[index][1], part)
            for index, encoding in zip(fitting, encodings, strict=True)
            for part in (encoding, *encoding.overflowing)
        ]
        return strides, len(pairs) - len(fitting)

    def _check(self, limits: ModelLimits) -> None:
        """Check that the model accepts what the tokenizer produces."""
        self._backend.no_truncation()
        encoding = self._backend.encode("a", "b")
        n_special = self._backend.num_special_tokens_to_add(True)
        ids = {*self._backend.get_vocab().values(), *encoding.ids}
        problem = ""
        if max(ids) >= limits.vocab_size or 2 * len(ids) < limits.vocab_size:
            # transformers makes one of five tokens where it finds no vocabulary.
            problem = f"it has {len(ids)} tokens, the model {limits.vocab_size}"
        elif limits.n_types > 1 and max(encoding.type_ids) >= limits.n_types:
            problem = f"it has more segments than the model, {limits.n_types}"
        elif encoding.sequence_ids[:1] != [None]:
            problem = "it puts no token before the question, to stand for no answer"
        elif self._max_tokens < _MIN_STRIDE_TOKENS or n_special > self._max_tokens // 8:
            problem = f"there is no room for text in {self._max_tokens} tokens, {n_special} of them special"
        if problem:
            raise ModelError(
                f"{self._directory}: the tokenizer does not fit the model: {problem}.",
                "Get the checkpoint again.",
            )


def _open_fast(directory: Path) -> PreTrainedTokenizerBase:
    try:
        tokenizer = open_tokenizer(directory)
    except ModelError as error:  # whose hint may be an option for T5's tokenizers
        raise ModelError(error.message, "Get the checkpoint again.") from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"{directory}: {type(tokenizer).__name__} does not tell where in the text its tokens are.",
            "Give a checkpoint with a fast tokenizer (tokenizer.json).",
        )
    return tokenizer
