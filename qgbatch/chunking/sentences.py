"""Splits text into sentences with nltk's Punkt, whose parameters come in a package.

Punkt only decides whether a full stop ends a sentence. Headings, list items and blank lines
end without a full stop, so the text is divided into blocks at these lines before Punkt reads it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import punkt
from punkt.model.prefixes import with_nonbreaking_prefixes

from qgbatch.chunking.punkt import PunktParameters, PunktSentenceTokenizer
from qgbatch.settings import Language

BUFFER_CHARS = 10_000
"""Maximum number of characters that Punkt reads in one call.

nltk stops with an error after five seconds in one call, and a book of several megabytes takes
longer. The slowest inputs found ("!? !? ...") took 0.3 s for 10,000 characters.
"""

_LINE = re.compile(r"[^\n\f\u2029]*[\n\f\u2029]?")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+\u2022\u2023\u2013|]|\d{1,3}[.)])[ \t]")
_TURN = re.compile(
    r"[ \t]*(?:[\[(]\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]|\d{1,2}:\d{2}:\d{2}"
    r"|[A-Z][A-Z .'-]{1,40}\d{0,3}:\s)"
)
"""A turn of a transcript begins with a time or with the speaker's name in capitals."""
_UNDERLINE = re.compile(r"[ \t]*([=~*#_-])\1{2,}[ \t]*$")
_PAGE_BREAK = re.compile(r"[ \t\n]{0,9}\f[ \t\n\f]{0,9}")
_SECTION_NUMBER = re.compile(r"[ \t]*(?:\d{1,2}(?:\.\d{1,2}){0,3}[.)]?|[IVXLC]{1,7}[.)])[ \t]+")
_MAX_HEADING_CHARS = 80
"""Maximum length of a line without Markdown markup that still counts as a heading."""
_MIN_LAST_WORD_CHARS = 4
"""A line that ends with a shorter word in small letters ("of", "the") is no title."""
_MAX_NEXT_LINE_CHARS = 200
_ENDS_SENTENCE = re.compile(r"""[.!?:;\u2026\u3002\uff01\uff1f]["')\]\u2019\u201d\u00bb]*$""")
_STOP_OF_OTHER_SCRIPTS = re.compile(
    "[\u3002\uff01\uff1f\uff61\u0964\u0965\u061f\u06d4\u0589\u1362\u104b]++"
    "[\"')\\]\u2019\u201d\u300d\u300f\uff09\u300b\u3009\u3011]*+"
    "(?!\u3068|\u3063\u3066)"  # Japanese: the sentence goes on with "he said"
)
"""A stop that Punkt does not know, because no space follows it or its script has its own."""
_STOP_WITHOUT_SPACE = re.compile(
    r"(?<!\S)[\"'(\u201c\u2018]*[^\W\d_]['\u2019\w-]*[a-z\u00df-\u00ff][.!?][\"')\u201d\u2019]*"
    r"(?=[\"'(\u201c\u2018]*([^\W\d_]+)[\s,;:])"
)
_ABBREVIATIONS = ("al", "eq", "eqs", "fig", "figs", "refs")
"""Abbreviations of science that the parameters of some languages lack."""
_BEGINS_WITH_CAPITAL = 1 << 1
_SMALL_INSIDE = 1 << 5
"""What Punkt has seen of a word: a capital letter at the start of sentences, a small one inside them."""
_LAST_WORD = re.compile(r"([^\s.]+)\.$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A span of text that neither starts nor ends with white space."""

    start_char: int
    end_char: int
    ends_paragraph: bool = False
    """Whether a blank line or a list item follows, which makes this a good place to cut."""
    is_heading: bool = False
    """Whether this introduces the text that follows, which makes this a bad place to cut."""


class SentenceSplitter:
    """Splits texts of one language; every character except white space is in exactly one sentence."""

    def __init__(self, language: Language) -> None:
        source = with_nonbreaking_prefixes(punkt.load_model(language), language)
        parameters = PunktParameters()
        parameters.abbrev_types = {*source.abbrev_types, *_ABBREVIATIONS}
        parameters.collocations = set(source.collocations)
        parameters.sent_starters = set(source.sent_starters)
        parameters.ortho_context = defaultdict(int, {k: int(v) for k, v in source.ortho_context.items()})
        self._punkt = PunktSentenceTokenizer(parameters)
        self._numeric_abbreviations = frozenset(source.numeric_abbrev_types)

    def __call__(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences of a text in order.

        Takes time linear in the length of the text, even if the text has no sentence end.
        """
        for start, end, ends_paragraph in _blocks(text):
            is_short_heading = not ends_paragraph and end - start <= _MAX_HEADING_CHARS
            spans = [(start, end)] if is_short_heading else list(self._spans(text, start, end))
            is_heading = len(spans) == 1 and _is_heading(text[start:end], ends_paragraph)
            for span_start, span_end in spans[:-1]:
                yield Sentence(span_start, span_end)
            yield Sentence(*spans[-1], ends_paragraph and not is_heading, is_heading)

    def _spans(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the sentences of a block, which is read in buffers that start at sentence starts."""
        while start < end:
            buffer = text[start : min(end, start + BUFFER_CHARS)]
            cuts = self._cuts(buffer)
            if start + len(buffer) < end:
                # The last sentence may continue after the buffer, so the next buffer starts with it.
                cuts = cuts[:-1] or [_last_space(buffer)]
            for previous, cut in pairwise([0, *cuts]):
                if not buffer[previous:cut].isspace():
                    yield _strip(text, start + previous, start + cut)
            start += cuts[-1]

    def _cuts(self, buffer: str) -> list[int]:
        """Return the offsets at which sentences end; the last one is the end of the buffer."""
        try:
            ends = [end for _, end in self._punkt.span_tokenize(buffer)]
        except TimeoutError:  # nltk limits the time of its regular expressions
            ends = []
        cuts = {end for end in ends[:-1] if not self._is_reference(buffer, end)}
        cuts.update(stop.end() for stop in _STOP_OF_OTHER_SCRIPTS.finditer(buffer))
        cuts.update(s.end() for s in _STOP_WITHOUT_SPACE.finditer(buffer) if self._begins_sentence(s[1]))
        return sorted(cuts | {len(buffer)})

    def _begins_sentence(self, word: str) -> bool:
        """Return whether a word begins sentences, and has its capital letter for no other reason.

        ``threading.Thread`` is one word; ``the town.These traders`` are two sentences.
        """
        uses = self._punkt._params.ortho_context.get(word.lower(), 0)
        return word.istitle() and bool(uses & _BEGINS_WITH_CAPITAL) and bool(uses & _SMALL_INSIDE)

    def _is_reference(self, buffer: str, end: int) -> bool:
        """Return whether a full stop belongs to an abbreviation before a number, as in ``No. 5``."""
        following = buffer[end : end + 20].lstrip()[:1]
        if not following.isdigit():
            return False
        word = _LAST_WORD.search(buffer[max(0, end - 20) : end])
        return word is not None and word[1].lower() in self._numeric_abbreviations


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield spans that no sentence crosses, stripped, and whether each one ends a paragraph."""
    start = end = page_break_end = 0
    for line in _LINE.finditer(text):
        content = line[0]
        if not content or content.isspace():
            page_break_end = max(page_break_end, _end_of_page_break(text, start, end, line.start()))
            if line.end() <= page_break_end:
                continue
            if end > start:
                yield *_strip(text, start, end), True
            start = end = line.end()
            continue
        is_item = _LIST_ITEM.match(content)
        may_be_title = end == start or is_item or _is_complete(text, start, end)
        heading = _HEADING.match(content) or (
            may_be_title and _is_title(text, line.start(), line.end(), is_first=end == start)
        )
        is_second = end > start and text.find("\n", start, end - 1) < 0
        underlines = is_second and _UNDERLINE.match(content)
        if end > start and (heading or is_item or _TURN.match(content)):
            yield *_strip(text, start, end), True
            start = line.start()
        end = line.end()
        if heading or underlines:
            yield *_strip(text, start, end), False
            start = end
    if end > start:
        yield *_strip(text, start, end), True


def _end_of_page_break(text: str, start: int, end: int, blank: int) -> int:
    """Return where a sentence goes on after the form feed in it, or 0 if there is none.

    Args:
        text: The text.
        start: The start of the block before the blank line.
        end: The end of this block.
        blank: The start of the blank line.
    """
    page_break = _PAGE_BREAK.match(text, blank)
    if not page_break or end == start or not text[page_break.end() : page_break.end() + 1].islower():
        return 0
    return 0 if _ends_sentence(text, start, end) else page_break.end()


def _ends_sentence(text: str, start: int, end: int) -> bool:
    """Return whether a span ends like a sentence."""
    return _ENDS_SENTENCE.search(text[max(start, end - 20) : end].rstrip()) is not None


def _is_complete(text: str, start: int, end: int) -> bool:
    """Return whether a title may follow a span: it ends a sentence, or is itself a title in capitals."""
    is_in_capitals = end - start <= _MAX_HEADING_CHARS and text[start:end].isupper()
    return is_in_capitals or _ends_sentence(text, start, end)


def _is_title(text: str, start: int, end: int, *, is_first: bool) -> bool:
    """Return whether a line is a title: the next line could have begun on it, but does not.

    A title is in capitals or numbered, or it is the first line of its block and less than half as
    long as the next line. Verses have short lines too, but no capitals and no numbers.
    """
    line = text[start:end].strip()
    following = text[end : end + _MAX_NEXT_LINE_CHARS].partition("\n")[0].strip()
    number = _SECTION_NUMBER.match(line)
    words = line[number.end() :] if number else line
    if (
        len(line) > _MAX_HEADING_CHARS
        or not (words[:1].isupper() and following[:1].isupper())
        or line.endswith((",", "-"))
        or (line.split()[-1].islower() and len(line.split()[-1]) < _MIN_LAST_WORD_CHARS)
        or _ENDS_SENTENCE.search(line)
    ):
        return False
    if words.isupper() and len(words) > 1:
        return not following.isupper()
    if number:
        return len(line) + len(following.split()[0]) < len(following)
    return is_first and len(following) > 2 * len(line)


def _is_heading(block: str, ends_paragraph: bool) -> bool:
    """Return whether a block is a Markdown heading, or one short line that does not end like a sentence."""
    if not ends_paragraph:
        return True
    short = len(block) <= _MAX_HEADING_CHARS and "\n" not in block
    return short and not _LIST_ITEM.match(block) and not _ENDS_SENTENCE.search(block)


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    """Shrink a span so that it neither starts nor ends with white space."""
    content = text[start:end]
    return start + len(content) - len(content.lstrip()), end - len(content) + len(content.rstrip())


def _last_space(buffer: str) -> int:
    """Return the offset after the last white space in the second half of a buffer, else its end."""
    for index in range(len(buffer) - 1, len(buffer) // 2, -1):
        if buffer[index].isspace():
            return index + 1
    return len(buffer)
