"""Words that a hyphen divides at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_HYPHENS = ("-", "\u00ad")
_MAX_WORD = 60
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*$")
_FIRST_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_LINE_END = re.compile(r"[-\u2010](?:\n[ \t]{0,9}|[ \t\n]{0,9}\f[ \t\n\f]{0,9})(?=[^\W\d_])")
"""A hyphen at the end of a line or page, and the break behind it."""
_BEFORE_LINE_END = re.compile(
    r"(?<![^\s(\[\"'\u201c\u2018\u00ab\u2013\u2014])[^\W\d_]++(?:[-\u2010][^\W\d_]++)*+$"
)
_AFTER_LINE_END = re.compile(r"[^\W\d_]++(?:[-\u2010][^\W\d_]++)*+(?![\w@/\\=(]|[.:]\w)")
"""Words of prose, not parts of addresses, options and code."""
_MAX_CHARS_OF_WORDS = 1 << 24
"""The words of so many characters tell which hyphens are real; more words could fill the memory."""
_MIN_DIVIDED_SHARE = 0.02
"""Of 7,905 plain texts on a Debian system, 20 have a hyphen at the end of two lines and of 2 % of them.
These 20 divide words."""
_MIN_DIVIDED_IN_PLAIN_TEXT = 2
_JOINED_BY_HYPHEN = {"well", "self", "half"}
_AFTER_SUSPENDED = {"and", "or", "und", "oder"}
"""What follows a hyphen that stands for the rest of a word: "pre- and post-war"."""


@dataclass(frozen=True, slots=True)
class Hyphenation:
    """What a document shows about the hyphens at the ends of its lines."""

    words: frozenset[str]
    """The words of the document, in lower case, with their hyphens."""
    divides_words: bool
    """Whether a hyphen at the end of a line divides a word that occurs nowhere else. Programs that
    break lines without dividing words break them at the hyphens of words."""

    @classmethod
    def of(cls, lines: Iterable[str], min_divided: int) -> Hyphenation:
        """Look at all lines of a document.

        Args:
            lines: The lines, in order.
            min_divided: Minimum number of lines that end in a hyphen if words are divided.
        """
        words: set[str] = set()
        n_lines = n_divided = 0
        before = ""
        for line in lines:
            words.update(_WORD.findall(line.casefold().replace("\u2010", "-")))
            n_lines += bool(line)
            n_divided += line[:1].islower() and divides_word(before.replace("\u2010", "-"), line)
            before = line
        divides_words = n_divided >= max(min_divided, _MIN_DIVIDED_SHARE * n_lines)
        return cls(frozenset(words), divides_words)


def divides_word(before: str, after: str) -> bool:
    """Whether a line ends with a hyphen inside a word or between two numbers."""
    is_divided = before.endswith(_HYPHENS) and before[-2:-1].isalnum() and after[:1].isalnum()
    return is_divided and (before[-1] == "-" or after[0].isalpha())


def join(before: str, after: str, hyphenation: Hyphenation) -> str | None:
    """The line with what stands between it and the next one, if a hyphen at its end divides a word.

    Args:
        before: The line.
        after: The next line.
        hyphenation: That of the document, which tells whether the hyphen is one of the word.
    """
    if not divides_word(before, after):
        return None
    match = _LAST_WORD.search(before[-_MAX_WORD - 1 : -1])
    following = _FIRST_WORD.match(after[:_MAX_WORD])
    assert match
    assert following
    if before.endswith("\u00ad"):
        return before[:-1]
    return before[:-1] + _separator(match[0], following[0], hyphenation)


def join_lines(text: str) -> str:
    r"""A plain text with the words joined that a hyphen divides at the end of a line or page.

    Only a hyphen between letters is removed, with the line break, and only before a small letter.
    A hyphen that belongs to the word stays, and so does one that may, in a text that does not divide words.

    >>> join_lines("The govern-\nment of a well-\nknown man")
    'The government of a well-known man'
    """
    if not _LINE_END.search(text):
        return text
    lines = (line.strip() for line in text[:_MAX_CHARS_OF_WORDS].split("\n"))
    hyphenation = Hyphenation.of(lines, _MIN_DIVIDED_IN_PLAIN_TEXT)

    def join_at(line_end: re.Match[str]) -> str:
        start, end = line_end.span()
        before = _BEFORE_LINE_END.search(text, max(0, start - _MAX_WORD), start)
        after = _AFTER_LINE_END.match(text, end, end + _MAX_WORD) if text[end].islower() else None
        if not before or not after:
            return line_end[0]
        first, second = (part[0].replace("\u2010", "-") for part in (before, after))
        return _separator(first, second, hyphenation).replace("-", line_end[0][0])

    return _LINE_END.sub(join_at, text)


def _separator(first: str, second: str, hyphenation: Hyphenation) -> str:
    """What stands between two parts of a line: nothing, a hyphen, or a hyphen and a space."""
    whole = f"{first}{second}".casefold()
    if second.casefold() in _AFTER_SUSPENDED:
        return "" if whole in hyphenation.words else "- "
    return "-" if _keeps_hyphen(first, second, hyphenation) else ""


def _keeps_hyphen(first: str, second: str, hyphenation: Hyphenation) -> bool:
    words = hyphenation.words
    is_capitals = first.isupper() and second.isupper() and len(first) > 1
    if not second[0].islower() and not is_capitals:
        return True
    whole, hyphenated = (f"{first}{hyphen}{second}".casefold() for hyphen in ("", "-"))
    if whole in words or hyphenated in words:
        return whole not in words
    parts = first.casefold().split("-")
    of_several = len(parts) > 1 and words.issuperset([*parts, second.casefold()])
    is_real = first[-1].isdigit() or parts[-1] in _JOINED_BY_HYPHEN or of_several or is_capitals
    return is_real or not hyphenation.divides_words
