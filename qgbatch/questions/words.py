"""Words of English questions: function words, auxiliaries, and what is left of a text without them."""

from __future__ import annotations

import re
from functools import lru_cache

WORD = re.compile(r"\w+(?:['\u2019.,-]\w+)*")
QUOTED = re.compile(r"\"[^\"]*\"|\u201c[^\u201c\u201d]*\u201d")

QUESTION_WORDS = {"who", "whom", "whose", "what", "which", "when", "where", "why", "how"}
PAST_AUXILIARIES = {"was", "were", "did", "had"}
AUXILIARIES = {
    *PAST_AUXILIARIES, "is", "are", "am", "do", "does", "has", "have", "can", "cannot", "could", "will",
    "would", "shall", "should", "may", "might", "must",
}  # fmt: skip
NARRATOR = {"i", "we", "you", "me", "us", "my", "our", "your"}
"""Pronouns of the first and second person."""
FUNCTION_WORDS = {
    *QUESTION_WORDS, *AUXILIARIES,
    "a", "an", "the", "this", "that", "these", "those", "there", "it", "its", "he", "she",
    "they", "his", "her", "their", "him", "them", "in", "on", "at", "of", "to", "by", "for",
    "from", "with", "as", "and", "or", "not", "than", "into", "about", "be", "been", "being",
    "name", "type", "kind", "many", "much", "long", "year", "date", "term", "called", "used",
}  # fmt: skip
"""Words that occur in any question and say nothing about its topic."""
_CONTRACTED = {"s", "re", "d", "ve", "ll", "m"}
_CACHED_TEXTS = 64
"""Each question is compared with the same chunk, and several filters look at each question."""


@lru_cache(maxsize=_CACHED_TEXTS)
def content_words(text: str) -> tuple[str, ...]:
    """Return the casefolded words of a text that are not function words, in order."""
    words = (word.casefold() for word in WORD.findall(text))
    return tuple(word for word in words if word not in FUNCTION_WORDS and not is_contraction(word))


def count_words(text: str) -> int:
    """Return the number of words of a text; "who's" counts as two."""
    return sum(1 + is_contraction(word.casefold()) for word in WORD.findall(text))


def is_auxiliary(word: str) -> bool:
    """Return whether a word is an auxiliary, or ends with one, as in "who's" and "isn't"."""
    word = word.casefold()
    return word in AUXILIARIES or is_contraction(word)


def is_contraction(word: str) -> bool:
    """Return whether a casefolded word is contracted from function words only.

    >>> is_contraction("who's"), is_contraction("isn\u2019t"), is_contraction("bee's")
    (True, True, False)
    """
    start, _, end = word.replace("\u2019", "'").partition("'")
    if end == "t":
        return start.endswith("n")
    return end in _CONTRACTED and start in QUESTION_WORDS
