"""The words of a PDF page with their places, without note marks."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from ctypes import c_double
from itertools import groupby, pairwise, repeat
from operator import sub
from statistics import median_low
from typing import Any, NamedTuple

from qgbatch.readers.scripts import LEFT_OUT, MARKS, resolve_marks

_WORD = re.compile(r"[^\s\ufffe]+\ufffe?")
"""PDFium writes U+FFFE instead of a hyphen and line break inside a word."""
_INVISIBLE = re.compile(r"[\0-\x08\x0b-\x1f\u200b\ufeff\ufffe\uffff]|\u00ad(?!$)")
_MAY_HAVE_MARK = re.compile(r"[\d*\u2020\u2021\u00a7\u00b9\u00b2\u00b3\u2070-\u2079]")
_MARK = re.compile(r"[\d*\u2020\u2021\u00a7\u00b6,\u2013()\[\]+\u2212-]+")
_SUPERSCRIPT_DIGITS = "\u00b9\u00b2\u00b3\u2070\u2074\u2075\u2076\u2077\u2078\u2079"
_NOTE_MARK_CHARACTERS = re.compile(rf"(?<=[\d\w.,;:!?)\u201d][\w.,;:!?)\u201d\"'])[{_SUPERSCRIPT_DIGITS}]+")
_TAKES_POWER = re.compile(r"(?:^|[^\w.,])(?:10|\d|[^\W\d_aI]|[cdkmn\u03bc]m|ft|yd|mi|kg)$")
"""What an exponent follows, not a note mark: a digit, 10, a letter of a formula or a unit."""
_NEGATIVE = re.compile(r"[-\u2212\u2013]\d")
_SPACE = 0.15
"""A gap wider than this share of the font's height is a space, also if PDFium does not take it for one."""
_MIN_SPACE = 0.5
"""Points; smaller gaps are not compared with the font."""

_SMALL = 0.95
_MIN_RISE = 0.15
_MIN_FALL = 0.05
"""Shares of the font's height; indices of formulas are lowered by less than powers are raised."""


class Word(NamedTuple):
    """A word in the order of the file."""

    text: str
    left: float
    right: float
    baseline: float
    """The vertical position, upwards, in points."""
    size: float
    """The height of its font, from the lowest to the highest character."""
    mark: str = ""
    """The note mark or exponent before it, which is not in the text."""

    def is_raised_above(self, other: Word) -> bool:
        """Whether it is small and stands above the line of the other word, as note marks do."""
        rise = self.baseline - other.baseline
        return self.size < 0.85 * other.size and 0.1 * other.size < rise < other.size

    def is_mark(self) -> bool:
        """Whether it can be a note mark."""
        return _MARK.fullmatch(self.text) is not None


def is_exponent(mark: str, before: str) -> bool:
    """Whether raised characters are an exponent and no note mark.

    Args:
        mark: The raised characters.
        before: The text that they touch.
    """
    return bool(before and (_NEGATIVE.match(mark) or _TAKES_POWER.search(before[-4:])))


class _Place(NamedTuple):
    left: float
    right: float
    baseline: float
    size: float


def read_words(page: Any, text_page: Any) -> list[Word]:
    """The words of a page in the order of the file, as they lie when the page is upright."""
    units = _units(text_page)
    places = _Places(text_page, page.get_rotation(), len(units))
    cuts = [0, *places.missed_spaces(units), len(units)]
    return [_word(m, places) for start, end in pairwise(cuts) for m in _WORD.finditer(units, start, end)]


def _units(text_page: Any) -> str:
    """The text of a page, in which each character of PDFium (a UTF-16 unit) has its index."""
    import pypdfium2.raw as pdfium

    text = text_page.get_text_range()
    n_chars = text_page.count_chars()
    if len(text) == n_chars and not any(char > "\uffff" for char in text):
        return str(text)
    return "".join(chr(pdfium.FPDFText_GetUnicode(text_page, index)) for index in range(n_chars)).replace(
        "\2", "\ufffe"
    )


def _word(match: re.Match[str], places: _Places) -> Word:
    raw = match[0]
    first = base = places[match.start()]
    text, mark = raw, ""
    if _MAY_HAVE_MARK.search(raw):
        text, base, mark = _without_marks(raw, [places[i] for i in range(*match.span())])
    if text.endswith("\ufffe") and text[-2:-1].isalpha():
        text = text[:-1] + "-"
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = text.replace("\u2010", "-").replace("\u2011", "-")
    text = _INVISIBLE.sub("", text)
    right = places.right[match.end() - 1]
    return Word(text, first.left, right, base.baseline, base.size, mark)


