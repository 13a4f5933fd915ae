"""Text -> sentences, by nltk's Punkt with parameters that ship in a package.

Punkt decides about full stops alone, so lines that end without one (titles, list
items, blank lines) are told apart here before it is asked.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import punkt
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
from punkt.model.prefixes import with_nonbreaking_prefixes

from qgbatch.settings import Language

BUFFER_CHARS = 10_000
"""Characters that Punkt sees at once.

nltk gives up after five seconds on one text, which a book of some megabytes takes;
on 10,000 characters its slowest inputs ("!? !? ...") took 0.3 s.
"""

_LINE = re.compile(r"[^\n\f\u2029]*[\n\f\u2029]?")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]")
_ITEM = re.compile(r"[ \t]*(?:[-*+\u2022\u2023\u2013|]|\d{1,3}[.)])[ \t]")
_TITLE_CHARS = 80
_ENDS_SENTENCE = re.compile(r"""[.!?:;\u2026\u3002\uff01\uff1f]["')\]\u2019\u201d\u00bb]*$""")
_LAST_WORD = re.compile(r"([^\s.]+)\.$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A span without white space at its ends."""

    start_char: int
    end_char: int
    ends_paragraph: bool = False
    """A blank line or a list item follows: a good place to cut."""
    is_heading: bool = False
    """It announces what follows: a bad place to cut."""


class SentenceSplitter:
    """Splits texts of one language; every character but white space is in exactly one sentence."""

    def __init__(self, language: Language) -> None:
        source = with_nonbreaking_prefixes(punkt.load_model(language), language)
        parameters = PunktParameters()
        parameters.abbrev_types = set(source.abbrev_types)
        parameters.collocations = set(source.collocations)
        parameters.sent_starters = set(source.sent_starters)
        parameters.ortho_context = defaultdict(int, {k: int(v) for k, v in source.ortho_context.items()})
        self._punkt = PunktSentenceTokenizer(parameters)
        self._before_numbers = frozenset(source.numeric_abbrev_types)

    def __call__(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences of a text in order.

        Takes time linear in the text, also where it has no sentence end at all.
        """
        for start, end, ends_paragraph in _blocks(text):
            spans = list(self._spans(text, start, end))
            is_heading = len(spans) == 1 and _is_heading(text[start:end], ends_paragraph)
            for span_start, span_end in spans[:-1]:
                yield Sentence(span_start, span_end)
            yield Sentence(*spans[-1], ends_paragraph and not is_heading, is_heading)

    def _spans(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Sentences of a block, read through a window that moves on from sentence to sentence."""
        while start < end:
            buffer = text[start : min(end, start + BUFFER_CHARS)]
            cuts = self._cuts(buffer)
            if start + len(buffer) < end:
                # What follows the window may belong to its last sentence: read that again.
                cuts = cuts[:-1] or [_last_space(buffer)]
            for previous, cut in pairwise([0, *cuts]):
                if not buffer[previous:cut].isspace():
                    yield _strip(text, start + previous, start + cut)
            start += cuts[-1]

    def _cuts(self, buffer: str) -> list[int]:
        """Offsets where sentences end, the last one being the window's end."""
        try:
            ends = [end for _, end in self._punkt.span_tokenize(buffer)]
        except TimeoutError:  # nltk's guard against slow regular expressions
            ends = []
        cuts = [end for end in ends[:-1] if not self._is_reference(buffer, end)]
        return [*cuts, len(buffer)]

    def _is_reference(self, buffer: str, end: int) -> bool:
        """Whether the full stop belongs to an abbreviation like the one in ``No. 5``."""
        following = buffer[end : end + 20].lstrip()[:1]
        if not following.isdigit():
            return False
        word = _LAST_WORD.search(buffer[max(0, end - 20) : end])
        return word is not None and word[1].lower() in self._before_numbers


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Spans that no sentence crosses, stripped, and whether a paragraph ends with each."""
    start = end = 0
    for line in _LINE.finditer(text):
        content = line[0]
        if not content or content.isspace():
            if end > start:
                yield *_strip(text, start, end), True
            start = end = line.end()
            continue
        heading = _HEADING.match(content)
        if (heading or _ITEM.match(content)) and end > start:
            yield *_strip(text, start, end), True
            start = line.start()
        end = line.end()
        if heading:
            yield *_strip(text, start, end), False
            start = end
    if end > start:
        yield *_strip(text, start, end), True


def _is_heading(block: str, ends_paragraph: bool) -> bool:
    """A Markdown heading, or a short line of its own that does not end like a sentence."""
    if not ends_paragraph:
        return True
    short = len(block) <= _TITLE_CHARS and "\n" not in block
    return short and not _ITEM.match(block) and not _ENDS_SENTENCE.search(block)


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _last_space(buffer: str) -> int:
    """Offset behind the last white space in the second half of a window, else its end."""
    for index in range(len(buffer) - 1, len(buffer) // 2, -1):
        if buffer[index].isspace():
            return index + 1
    return len(buffer)
