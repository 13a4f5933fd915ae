"""PDF to text, and the offset at which each page begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers.content import MAX_MARKUP_BYTES, too_large_error

_MAX_PAGES = 10_000
_HYPHENATION = re.compile(r"(?<=[^\W\d_])\ufffe(?=([^\W\d_])?)")
"""The character that PDFium writes instead of a hyphen and line break inside a word."""
_INVISIBLE = re.compile(r"[\0-\x08\x0b-\x1f\u00ad\ufffe\uffff]")
_ENDS_SENTENCE = re.compile(r"""[.!?:;\u2026]["')\]\u2019\u201d\u00bb]*$""")
_ITEM = re.compile(r"(?:[-*\u2022\u2023\u2013]|\d{1,3}[.)])\s")
_SHORT_LINE = 0.75
"""A line shorter than this share of the usual length may be the last of its paragraph."""
_WIDE_GAP = 1.3
"""Lines further apart than this many times the usual distance belong to different paragraphs."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    begins_paragraph: bool


def read_pages(data: bytes, source: str) -> tuple[str, tuple[int, ...]]:
    """The text of all pages, and the offset at which each page begins in it.

    The lines of a paragraph are joined, and so are words with a hyphen at the end of a line and
    paragraphs that continue on the next page.

    Raises:
        DocumentError: the file is not a PDF, has a password, is damaged or too large.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentError(f"{source}: has a password.", "Save it without one.") from error
        raise DocumentError(
            f"{source}: damaged, or not a PDF file ({error}).", "Save or fetch it again."
        ) from error
    try:
        return _join_pages(_read_pages(document, source))
    finally:
        document.close()


def _read_pages(document: Any, source: str) -> list[list[_Line]]:
    if len(document) > _MAX_PAGES:
        raise DocumentError(
            f"{source}: has more than {_MAX_PAGES:,} pages.", "Split it into several files."
        )
    pages, n_chars = [], 0
    for number in range(len(document)):
        lines = _read_page(document, number, source)
        n_chars += sum(len(line.text) for line in lines)
        if n_chars > MAX_MARKUP_BYTES:
            raise too_large_error(source, MAX_MARKUP_BYTES)
        pages.append(lines)
    return pages


def _read_page(document: Any, number: int, source: str) -> list[_Line]:
    """The lines of a page, in the order of the file."""
    import pypdfium2

    try:
        page = document[number]
        text_page = page.get_textpage()
        if text_page.count_chars() > MAX_MARKUP_BYTES:
            raise too_large_error(source, MAX_MARKUP_BYTES)
        lines, bottoms, start = [], [], 0
        for line in text_page.get_text_range().split("\r\n"):
            if line and not line.isspace():
                lines.append(_tidy(line))
                bottoms.append(text_page.get_charbox(start, loose=True)[1])
            start += len(line) + 2
        text_page.close()
        page.close()
    except pypdfium2.PdfiumError as error:
        raise DocumentError(
            f"{source}: page {number + 1} is damaged ({error}).", "Save or fetch it again."
        ) from error
    return [_Line(*pair) for pair in zip(lines, _paragraph_begins(lines, bottoms), strict=True)]


def _tidy(line: str) -> str:
    line = _HYPHENATION.sub(lambda hyphen: "" if (hyphen[1] or "").islower() else "-", line)
    return " ".join(_INVISIBLE.sub("", line).split())


def _paragraph_begins(lines: Sequence[str], bottoms: Sequence[float]) -> list[bool]:
    """For each line, whether a paragraph begins with it.

    Args:
        lines: The text of the lines.
        bottoms: The vertical position of each, upwards, in points.
    """
    if not lines:
        return []
    down = sorted(distance for a, b in pairwise(bottoms) if (distance := a - b) > 0)
    usual_distance = down[len(down) // 4] if down else 0.0
    usual_length = sorted(map(len, lines))[len(lines) * 3 // 4]
    begins = [True]
    for (before, line), (above, bottom) in zip(pairwise(lines), pairwise(bottoms), strict=True):
        is_last = len(before) < _SHORT_LINE * usual_length and not line[:1].islower()
        begins.append(
            above - bottom > _WIDE_GAP * usual_distance or is_last or _ITEM.match(line) is not None
        )
    return begins


def _join_pages(pages: Sequence[Sequence[_Line]]) -> tuple[str, tuple[int, ...]]:
    """The text of all pages and the offset of each; an empty page begins where the page before ends."""
    pieces: list[str] = []
    starts: list[int] = []
    n_chars = 0

    def add(piece: str) -> None:
        nonlocal n_chars
        pieces.append(piece)
        n_chars += len(piece)

    for lines in pages:
        for index, line in enumerate(lines):
            last = pieces[-1] if pieces else ""
            continues = line.text[:1].islower() and not _ENDS_SENTENCE.search(last)
            if continues and len(last) > 1 and last[-1] == "-" and last[-2].isalpha():
                pieces[-1], n_chars = last[:-1], n_chars - 1
            elif pieces:
                begins = line.begins_paragraph if index else not continues
                add("\n\n" if begins else " ")
            if not index:
                starts.append(n_chars)
            add(line.text)
        if not lines:
            starts.append(n_chars)
    return "".join(pieces), tuple(starts)
