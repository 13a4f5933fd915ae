"""Texts on one line, for formats in which a line break has a meaning."""

from __future__ import annotations


def one_line(value: object) -> str:
    """Return a text with every run of white space, and every null character, as one space."""
    return " ".join(str(value).replace("\0", " ").split())
