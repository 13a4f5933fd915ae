"""The lines of PDF pages to paragraphs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qgbatch.readers import hyphens
from qgbatch.readers.pdf_contents import without_contents
from qgbatch.readers.pdf_lines import Line
from qgbatch.records import OmittedKind

_ENDS_SENTENCE = re.compile(r"""[.!?:;\u2026\u3002\uff01\uff1f]["')\]\u2019\u201d\u00bb]*$""")
_ITEM = re.compile(r"(?:[-*\u2022\u2023\u2013]|\d{1,3}[.)])\s")
_NOTE = re.compile(r"(?:\d{1,3}|[*\u2020\u2021\u00a7]{1,3}|\[\d{1,3}\])[.)]?\s*(?=\D)")
_SHORT_LINE = 0.75
"""A line shorter than this share of the usual length may be the last of its paragraph."""
_WIDE_GAP = 1.3
"""Lines further apart than this many times the usual distance belong to different paragraphs."""
_SMALL = 0.92
_SAME_SIZE = 0.12


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line and how it follows the one before it."""

    text: str
    begins_paragraph: bool
    begins_column: bool = False
    """Whether it is the first of its page or column; then the paragraph may go on all the same."""
    is_full: bool = True
    size: float = 0.0
    is_note: bool = False


def usual_size(lines: Iterable[Line]) -> float:
    """The size of most of the text."""
    n_chars: Counter[float] = Counter()
    for line in lines:
        n_chars[round(line.size, 1)] += len(line.text)
    return max(n_chars, key=lambda size: n_chars[size], default=0.0)


def place_lines(
    columns: Sequence[Sequence[Line]], size: float, counts: Counter[OmittedKind]
) -> list[PlacedLine]:
    """The lines of a page, without contents and empty ones, and where its paragraphs begin.

    Args:
        columns: The lines of each column.
        size: The usual size of the document; notes are smaller.
        counts: Counts the lines of contents, which are left out.
    """
    columns = [[line for line in column if line.text] for column in columns]
    found = [without_contents(column) for column in columns]
    counts["contents_lines"] += sum(map(len, columns)) - sum(map(len, found))
    lines = [line for column in found for line in column]
    if not lines:
        return []
    down = sorted(d for column in found for a, b in pairwise(column) if (d := a.baseline - b.baseline) > 0)
    usual_distance = down[len(down) // 4] if down else 0.0
    usual_length = sorted(len(line.text) for line in lines)[len(lines) * 3 // 4]
    placed: list[PlacedLine] = []
    before: Line | None = None
    for column in found:
        first_note = _first_note(column, size)
        for index, line in enumerate(column):
            distance = before.baseline - line.baseline if before else 0.0
            begins_column = before is None or distance < (-line.size if index else 0.3 * line.size)
            is_note = index >= first_note
            text = _NOTE.sub("", line.text, count=1) if is_note else line.text
            begins = before is None or (
                distance > _WIDE_GAP * usual_distance
                or (len(before.text) < _SHORT_LINE * usual_length and not line.text[:1].islower())
                or abs(line.size - before.size) > _SAME_SIZE * before.size
                or _ITEM.match(line.text) is not None
                or (is_note and (line.has_mark or text != line.text))
            )
            is_full = len(line.text) >= _SHORT_LINE * usual_length
            placed.append(PlacedLine(text, begins, begins_column, is_full, line.size, is_note))
            before = line
    return placed


def _first_note(lines: Sequence[Line], size: float) -> int:
    """The index of the first line of the notes at the foot of a column."""
    first = len(lines)
    for index in range(len(lines) - 1, 0, -1):
        line, above = lines[index], lines[index - 1]
        if line.size > _SMALL * size and not line.has_mark:
            break
        if line.baseline > above.baseline:
            break
        if line.has_mark or _NOTE.match(line.text):
            first = index
    return first


def join_pages(pages: Sequence[Sequence[PlacedLine]]) -> tuple[str, tuple[int, ...]]:
    """The text of all pages and the offset of each; an empty page begins where the page before ends.

    A paragraph that goes on behind notes, in the next column or on the next page is joined; the
    notes follow it.
    """
    lines = (line.text for page in pages for line in page)
    text = _Text(hyphens.Hyphenation.of(lines, min_divided=0))
    starts = []
    for page in pages:
        body = [line for line in page if not line.is_note]
        for index, line in enumerate(body):
            start = text.add(line)
            if not index:
                starts.append(start)
        if not body:
            starts.append(text.n_chars)
        text.notes += [line for line in page if line.is_note]
    text.add_notes()
    return "".join(text.pieces), tuple(starts)


class _Text:
    """The text so far, and the notes that wait for the end of a paragraph."""

    def __init__(self, hyphenation: hyphens.Hyphenation) -> None:
        self.pieces: list[str] = []
        self.n_chars = 0
        self.notes: list[PlacedLine] = []
        self._hyphenation = hyphenation
        self._last: PlacedLine | None = None

    def add(self, line: PlacedLine) -> int:
        """Append a line, and return its offset."""
        if self._last and not self._begins_paragraph(line, self._last):
            self._append(line)
        else:
            self.add_notes()
            self._separate()
            self._push(line.text)
        self._last = line
        return self.n_chars - len(line.text)

    def add_notes(self) -> None:
        """Append the notes."""
        notes, self.notes = self.notes, []
        for line in notes:
            if line.begins_paragraph or line.begins_column:
                self._separate()
                self._push(line.text)
            else:
                self._append(line)

    def _begins_paragraph(self, line: PlacedLine, last: PlacedLine) -> bool:
        if hyphens.divides_word(last.text, line.text):
            return False
        ends = _ENDS_SENTENCE.search(last.text[-9:]) is not None
        same_size = abs(line.size - last.size) <= _SAME_SIZE * last.size
        if line.text[:1].islower() and not ends and same_size and (line.begins_column or last.is_full):
            return False
        if not line.begins_column:
            return line.begins_paragraph
        return ends or not last.is_full or not same_size or _ITEM.match(line.text) is not None

    def _append(self, line: PlacedLine) -> None:
        last = self.pieces.pop()
        self.n_chars -= len(last)
        joined = hyphens.join(last, line.text, self._hyphenation)
        self._push(last.rstrip("\u00ad") + " " if joined is None else joined)
        self._push(line.text)

    def _separate(self) -> None:
        if self.pieces:
            last = self.pieces.pop()
            self.n_chars -= len(last)
            self._push(last.rstrip("\u00ad"))
            self._push("\n\n")

    def _push(self, piece: str) -> None:
        self.pieces.append(piece)
        self.n_chars += len(piece)
