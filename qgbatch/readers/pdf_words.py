"""The words of a PDF page with their places, without note marks."""

from __future__ import annotations

import re
from ctypes import c_double
from itertools import groupby
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
    has_mark: bool = False
    """Whether it begins with a note mark, which is not in the text."""

    def is_raised_above(self, other: Word) -> bool:
        """Whether it is small and stands above the line of the other word, as note marks do."""
        rise = self.baseline - other.baseline
        return self.size < 0.85 * other.size and 0.1 * other.size < rise < other.size

    def is_mark(self) -> bool:
        """Whether it can be a note mark."""
        return _MARK.fullmatch(self.text) is not None


class _Place(NamedTuple):
    left: float
    right: float
    baseline: float
    size: float


def read_words(page: Any, text_page: Any) -> list[Word]:
    """The words of a page in the order of the file, as they lie when the page is upright."""
    units = _units(text_page)
    places = _Places(text_page, page.get_rotation())
    return [_word(match, places) for match in _WORD.finditer(units)]


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
    first = places[match.start()]
    text, has_mark = raw, False
    if _MAY_HAVE_MARK.search(raw):
        text, first, has_mark = _without_marks(raw, [places[i] for i in range(*match.span())])
    if text.endswith("\ufffe") and text[-2:-1].isalpha():
        text = text[:-1] + "-"
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = text.replace("\u2010", "-").replace("\u2011", "-")
    text = _INVISIBLE.sub("", text)
    return Word(text, first.left, places.right(match.end() - 1), first.baseline, first.size, has_mark)


def _without_marks(raw: str, places: list[_Place]) -> tuple[str, _Place, bool]:
    """The word without raised note marks; exponents become ``^2``.

    Returns:
        The text, the place of its first character on the line, and whether a mark stands before it.
    """
    size = max(place.size for place in places)
    full_size = [place for place in places if place.size >= _SMALL * size]
    base = min(full_size, key=lambda place: place.baseline)
    text, has_mark = "", False
    for position, run in groupby(range(len(raw)), lambda i: _position(places[i], base)):
        piece = "".join(raw[i] for i in run)
        is_mark = _MARK.fullmatch(piece) is not None
        if not position or not (is_mark or piece[0].isdigit()):
            text += piece  # letters behind a large initial look raised
        elif position == "superscript" and is_mark and not _TAKES_POWER.search(text[-4:]):
            has_mark = has_mark or not text
            text += LEFT_OUT
        else:
            text += piece.join(MARKS[position])
    text = _NOTE_MARK_CHARACTERS.sub(LEFT_OUT, text)
    return resolve_marks(text), full_size[0], has_mark


def _position(place: _Place, base: _Place) -> str:
    """Whether a character is raised above the line of another, or is small and lowered."""
    rise = place.baseline - base.baseline
    if rise > _MIN_RISE * base.size:
        return "superscript"
    is_lowered = rise < -_MIN_FALL * base.size and place.size < _SMALL * base.size
    return "subscript" if is_lowered else ""


class _Places:
    """The places of the characters of a page, turned so that the page is upright."""

    def __init__(self, text_page: Any, rotation: int) -> None:
        import pypdfium2.raw as pdfium

        self._origin, self._loose_box = pdfium.FPDFText_GetCharOrigin, pdfium.FPDFText_GetLooseCharBox
        self._text_page = text_page.raw
        self._rotation = rotation
        self._x, self._y, self._box = c_double(), c_double(), pdfium.FS_RECTF()

    def __getitem__(self, index: int) -> _Place:
        x, y, box = self._x, self._y, self._box
        self._origin(self._text_page, index, x, y)
        self._loose_box(self._text_page, index, box)
        left, right, bottom, top = box.left, box.right, box.bottom, box.top
        if self._rotation == 90:
            return _Place(bottom, top, -x.value, abs(right - left))
        if self._rotation == 180:
            return _Place(-right, -left, -y.value, abs(top - bottom))
        if self._rotation == 270:
            return _Place(-top, -bottom, x.value, abs(right - left))
        return _Place(left, right, y.value, abs(top - bottom))

    def right(self, index: int) -> float:
        """The right edge of a character."""
        self._loose_box(self._text_page, index, self._box)
        box = self._box
        return float((box.right, box.top, -box.left, -box.bottom)[self._rotation // 90])
