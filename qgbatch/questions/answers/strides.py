"""Question and context -> windows of tokens that the model can read."""

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
"""What the published models were trained on, mostly, where they could read more."""
STRIDE_TOKENS = 128
"""What a window has in common with the next one, so that an answer is whole in one of them."""
_MIN_WINDOW_TOKENS = 32


@dataclass(frozen=True)
class ModelLimits:
    """What a model can take."""

    max_tokens: int
    vocab_size: int
    n_types: int
    """Kinds of segments that it tells apart, 0 or 1 if none."""


@dataclass(frozen=True)
class Stride:
    """Special tokens, a question, and a stretch of its context."""

    pair_index: int
    context: str
    encoding: Encoding

    def __len__(self) -> int:
        return len(self.encoding)

    @property
    def input_ids(self) -> list[int]:
        """One id a token."""
        return self.encoding.ids

    @property
    def type_ids(self) -> list[int]:
        """Which segment each token is of."""
        return self.encoding.type_ids

    @cached_property
    def in_context(self) -> list[bool]:
        """Which tokens are of the context."""
        return [sequence == 1 for sequence in self.encoding.sequence_ids]

    @cached_property
    def can_end(self) -> list[bool]:
        """Which tokens may be an answer's last: those of the context that are not blank."""
        pairs = zip(self.in_context, self.encoding.offsets, strict=True)
        return [inside and bool(self.context[start:end].strip()) for inside, (start, end) in pairs]

    def offsets(self, first: int, last: int) -> tuple[int, int]:
        """Where in the context, in code points, tokens begin and end; both are included."""
        return self.encoding.offsets[first][0], self.encoding.offsets[last][1]


class StrideMaker:
    """A model's tokenizer, as far as it fits the model.

    Raises:
        ModelError: it is damaged, has no offsets, or is another model's.
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
        # A document's "[SEP]" is text (but for a unigram vocabulary, which has it as a word, too).
        self._backend.encode_special_tokens = True
        self._backend.no_padding()

    def make(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[Stride], int]:
        """Windows of the pairs, in order, and how many pairs have none: their question is too long."""
        self._backend.no_truncation()
        questions = self._backend.encode_batch([pair[0] for pair in pairs], add_special_tokens=False)
        fitting = [i for i, question in enumerate(questions) if len(question) <= self._max_tokens // 2]
        # Where a question leaves less room than the stride, tokenizers panics.
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
        """See that what the tokenizer gives is what the model takes."""
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
        elif self._max_tokens < _MIN_WINDOW_TOKENS or n_special > self._max_tokens // 8:
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
