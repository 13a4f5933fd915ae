"""Turns a question into a keyword query: what people type into a search box instead of the question."""

from __future__ import annotations

import re

from qgbatch.questions.words import FUNCTION_WORDS, NARRATOR, QUOTED, is_contraction

_MIN_WORDS = 2
_PUNCTUATION = "?!,;:\"'`()[]{}\u2018\u2019\u201c\u201d\u2026"
"""Goes at the edges of a word. Signs such as those of ``C++``, ``C#``, ``.NET`` and ``$5`` stay."""
_ABBREVIATION = re.compile(r"(?:\w\.){2,}")
_ASKED = re.compile(
    r"\b(?:(?:what|which|how)\s+(?:name|type|kind|sort|term|year|date|long)s?|(?:name|term)s?\s+(?:of|for))\b",
    re.IGNORECASE,
)
"""The phrase that says what is asked for. Elsewhere its words belong to the topic: "blood type"."""
_TOPICAL = {"name", "type", "kind", "long", "year", "date", "term", "not"}
"""Function words of questions that are content words of a query, except in :data:`_ASKED`."""
_OMITTED = (FUNCTION_WORDS - _TOPICAL) | NARRATOR | {
    "if", "but", "so", "while", "because", "although", "though", "whether", "then", "also", "just", "some",
    "any", "each", "both", "other", "another", "such", "during", "before", "after", "between", "among",
    "within", "through", "upon", "until", "since", "toward", "towards", "besides", "along", "per", "having",
    "doing", "himself", "herself", "itself", "themselves",
}  # fmt: skip
_ARTICLES = {"a", "an", "the"}


def keyword_query(question: str) -> str | None:
    """Return the content words of an English question, in order and in lower case.

    Function words stay in names ("Doctor Who") and in quoted titles.

    Returns:
        The words with single spaces, or ``None`` if fewer than two are left.

    >>> keyword_query("In what year did the U.S. buy Alaska?")
    'u.s. buy alaska'
    """
    words: list[str] = []
    end = 0
    for quoted in QUOTED.finditer(question):
        words += _content_words(question[end : quoted.start()])
        words += _split(quoted[0])
        end = quoted.end()
    words += _content_words(question[end:])
    return " ".join(words).lower() if len(words) >= _MIN_WORDS else None


def _content_words(text: str) -> list[str]:
    """Return the words to keep of a text without quotations."""
    words = _split(_ASKED.sub(" ", text))
    return [word for i, word in enumerate(words) if _is_content(word, may_be_name=i > 0)]


def _split(text: str) -> list[str]:
    """Return the words of a text, without punctuation at their edges."""
    words = (word.strip(_PUNCTUATION) for word in text.replace("\u2014", " ").split())
    words = (word if _ABBREVIATION.fullmatch(word) else word.rstrip(f".{_PUNCTUATION}") for word in words)
    return [word for word in words if any(character.isalnum() for character in word)]


def _is_content(word: str, *, may_be_name: bool) -> bool:
    """Return whether a word is no function word, or is part of a name because it has a capital letter."""
    lower = word.lower()
    if may_be_name and word[0].isupper() and lower not in _ARTICLES:
        return True
    start = lower.replace("\u2019", "'").partition("'")[0]
    return not (start in _OMITTED or is_contraction(lower))
