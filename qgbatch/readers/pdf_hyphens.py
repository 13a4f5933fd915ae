"""Words that a hyphen divides at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Iterable

_HYPHENS = ("-", "\u00ad")
_MAX_WORD = 60
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*$")
_FIRST_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_JOINED_BY_HYPHEN = {"well", "self", "half"}
_AFTER_SUSPENDED = {"and", "und", "oder"}
"""What follows a hyphen that stands for the rest of a word: "pre- and post-war"."""


def words_of(texts: Iterable[str]) -> set[str]:
    """The words of a document, in lower case, with their hyphens."""
    return {word for text in texts for word in _WORD.findall(text.casefold())}


def divides_word(before: str, after: str) -> bool:
    """Whether a line ends with a hyphen inside a word or between two numbers."""
    is_divided = before.endswith(_HYPHENS) and before[-2:-1].isalnum() and after[:1].isalnum()
    return is_divided and (before[-1] == "-" or after[0].isalpha())


def join(before: str, after: str, words: set[str]) -> str | None:
    """The line with what stands between it and the next one, if a hyphen at its end divides a word.

    Args:
        before: The line.
        after: The next line.
        words: The words of the document, which tell whether the hyphen is one of the word.
    """
    if not divides_word(before, after):
        return None
    match = _LAST_WORD.search(before[-_MAX_WORD - 1 : -1])
    following = _FIRST_WORD.match(after[:_MAX_WORD])
    assert match
    assert following
    if before.endswith("\u00ad"):
        return before[:-1]
    first, second = match[0], following[0]
    if second.casefold() in _AFTER_SUSPENDED:
        return before + " " if (first + second).casefold() not in words else before[:-1]
    return before if _keeps_hyphen(first, second, words) else before[:-1]


def _keeps_hyphen(first: str, second: str, words: set[str]) -> bool:
    is_capitals = first.isupper() and second.isupper() and len(first) > 1
    if not second[0].islower() and not is_capitals:
        return True
    whole, hyphenated = (f"{first}{hyphen}{second}".casefold() for hyphen in ("", "-"))
    if whole in words or hyphenated in words:
        return whole not in words
    parts = first.casefold().split("-")
    of_several = len(parts) > 1 and {*parts, second.casefold()} <= words
    return first[-1].isdigit() or parts[-1] in _JOINED_BY_HYPHEN or of_several or is_capitals
