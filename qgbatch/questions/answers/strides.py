"""Cuts pairs of question and context into overlapping strides of tokens that fit the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from qgbatch.errors import ModelError
from qgbatch.models.tokenizer_files import open_hf_tokenizer

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from transformers import PreTrainedTokenizerBase

MAX_STRIDE_TOKENS = 384
"""Maximum length of a stride. Most published models were trained with it, even if they can read
longer inputs."""
OVERLAP_TOKENS = 128
"""Context tokens that a stride shares with the next one, so that an answer is whole in one of them."""
_MIN_STRIDE_TOKENS = 32


@dataclass(frozen=True)
class ModelLimits:
    """The sizes of a model's input."""

    max_tokens: int
    vocab_size: int
    n_types: int
    """Number of token types (segments) that the model distinguishes; 0 or 1 if it has none."""


@dataclass(frozen=True)
class Stride:
    """One input of the model: special tokens, a question, and a span of its context."""

    pair_index: int
    """Index of the pair of question and context."""
    context: str
    """The whole context."""
    encoding: Encoding

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.encoding)

    @property
    def input_ids(self) -> list[int]:
        """The id of each token."""
        return self.encoding.ids

    @property
    def type_ids(self) -> list[int]:
        """The type (segment) of each token."""
        return self.encoding.type_ids

    @cached_property
    def in_context(self) -> list[bool]:
        """Whether each token belongs to the context."""
        return [sequence == 1 for sequence in self.encoding.sequence_ids]

    @cached_property
    def can_end(self) -> list[bool]:
        """Whether each token can be the last one of an answer: it is in the context and not blank."""
        pairs = zip(self.in_context, self.encoding.offsets, strict=True)
        return [inside and bool(self.context[start:end].strip()) for inside, (start, end) in pairs]

    def offsets(self, first: int, last: int) -> tuple[int, int]:
        """Return where tokens ``first`` to ``last`` start and end in the context, in code points."""
        return self.encoding.offsets[first][0], self.encoding.offsets[last][1]


class StrideMaker:
    """Makes strides with a model's tokenizer.

    Raises:
        ModelError: The tokenizer is damaged, has no offsets, or belongs to another model.
    """

    def __init__(self, directory: Path, limits: ModelLimits) -> None:
        self._directory = directory
        tokenizer = _open_fast(directory)
        self._backend: Tokenizer = tokenizer.backend_tokenizer
        advised = tokenizer.model_max_length
        self._max_tokens = min(limits.max_tokens, MAX_STRIDE_TOKENS)
        if isinstance(advised, int):
            self._max_tokens = min(self._max_tokens, advised)
        self._check(limits)
        # "[SEP]" in a document is text. Unigram vocabularies still have it as a word.
        self._backend.encode_special_tokens = True
        self._backend.no_padding()

    def make(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[Stride], int]:
        """Cut pairs of question and context into strides.

        Returns:
            The strides in the order of the pairs, and the number of pairs without a stride
            because their question is too long.
        """
        self._backend.no_truncation()
        questions = self._backend.encode_batch([pair[0] for pair in pairs], add_special_tokens=False)
        fitting = [i for i, question in enumerate(questions) if len(question) <= self._max_tokens // 2]
        # tokenizers panics if a question leaves fewer tokens than the overlap.
        self._backend.enable_truncation(
            self._max_tokens, stride=min(OVERLAP_TOKENS, self._max_tokens // 3), strategy="only_second"
        )
        encodings = self._backend.encode_batch([pairs[index] for index in fitting])
        strides = [
            Stride(index, pairs[index][1], piece)
            for index, encoding in zip(fitting, encodings, strict=True)
            for piece in (encoding, *encoding.overflowing)
        ]
        return strides, len(pairs) - len(fitting)

    def _check(self, limits: ModelLimits) -> None:
        """Check that the tokenizer's output fits the model's input."""
        self._backend.no_truncation()
        encoding = self._backend.encode("a", "b")
        n_special = self._backend.num_special_tokens_to_add(True)
        ids = {*self._backend.get_vocab().values(), *encoding.ids}
        problem = ""
        if max(ids) >= limits.vocab_size or 2 * len(ids) < limits.vocab_size:
            # Without a vocabulary, transformers creates a tokenizer of five tokens.
            problem = f"it has {len(ids)} tokens, the model {limits.vocab_size}"
        elif limits.n_types > 1 and max(encoding.type_ids) >= limits.n_types:
            problem = f"it uses more segments than the model has ({limits.n_types})"
        elif encoding.sequence_ids[:1] != [None]:
            problem = "it adds no token before the question, which represents no answer"
        elif self._max_tokens < _MIN_STRIDE_TOKENS or n_special > self._max_tokens // 8:
            problem = f"{self._max_tokens} tokens are too few for text, {n_special} of them are special"
        if problem:
            raise ModelError(
                f"{self._directory}: the tokenizer does not fit the model: {problem}.",
                "Get the checkpoint again.",
            )


def _open_fast(directory: Path) -> PreTrainedTokenizerBase:
    """Load a fast tokenizer, which reports the offset of each token."""
    try:
        tokenizer = open_hf_tokenizer(directory)
    except ModelError as error:  # its hint can name an option for T5 tokenizers only
        raise ModelError(error.message, "Get the checkpoint again.") from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"{directory}: {type(tokenizer).__name__} does not report where its tokens are in the text.",
            "Give a checkpoint with a fast tokenizer (tokenizer.json).",
        )
    return tokenizer