def _without_marks(raw: str, places: list[_Place]) -> tuple[str, _Place, str]:
    """The word without raised note marks; exponents become ``^2``.

    Returns:
        The text, the place of its first character on the line, and the mark before it.
    """
    size = max(place.size for place in places)
    full_size = [place for place in places if place.size >= _SMALL * size]
    base = min(full_size, key=lambda place: place.baseline)
    text = mark = ""
    for position, run in groupby(range(len(raw)), lambda i: _position(places[i], base)):
        piece = "".join(raw[i] for i in run)
        is_mark = _MARK.fullmatch(piece) is not None
        if not position or not (is_mark or piece[0].isdigit()):
            text += piece  # letters behind a large initial look raised
        elif position == "superscript" and is_mark and not is_exponent(piece, text):
            mark = mark if text else piece
            text += LEFT_OUT
        else:
            text += piece.join(MARKS[position])
    text = _NOTE_MARK_CHARACTERS.sub(LEFT_OUT, text)
    return resolve_marks(text), full_size[0], mark


def _position(place: _Place, base: _Place) -> str:
    """Whether a character is raised above the line of another, or is small and lowered."""
    rise = place.baseline - base.baseline
    if rise > _MIN_RISE * base.size:
        return "superscript"
    is_lowered = rise < -_MIN_FALL * base.size and place.size < _SMALL * base.size
    return "subscript" if is_lowered else ""


class _Places:
    """The places of the characters of a page, turned so that the page is upright."""

    def __init__(self, text_page: Any, rotation: int, n_chars: int) -> None:
        import pypdfium2.raw as pdfium

        self._origin, self._text_page = pdfium.FPDFText_GetCharOrigin, text_page.raw
        self._x, self._y = c_double(), c_double()
        self._rotation = rotation
        left, top, right, bottom = _loose_boxes(text_page, n_chars)
        self._low, self._high = (left, right) if rotation in (90, 270) else (bottom, top)
        self._left, self.right = (bottom, top) if rotation in (90, 270) else (left, right)
        if rotation in (180, 270):
            self._left, self.right = _negative(self.right), _negative(self._left)

    def __getitem__(self, index: int) -> _Place:
        x, y = self._x, self._y
        self._origin(self._text_page, index, x, y)
        baseline = y.value
        if self._rotation:
            baseline = {90: -x.value, 180: -baseline, 270: x.value}[self._rotation]
        return _Place(self._left[index], self.right[index], baseline, self._height(index))

    def missed_spaces(self, units: str) -> Iterator[int]:
        """The indices of the characters before which there is a gap that is as wide as a space.

        The gaps of a word whose letters are spaced are no spaces: a space is wider than most of them.
        """
        gaps = enumerate(map(sub, self._left[1:], self.right), 1)
        wide = [index for index, gap in gaps if gap > _MIN_SPACE and self._is_space(gap, index)]
        for match in _WORD.finditer(units) if wide else ():
            first = bisect_left(wide, match.start() + 1)
            last = bisect_left(wide, match.end())
            if first < last:
                usual = max(0.0, median_low(map(self._gap, range(match.start() + 1, match.end()))))
                yield from (i for i in wide[first:last] if self._is_space(self._gap(i) - usual, i))

    def _is_space(self, gap: float, index: int) -> bool:
        """Whether a gap before a character is wide enough; spaces and the like have no height."""
        heights = self._height(index - 1), self._height(index)
        return min(heights) > 0 and gap > _SPACE * max(heights)

    def _gap(self, index: int) -> float:
        return self._left[index] - self.right[index - 1]

    def _height(self, index: int) -> float:
        return abs(self._high[index] - self._low[index])


def _loose_boxes(text_page: Any, n_chars: int) -> list[array[float]]:
    """The left, top, right and bottom sides of the characters."""
    import pypdfium2.raw as pdfium

    boxes = (pdfium.FS_RECTF * n_chars)()
    deque(map(pdfium.FPDFText_GetLooseCharBox, repeat(text_page.raw), range(n_chars), boxes), maxlen=0)
    sides = array("f", bytes(boxes))
    return [sides[side::4] for side in range(4)]


def _negative(values: array[float]) -> array[float]:
    return array("f", (-value for value in values))
