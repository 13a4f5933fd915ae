"""How much of a question is copied from its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

WORD = re.compile(r"[\w'\u2019-]+")


def count_copied_words(question: str, text: str) -> int:
    """Return the length of the longest sequence of a question's words that occurs in a text.

    A name counts as one word: words with a capital letter that follow each other, except the first word of
    the question.

    >>> count_copied_words("Who built the Old Lighthouse?", "The Old Lighthouse was built in 1543.")
    2
    """
    words: list[str] = []
    was_name = False
    for position, word in enumerate(WORD.findall(question)):
        is_name = position > 0 and word[0].isupper()
        if is_name and was_name:
            words[-1] += f" {word.casefold()}"
        else:
            words.append(word.casefold())
        was_name = is_name
    return longest_run(words, text)


def longest_run(words: Sequence[str], text: str) -> int:
    """Return the length of the longest sequence of casefolded words that occurs in a text."""
    text = _in_one_form(text)
    longest = 0
    for start in range(len(words)):
        while f" {' '.join(words[start : start + longest + 1])} " in text:
            if start + longest + 1 > len(words):
                break
            longest += 1
    return longest


@lru_cache(maxsize=1)  # all questions of a chunk are compared with it
def _in_one_form(text: str) -> str:
    """Return the casefolded words of a text, with single spaces between and around them."""
    return f" {' '.join(WORD.findall(text.casefold()))} "
