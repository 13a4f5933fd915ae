"""The text before a chunk, which tells a model who "he" is and what the chunk is about."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qgbatch.chunking.sentences import Sentence

MAX_WORDS = 45
"""Maximum length of the sentences before a chunk. The built-in model was trained with this length."""
MAX_CHARS = 500
"""Maximum length of the sentences, and of the heading; text without spaces has few words."""
_KEPT_SENTENCES = 8_192
"""Sentences to remember; above the number that chunking reads before it yields their chunk."""
_MARKUP = re.compile(r"^[#\s]+")


class TextBefore:
    """Remembers the sentences of a document as they are split, to find the text before each chunk.

    Args:
        text: The text of the document.
        split_sentences: Splits it.
    """

    def __init__(self, text: str, split_sentences: Callable[[str], Iterable[Sentence]]) -> None:
        self._text = text
        self._split_sentences = split_sentences
        self._sentences: deque[int] = deque(maxlen=_KEPT_SENTENCES)
        self._headings: deque[tuple[int, int]] = deque(maxlen=_KEPT_SENTENCES)

    def split_sentences(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences of the document, and remember where they are."""
        for sentence in self._split_sentences(text):
            if sentence.is_heading:
                self._headings.append((sentence.start_char, sentence.end_char))
            else:
                self._sentences.append(sentence.start_char)
            yield sentence

    def find(self, start_char: int) -> str:
        """Return the last heading before an offset, and the sentences between it and the offset.

        The last sentences are returned, with at most :data:`MAX_WORDS` words and :data:`MAX_CHARS`
        characters. White space becomes single spaces, and the heading ends with a full stop.
        """
        headings = (span for span in reversed(self._headings) if span[1] <= start_char)
        start, end = next(headings, (0, 0))
        first = start_char
        for sentence in reversed(self._sentences):
            if sentence < end or start_char - sentence > MAX_CHARS:
                break
            if len(self._text[sentence:start_char].split()) > MAX_WORDS:
                break
            first = min(first, sentence)
        heading = _MARKUP.sub("", self._text[start : min(end, start + MAX_CHARS)]).strip()
        title = f"{heading}. " if heading else ""
        return " ".join((title + self._text[first:start_char]).split())
