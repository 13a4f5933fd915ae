"""Counts the steps of a program for texts of one character or piece of markup, again and again."""

from __future__ import annotations

import string
import sys
from collections.abc import Callable

CHARACTERS = [*" \t\n\v\f\raZ0", *string.punctuation, *"\xa0\xad\xb9\u200b\u3000\u8336\u0301"]
MARKUP = ["<b>", "[](", "**", "- ", "| ", "::", "> ", "\\(", "&amp;", "{{", "a\n", ". ", "<sub>1", "[^1]"]


def repeated(unit: str, n_chars: int) -> str:
    """The unit as often as it fits into so many characters."""
    return unit * (n_chars // len(unit))


def n_calls(act: Callable[[], object]) -> int:
    """The number of calls and returns of functions, those written in C included."""
    n_calls = 0

    def count(_frame: object, _event: str, _argument: object) -> None:
        nonlocal n_calls
        n_calls += 1

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return n_calls


def assert_calls_are_in_proportion(act: Callable[[str], object], unit: str, n_chars: int) -> None:
    """Assert that twice the text takes about twice the calls."""
    once, twice = repeated(unit, n_chars), repeated(unit, 2 * n_chars)
    act(once)  # the imports
    n_once, n_twice = n_calls(lambda: act(once)), n_calls(lambda: act(twice))
    assert n_twice < 2.3 * n_once + 200, (unit, n_once, n_twice)
