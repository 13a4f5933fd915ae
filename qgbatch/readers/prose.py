"""Whether the cells of a table hold prose or data, for all formats with tables between paragraphs."""

from __future__ import annotations

import re

_MIN_CHARS = 60
"""A cell with so many characters is prose, and so is a sentence with fewer."""
_MIN_SENTENCE_CHARS = 20
_SENTENCE_END = re.compile(
    """[.!?\u2026\u0964\u3002\uff01\uff1f\u061f]["')\\]\u2019\u201d\u00bb]*\\s*\\Z"""
)


def is_prose(n_chars: int, end: str) -> bool:
    """Whether a cell of so many characters, which ends with this text, is prose."""
    if n_chars < _MIN_SENTENCE_CHARS:
        return False
    return n_chars >= _MIN_CHARS or _SENTENCE_END.search(end[-_MIN_SENTENCE_CHARS:]) is not None


def arranges_text(n_chars: int, n_prose_chars: int) -> bool:
    """Whether a table of so many characters, some of them in cells of prose, is not one of data."""
    return 0 < n_chars <= 2 * n_prose_chars
