"""Texts -> token ids, each word tokenized once.

T5's tokenizers split at white space before all else, so a text's ids are those of its
words in turn, and a look into a table of words is many times faster than the tokenizer.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qgbatch.records import InputIds

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_MAX_WORDS = 1 << 16
"""Words in the table, which is begun anew when it is full, so that its memory is bounded."""
_MAX_WORD_CHARS = 64
"""What is longer is hardly a word that comes again."""
_ODD_SPACE = re.compile(r"[^\S \n\t]")
"""White space that tokenizers may not know as such, or not alone."""
_EXTENDING = {"Mn", "Mc", "Me", "Cf", "Sk"}
"""Categories of characters that may belong to the one before them, a space too."""


class Words:
    """A tokenizer with a table of the words that it has seen.

    A tokenizer that does not split at white space is asked for every text, and so is any
    for a text with something in it that may reach across white space.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, InputIds] = {}
        self._splits = _splits_at_spaces(tokenizer)

    def parts(self, texts: Sequence[str]) -> list[list[InputIds]]:
        """Ids of each text in parts that make it up, without special tokens at its ends."""
        words = [self._words(text) for text in texts]
        rest = iter(self._encode([text for text, its in zip(texts, words, strict=True) if its is None]))
        self._learn({word for its in words if its for word in its})
        ids = self._ids
        return [[next(rest)] if its is None else [ids[word] for word in its] for its in words]

    def _words(self, text: str) -> list[str] | None:
        """The words of a text, or ``None`` where it is not sure to be made of them alone."""
        if not self._splits or _ODD_SPACE.search(text):
            return None
        words = text.split()
        if text.isascii():
            is_safe = not words or len(max(words, key=len)) <= _MAX_WORD_CHARS
        else:
            is_safe = all(
                len(word) <= _MAX_WORD_CHARS and unicodedata.category(word[0]) not in _EXTENDING
                for word in words
            )
        return words if is_safe else None

    def _learn(self, words: set[str]) -> None:
        unknown = sorted(word for word in words if word not in self._ids)
        if len(self._ids) + len(unknown) > _MAX_WORDS:
            self._ids.clear()
            unknown = sorted(words)
        self._ids.update(zip(unknown, self._encode(unknown), strict=True))

    def _encode(self, texts: Sequence[str]) -> list[InputIds]:
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [tuple(encoding.ids) for encoding in encoded]


def _splits_at_spaces(tokenizer: Tokenizer) -> bool:
    """Whether no token reaches across white space, as with all tokenizers made for T5."""
    if tokenizer.pre_tokenizer is None:
        return False
    state = json.loads(tokenizer.pre_tokenizer.__getstate__())
    steps = state["pretokenizers"] if state["type"] == "Sequence" else [state]
    return bool(steps) and steps[0]["type"] == "WhitespaceSplit"
