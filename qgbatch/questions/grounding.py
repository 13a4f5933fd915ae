"""Finds the answer that a model wrote in the text of its chunk."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from qgbatch.questions.words import content_words

_MAX_SHARE = 0.5
"""An answer that is longer than this share of its chunk answers nothing in particular."""
_MIN_CHUNK_WORDS = 12
"""In shorter chunks, an answer may be most of the text."""
_NEARBY_CHARS = 150
"""Distance around an answer in which the words of its question are counted; about one sentence."""
_PARTICLES = {"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
"""Words that are no answer by themselves."""
_EDGE = " \t\n.,;:!?\"'\u2018\u2019\u201c\u201d"
_BEGINS_NUMBER = re.compile(r"[-+.]+\d")
_ANYWHERE = re.compile("")
_BEFORE_DIGIT = re.compile(r"(?<![.,])(?<!(?<!\w)[-+])")
"""Not inside the fraction of another number, and not after its sign."""
_BEFORE_SIGN = re.compile(r"(?<!\w)")
_AFTER_DIGIT = re.compile(r"(?![.,]?\d)")
_RUN = re.compile(r"\S+|\s+")
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n")
_ASCII_FORMS = {
    "'": "\u2018\u2019\u201b\u2032",
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb",
    "-": "\u2010\u2011\u2013\u2014\u2212",
    "/": "\u2044",  # the slash of a fraction in one character
    "": "\u00ad\u2060",  # soft hyphen, word joiner
    " ": "\u061c\u200b\u200c\u200d\u200e\u200f\u2581\ufeff\ufffd",
}
"""Characters that tokenizers replace, or that a model writes in another way, besides those of NFKD."""
_TO_ASCII = str.maketrans({form: ascii for ascii, forms in _ASCII_FORMS.items() for form in forms})
_CACHED_TEXTS = 64
"""A chunk is folded once for all of its questions, as far as their answers leave it in the cache."""


def find_answer(answer: str, question: str, text: str) -> tuple[int, int] | None:
    """Find an answer in a text as whole words.

    Case, kinds of quotation marks and dashes, white space and Unicode compatibility forms are
    ignored: a tokenizer changes them, for instance "\u00bd" to "1\u20442". An answer never spans two
    paragraphs. Of several places, the one with the most words of the question nearby is returned.

    Returns:
        The offsets of the answer, half open, or ``None`` if the text does not contain it.
    """
    folded, places = _fold(text)
    wanted, _ = _fold(_strip(answer))
    spans = _whole_characters(_whole_words(wanted, folded), places)
    found = [(start, end) for start, end in spans if not _PARAGRAPH_END.search(text, start, end)]
    if len(found) <= 1:
        return found[0] if found else None
    asked = set(content_words(question))

    def n_nearby(span: tuple[int, int]) -> int:
        nearby = text[max(0, span[0] - _NEARBY_CHARS) : span[1] + _NEARBY_CHARS]
        return len(asked & set(content_words(nearby)))

    return max(found, key=n_nearby)  # the first one on a tie


def _strip(answer: str) -> str:
    """Return an answer without the marks around it, except the stops of ".5" and "U.S."."""
    stripped = answer.strip(_EDGE)
    if stripped[:1].isdigit() and f".{stripped}" in answer:
        stripped = f".{stripped}"
    if answer.strip().endswith(".") and "." in stripped.split(" ")[-1]:
        stripped += "."
    return stripped


def is_informative(answer: str, question: str, text: str) -> bool:
    """Return whether an answer says something that its question does not, and is not most of the text.

    >>> is_informative("the capital", "What is the capital of Peru?", "Lima is the capital of Peru.")
    False
    """
    told = _words(answer) - _words(question) - _PARTICLES
    n_words = len(text.split())
    is_most_of_text = n_words >= _MIN_CHUNK_WORDS and len(answer.split()) > _MAX_SHARE * n_words
    return bool(told) and not is_most_of_text


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


@lru_cache(maxsize=_CACHED_TEXTS)
def _fold(text: str) -> tuple[str, Sequence[int]]:
    """Return a text without differences that do not matter, and the offset of each of its characters."""
    parts: list[str] = []
    places: list[int] = []
    for run in _RUN.finditer(text):
        if run[0].isascii() and not run[0].isspace():  # most words: only their case changes
            parts.append(run[0].casefold())
            places.extend(range(*run.span()))
            continue
        for index, character in enumerate(run[0], run.start()):
            for folded in unicodedata.normalize("NFKD", character).translate(_TO_ASCII).casefold():
                if not folded.isspace():
                    parts.append(folded)
                    places.append(index)
                elif parts and parts[-1] != " ":
                    parts.append(" ")
                    places.append(index)
    return "".join(parts), places


def _whole_words(wanted: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans in which a text contains the wanted words, not as part of other words or numbers."""
    if not wanted:
        return
    before = after = _ANYWHERE
    if wanted[0].isdigit():
        before = _BEFORE_DIGIT
    elif _BEGINS_NUMBER.match(wanted):
        before = _BEFORE_SIGN
    if wanted[-1].isdigit():
        after = _AFTER_DIGIT
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not (before.match(text, start) and after.match(text, end)):
            end = start + 1
        elif not _is_inside_word(text, start) and not _is_inside_word(text, end):
            yield start, end
        start = text.find(wanted, end)


def _is_inside_word(text: str, place: int) -> bool:
    """Return whether the characters before and after a place belong to the same word."""
    return 0 < place < len(text) and _is_of_word(text[place - 1]) and _is_of_word(text[place])


def _is_of_word(character: str) -> bool:
    """Return whether a character is a letter, a digit or a mark on one."""
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _whole_characters(
    folded_spans: Iterable[tuple[int, int]], places: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield spans of folded text as spans of the text, except those that begin or end inside a character.

    The digits of a fraction in one character, for instance, are not in the text.
    """
    for start, end in folded_spans:
        begins_inside = start > 0 and places[start - 1] == places[start]
        if not begins_inside and (end == len(places) or places[end - 1] != places[end]):
            yield places[start], places[end - 1] + 1
