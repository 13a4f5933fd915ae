"""Turns text into the token ids that a model was trained on, and ids back into text.

All tokenization for question generation happens here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qgbatch.errors import ModelError, name_setting
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.models.known_models import ModelMetadata
from qgbatch.models.tokenizer_files import (
    damage_as_model_error,
    find_tokenizer,
    open_hf_tokenizer,
    open_tokenizer,
    tokenizer_directory,
)
from qgbatch.models.tokenizer_json import OpenTokenizer
from qgbatch.records import InputIds

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

_Text = TypeVar("_Text", str, str | None)

SPACE = "\u2581"
"""The character that sentencepiece uses for a space."""
_WORD = re.compile(r"[^\W\d_]+")
"""A run of letters."""


def load_tokenizer(
    model: ModelFiles, tokenizer_name: str | None = None, *, embedding_grows: bool = False
) -> PromptTokenizer:
    """Load the tokenizer of a model, and add the separators that the vocabulary lacks.

    Args:
        model: The model.
        tokenizer_name: A directory or hub id; see :func:`find_tokenizer`.
        embedding_grows: Whether the caller will resize the model's embedding matrix, so that
            the tokenizer may have more tokens than the matrix has rows.

    Raises:
        ModelError: There is no tokenizer, or it has more tokens than the embedding matrix has rows.
    """
    tokenizer = _make_tokenizer(find_tokenizer(model, tokenizer_name), model.metadata)
    if tokenizer.vocab_size > model.vocab_size and not embedding_grows:
        raise ModelError(
            f"{model.name}: the tokenizer has {tokenizer.vocab_size} tokens (with "
            f"{model.metadata.separator}), but the model's embedding only has {model.vocab_size} rows.",
            f"The tokenizer belongs to another model: give the right one with {name_setting('tokenizer')}.",
        )
    return tokenizer


def load_new_tokenizer(tokenizer_name: str, metadata: ModelMetadata) -> PromptTokenizer:
    """Load a tokenizer, given as a directory or hub id, for a model that will be created.

    Raises:
        ModelError: There is no such tokenizer, or it is damaged.
    """
    return _make_tokenizer(tokenizer_directory(tokenizer_name, "a new model"), metadata)


def _make_tokenizer(directory: Path, metadata: ModelMetadata) -> PromptTokenizer:
    tokenizer = open_tokenizer(directory)
    with damage_as_model_error(directory):
        return PromptTokenizer(directory, tokenizer, metadata)


def _token_id(backend: Tokenizer, token: str) -> int:
    """Return the id of a special token."""
    token_id = backend.token_to_id(token)
    if token_id is None:
        raise KeyError(token)
    return token_id


def _token_ids(backend: Tokenizer, token: str | None) -> frozenset[int]:
    """Return the ids of a token, with and without a space before it; none for ``None``."""
    forms = () if token is None else (token, SPACE + token)
    ids = map(backend.token_to_id, forms)
    return frozenset(token_id for token_id in ids if token_id is not None)


def source_text(context: str, metadata: ModelMetadata, before: str = "") -> str:
    """Return the model's input for a text, without the tokenizer's end token.

    Args:
        context: The text to ask about.
        metadata: The model's prompt.
        before: The text before it, for a model that reads it.
    """
    if before and metadata.context_separator:
        context = f"{before} {metadata.context_separator} {context}"
    return f"{metadata.prefix}{context}{metadata.suffix}"


def target_text(
    questions: Sequence[str], metadata: ModelMetadata, answers: Sequence[str | None] = ()
) -> str:
    """Return the output that a model should write, without the tokenizer's end token.

    This is each question followed by a separator. If the model writes answers and they are given, it
    is ``Q1 <ans> A1 <sep> Q2 <ans> A2`` instead.

    Args:
        questions: The questions about a text.
        metadata: The separators of the model.
        answers: The answer of each question; ``None`` for a question without an answer.
    """
    if answers and metadata.answer_separator:
        pairs = (
            question if answer is None else f"{question} {metadata.answer_separator} {answer}"
            for question, answer in zip(questions, answers, strict=True)
        )
        return f" {metadata.separator} ".join(pairs)
    joined = "".join(f"{question} {metadata.separator} " for question in questions)
    return joined.rstrip() + metadata.suffix


def _added_tokens(tokens: Iterable[str]) -> list[AddedToken]:
    """Return tokens to add to a vocabulary, without normalization, which could replace characters."""
    from tokenizers import AddedToken

    return [AddedToken(token, normalized=False) for token in tokens]


class PromptTokenizer:
    """A tokenizer with the prompt and the separator of a model; it has all tokens of the metadata."""

    def __init__(self, directory: Path, tokenizer: OpenTokenizer, metadata: ModelMetadata) -> None:
        self._directory = directory
        self._metadata = metadata
        self._backend = backend = tokenizer.backend
        backend.no_padding()
        backend.no_truncation()  # chunking keeps inputs below the limit
        self._missing = [token for token in metadata.tokens if not _token_ids(backend, token)]
        backend.add_tokens(_added_tokens(self._missing))
        self.vocab_size: int = backend.get_vocab_size()
        added = {token.content for token in backend.get_added_tokens_decoder().values()}
        tokens = sorted({tokenizer.eos, *added}, key=len, reverse=True)
        self._spelled_out = re.compile("|".join(map(re.escape, tokens)))
        has_separator = metadata.output_format.has_separator
        self.separator_ids = _token_ids(backend, metadata.separator if has_separator else None)
        self.answer_separator_ids = _token_ids(backend, metadata.answer_separator)
        self.reads_text_before = metadata.context_separator is not None
        self.pad_id = _token_id(backend, tokenizer.pad)
        self.eos_id = _token_id(backend, tokenizer.eos)
        self.unk_id = _token_id(backend, tokenizer.unk)
        self.n_prompt_tokens = len(self.encode([""])[0])
        self._is_unknown = cache(self._lacks)

    @cached_property
    def hf_tokenizer(self) -> PreTrainedTokenizerBase:
        """The same tokenizer as an object of transformers, for training."""
        tokenizer = open_hf_tokenizer(self._directory)
        tokenizer.add_tokens(_added_tokens(self._missing))
        return tokenizer

    def encode(self, texts: Sequence[str], before: Sequence[str] = ()) -> list[InputIds]:
        """Return the input ids of each text with its prompt and end token, without truncation.

        Args:
            texts: The texts to ask about.
            before: The text before each of them, if the model reads it.
        """
        pairs = zip(self._as_text(texts), self._as_text(before or [""] * len(texts)), strict=True)
        return self._encode([source_text(text, self._metadata, earlier) for text, earlier in pairs])

    def encode_targets(
        self,
        questions: Sequence[Sequence[str]],
        answers: Sequence[Sequence[str | None]] | None = None,
    ) -> list[InputIds]:
        """Return the target ids of each text with the end token, without truncation.

        Args:
            questions: The questions about each text.
            answers: Their answers; ignored if the model writes no answers.
        """
        questions = [self._as_text(asked) for asked in questions]
        if answers is None or self._metadata.answer_separator is None:
            return self._encode([target_text(asked, self._metadata) for asked in questions])
        rows = zip(questions, map(self._as_text, answers), strict=True)
        texts = [target_text(asked, self._metadata, given) for asked, given in rows]
        # T5's tokenizer turns the space before an added token into a token of its own.
        for token in (self._metadata.separator, self._metadata.answer_separator):
            texts = [text.replace(f" {token}", token) for text in texts]
        return self._encode(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without prompt and end token."""
        encodings = self._backend.encode_batch_fast(self._as_text(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encodings]

    def token_ends(self, text: str) -> list[int]:
        """Return the offsets, in code points, at which the tokens of a text end, ascending."""
        (text,) = self._as_text([text])
        return [end for _, end in self._backend.encode(text, add_special_tokens=False).offsets]

    def unknown_share(self, text: str) -> float:
        """Return the share of a text's letters that are in words with an unknown letter, 0 to 1.

        A few letters that the tokenizer lacks make all words around them unreadable: T5's
        tokenizer knows four of five letters of Russian text, but only two of five words.
        """
        unknown = {char for char in set(text) if char.isalpha() and self._is_unknown(char)}
        if not unknown:
            return 0.0
        words = _WORD.findall(text)
        n_unknown = sum(len(word) for word in words if not unknown.isdisjoint(word))
        return n_unknown / sum(map(len, words))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of generated ids, without special tokens except the answer separator."""
        at = next((i for i, token in enumerate(ids) if token in self.answer_separator_ids), None)
        if at is None:
            return self._backend.decode(list(ids), skip_special_tokens=True)
        parts = (ids[:at], ids[at + 1 :])
        question, answer = (self._backend.decode(list(p), skip_special_tokens=True) for p in parts)
        return f"{question} {self._metadata.answer_separator} {answer}"

    def _as_text(self, texts: Sequence[_Text]) -> list[_Text]:
        """Break up tokens such as ``</s>`` that texts spell out, so that they are read as text.

        The length of a text does not change. SentencePiece turns the replacement character into a space.
        """
        return [
            text and self._spelled_out.sub(lambda token: f"\ufffd{token[0][1:]}", text) for text in texts
        ]

    def _lacks(self, letter: str) -> bool:
        """Return whether a letter becomes the unknown token.

        Letters are tried one by one, because a run of unknown letters becomes a single token.
        """
        return self.unk_id in self._backend.encode(letter, add_special_tokens=False).ids

    def _encode(self, texts: Sequence[str]) -> list[InputIds]:
        encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=True)
        return [tuple(encoding.ids) for encoding in encodings]
