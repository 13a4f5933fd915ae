"""Running headers, footers and page numbers of PDF pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from qgbatch.readers.pdf_lines import Line
from qgbatch.records import OmittedKind

_N_ROWS = 4
"""So many rows at the top and at the bottom of a page are compared with those of other pages."""
_SAME_PLACE = 3.0
"""Points by which the rows of two pages may differ in height."""
_WIDE_GAP = 1.3
_SHORT = 0.7
_MIN_TITLE = 8
"""Titles of chapters have so many characters; what is shorter may recur by chance."""
_MIN_PAGES = 3
"""So many pages on which headers recur show where the headers are that do not."""
_NUMBER = re.compile(r"\d{1,5}")
_ROMAN = re.compile(r"\b[ivxlc]{1,7}\b")
_PAGE_NUMBER = re.compile(
    r"\W*(?:(page|seite|p\u00e1gina|pagina|sida|\u0441\u0442\u0440|p)\b\W*)?(\d{1,5}|[ivxlc]{1,7})(\s?(?:of|von|de|di|sur|/)\s?\d{1,5})?\W*"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """The lines of the same height."""

    lines: list[Line]
    key: str
    """The text without numbers."""
    numbers: list[int]
    """The numbers that can be a page number: nothing else is beside them."""
    titles: frozenset[str]
    """The two texts beside each other, without numbers, of which one may stay the same."""
    is_isolated: bool
    """Whether there is a gap between it and the inner part of the page."""
    is_short: bool
    """Whether it is clearly shorter than the longest row."""

    @property
    def baseline(self) -> float:
        return self.lines[0].baseline

    @property
    def place(self) -> tuple[int, int]:
        """Its height on the page and the size of its font."""
        return round(self.baseline), round(self.lines[0].size)

    @property
    def ends_sentence(self) -> bool:
        return self.key.endswith((".", "!", "?", ";", ","))

    def recurs_as(self, other: _Row, distance: int) -> bool:
        """Whether it is the other row again, so many pages further."""
        if abs(self.baseline - other.baseline) > _SAME_PLACE:
            return False
        if any(number + distance in other.numbers for number in self.numbers):
            return True
        if self.is_isolated and other.is_isolated and not self.titles.isdisjoint(other.titles):
            return True
        return self.key == other.key and any(map(str.isalpha, self.key))


def remove_margins(pages: Sequence[Sequence[Line]], counts: Counter[OmittedKind]) -> list[list[Line]]:
    """The lines of each page without those that recur at the top or bottom of pages nearby, numbers aside.

    Args:
        pages: The lines of each page in the order of the file; the order is kept.
        counts: Counts the rows that are removed, as page headers and page footers.
    """
    rows = [_rows(page) for page in pages]
    headers, footers = (_running_rows(rows, is_bottom) for is_bottom in (False, True))
    kept = list(map(_without, pages, headers, footers))
    if 2 * sum(map(bool, kept)) < sum(map(bool, pages)):
        # The pages have the same text: only their numbers are no part of it.
        headers, footers = (
            [[row for row in page if row.numbers] for page in each] for each in (headers, footers)
        )
        kept = list(map(_without, pages, headers, footers))
    counts["page_headers"] += sum(map(len, headers))
    counts["page_footers"] += sum(map(len, footers))
    return kept


def _running_rows(pages: Sequence[Sequence[list[Line]]], is_bottom: bool) -> list[list[_Row]]:
    """The running headers, or footers, of each page."""
    edges = [_edge(rows, is_bottom) for rows in pages]
    known = {
        (row.key, round(row.baseline) + difference)
        for number in range(len(pages))
        for row in _running(edges, number, is_bottom)
        for difference in (-2, -1, 0, 1, 2)
    }
    running = [[row for row in edge if (row.key, round(row.baseline)) in known] for edge in edges]
    places = _places(edges, running)
    return [
        rows
        or [row for row in edge[:1] if row.place in places and row.is_isolated and not row.ends_sentence]
        for rows, edge in zip(running, edges, strict=True)
    ]


def _places(edges: Sequence[list[_Row]], running: Sequence[list[_Row]]) -> set[tuple[int, int]]:
    """The places that headers, or footers, take on most of the pages that have text there."""
    n_pages = Counter(edge[0].place for edge in edges if edge)
    n_running = Counter(rows[0].place for rows in running if rows)
    return {place for place, n in n_running.items() if n >= _MIN_PAGES and 2 * n > n_pages[place]}


def _without(page: Sequence[Line], headers: Sequence[_Row], footers: Sequence[_Row]) -> list[Line]:
    ids = {id(line) for row in (*headers, *footers) for line in row.lines}
    return [line for line in page if id(line) not in ids]


def _rows(page: Sequence[Line]) -> list[list[Line]]:
    """The lines of a page from top to bottom, those of the same height together."""
    rows: list[list[Line]] = []
    for line in sorted(page, key=lambda line: -line.baseline):
        if rows and rows[-1][0].baseline - line.baseline < 0.3 * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    return rows


def _edge(rows: Sequence[list[Line]], is_bottom: bool) -> list[_Row]:
    """The outer rows of a page, beginning with the outermost."""
    if not rows:
        return []
    distances = sorted(above[0].baseline - below[0].baseline for above, below in pairwise(rows))
    usual = min([*distances[(len(distances) - 1) // 2 :][:1], 1.5 * rows[0][0].size])
    width = max(sum(line.right - line.left for line in row) for row in rows)
    middle = (rows[0][0].baseline + rows[-1][0].baseline) / 2
    if is_bottom:
        rows = rows[::-1]
    edge = []
    for row, inner in zip(rows[:_N_ROWS], [*rows[1:], rows[-1]], strict=False):
        baseline = row[0].baseline
        if baseline > middle if is_bottom else baseline < middle:
            break
        is_isolated = abs(baseline - inner[0].baseline) > _WIDE_GAP * usual
        is_short = sum(line.right - line.left for line in row) < _SHORT * width
        edge.append(_row(row, is_isolated, is_short))
    return edge


def _row(lines: list[Line], is_isolated: bool, is_short: bool) -> _Row:
    lines = sorted(lines, key=lambda line: line.left)
    keys = [_without_numbers(line.text) for line in lines]
    matches = [_PAGE_NUMBER.fullmatch(line.text.casefold()) for line in lines]
    titles = [key for key, match in zip(keys, matches, strict=True) if not match]
    return _Row(
        lines,
        " ".join(keys),
        [_value(match[2]) for match in matches if match],
        frozenset(title for title in titles if len(titles) == 2 and len(title) >= _MIN_TITLE),
        is_isolated,
        is_short,
    )


def _without_numbers(text: str) -> str:
    return _ROMAN.sub("#", _NUMBER.sub("#", text.casefold()))


def _value(number: str) -> int:
    """The value of an Arabic or Roman number."""
    if number.isdecimal():
        return int(number)
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[digit] for digit in number]
    return sum(-a if a < b else a for a, b in pairwise([*values, 0]))


def _running(edges: Sequence[list[_Row]], page: int, is_bottom: bool) -> list[_Row]:
    """The rows at an edge of a page that recur on pages nearby and are not the beginning of equal texts."""
    edge = edges[page]
    others = [other for other in (page - 2, page - 1, page + 1, page + 2) if 0 <= other < len(edges)]
    recurs = [
        any(row.recurs_as(again, other - page) for other in others for again in edges[other])
        for row in edge
    ]
    for n_rows in range(1, min(len(edge), _N_ROWS - 1) + 1):
        row = edge[n_rows - 1]
        stands_out = n_rows == 1 and not all(recurs) and row.is_short and not row.ends_sentence
        if recurs[n_rows - 1] and (row.is_isolated or row.numbers or stands_out):
            return [row for row, again in zip(edge[:n_rows], recurs, strict=False) if again]
    return [row for row in edge[:1] if is_bottom and row.is_isolated and _is_number_of(row, page + 1)]


def _is_number_of(row: _Row, page: int) -> bool:
    match = _PAGE_NUMBER.fullmatch(row.key.replace("#", "1"))
    return match is not None and (page in row.numbers or (match[1] or match[3]) is not None)
