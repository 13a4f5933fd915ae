"""The lines of a PDF page in reading order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from qgbatch.readers.pdf_words import Word, is_exponent

_WIDE_SPACE = 0.7
"""A space wider than this share of the font's height may be the space between columns."""
_NO_SPACE = 0.1
_MIN_ROWS = 3
"""So many rows in which a space has the same place are columns."""
_COLUMN_WIDTH = 8.0
"""Columns of text are wider than this many times the font's height; the columns of tables are not."""
_UNREADABLE = re.compile("[\ue000-\uf8ff\ufffd\U000f0000-\U0010ffff]")
"""What a font without a table of its characters gives."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, or the part of it between two wide spaces."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    has_mark: bool = False
    """Whether it begins with a note mark, which is not in the text."""
    n_unreadable: int = 0
    """The number of its characters that are unreadable or belong to a line that is."""


def split_lines(words: Iterable[Word]) -> list[Line]:
    """The lines of words in the order of the file, cut at wide spaces and without raised note marks."""
    runs: list[list[Word]] = []
    mark: Word | None = None
    """A word at the beginning of a line that is a note mark if the next word is lower."""
    for word in words:
        last = runs[-1][-1] if runs else None
        if mark:
            if mark.is_raised_above(word):
                word, last = word._replace(mark=mark.text), None
            else:
                runs.append([mark])
                last = mark
            mark = None
        follows = _follows(word, last)
        if word.is_mark() and not follows:
            mark = word
        elif word.text and follows:
            _add(word, runs[-1])
        elif word.text:
            runs.append([word])
    return [_line(run) for run in [*runs, *([[mark]] if mark else [])]]


def _add(word: Word, line: list[Word]) -> None:
    """Append a word without a note mark; an exponent becomes ``^2`` behind the last word."""
    last, mark, text = line[-1], word.mark, word.text
    if word.is_mark() and word.is_raised_above(last):
        mark, text = text, ""
    touches = word.left - last.right < _NO_SPACE * last.size
    if mark and touches and is_exponent(mark, last.text):
        space = " " if mark[-1].isdigit() and text[:1].isdigit() else ""
        line[-1] = last._replace(text=f"{last.text}^{mark}{space}{text}", right=word.right)
    elif text:
        line.append(word)


def _follows(word: Word, last: Word | None) -> bool:
    if last is None:
        return False
    size = max(word.size, last.size)
    on_the_line = abs(word.baseline - last.baseline) < 0.3 * size or word.is_raised_above(last)
    return on_the_line and -0.5 * size < word.left - last.right < _WIDE_SPACE * size


def _line(words: Sequence[Word]) -> Line:
    first = words[0]
    size = median(word.size for word in words)
    texts = [first.text]
    for before, word in pairwise(words):
        if (
            word.text[0] in ".,;:!?)" and word.left - before.right < _NO_SPACE * word.size
        ):  # behind a note mark
            texts[-1] += word.text
        else:
            texts.append(word.text)
    text, n_unreadable = _readable(texts)
    return Line(text, first.left, words[-1].right, first.baseline, size, bool(first.mark), n_unreadable)


def _readable(words: list[str]) -> tuple[str, int]:
    """The line without unreadable characters, nothing if a third of its words have any; their number."""
    if len(words) > 1 and len(words[0]) == 1 and _UNREADABLE.match(words[0]):
        words[0] = "\u2022"  # of a list
    n_broken = sum(_UNREADABLE.search(word) is not None for word in words)
    if 3 * n_broken >= len(words):
        return "", sum(map(len, words))
    readable = [_UNREADABLE.sub("", word) for word in words] if n_broken else words
    n_unreadable = sum(map(len, words)) - sum(map(len, readable))
    text = " ".join(" ".join(readable).split())
    return text[:-1].replace("\u00ad", "") + text[-1:], n_unreadable


def reading_order(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines of each column, the parts of a line joined; columns are read one after the other.

    The order of the file is kept unless the file contains the columns row by row.
    """
    gutters = _gutters(lines)
    groups = _columns(lines, gutters) if gutters else [lines]
    return [_join_parts(group) for group in groups if group]


def _gutters(lines: Sequence[Line]) -> list[float]:
    """The horizontal positions between the columns of text that the file contains row by row."""
    pairs = [
        (left, right)
        for left, right in pairwise(lines)
        if left.right < right.left and abs(left.baseline - right.baseline) < 0.8 * left.size
    ]
    pairs.sort(key=lambda pair: pair[1].left)
    spaces: list[list[tuple[Line, Line]]] = []
    for pair in pairs:
        if spaces and pair[0].right < spaces[-1][0][1].left:
            spaces[-1].append(pair)
        else:
            spaces.append([pair])
    return [
        (max(left.right for left, _ in rows) + rows[0][1].left) / 2 for rows in spaces if _are_columns(rows)
    ]


def _are_columns(rows: Sequence[tuple[Line, Line]]) -> bool:
    widths = ([row[side].right - row[side].left for row in rows] for side in (0, 1))
    size = median(left.size for left, _ in rows)
    return len(rows) >= _MIN_ROWS and all(median(side) > _COLUMN_WIDTH * size for side in widths)


def _columns(lines: Sequence[Line], gutters: Sequence[float]) -> list[Sequence[Line]]:
    groups: list[Sequence[Line]] = []
    columns: list[list[Line]] = [[] for _ in range(len(gutters) + 1)]
    for line in sorted(lines, key=lambda line: (-round(line.baseline), line.left)):
        if any(line.left < gutter < line.right for gutter in gutters):
            groups += [*columns, [line]]
            columns = [[] for _ in range(len(gutters) + 1)]
        else:
            columns[sum(gutter <= line.left for gutter in gutters)].append(line)
    return [*groups, *columns]


def _join_parts(lines: Sequence[Line]) -> list[Line]:
    joined: list[list[Line]] = []
    for line in lines:
        last = joined[-1][-1] if joined else None
        if last and last.right <= line.left and abs(last.baseline - line.baseline) < 0.3 * last.size:
            joined[-1].append(line)
        else:
            joined.append([line])
    return [
        replace(parts[0], text=" ".join(part.text for part in parts if part.text), right=parts[-1].right)
        for parts in joined
    ]
