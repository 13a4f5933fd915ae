"""Contents pages of PDFs: lines that end with the number of a page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qgbatch.readers.pdf_lines import Line

_HEADING = re.compile(
    r"(?:table of )?contents|inhalt(?:sverzeichnis)?|table des mati\u00e8res|sommaire|\u00edndice|indice"
    r"|contenido|sommario|inhoud(?:sopgave)?|inneh\u00e5ll|list of (?:figures|tables)"
    r"|\u76ee\u6b21|\u76ee\u5f55"
    r"|\u043e\u0433\u043b\u0430\u0432\u043b\u0435\u043d\u0438\u0435"
    r"|\u0441\u043e\u0434\u0435\u0440\u0436\u0430\u043d\u0438\u0435",
    re.IGNORECASE,
)
_PAGE = re.compile(r"\d{1,4}|[ivxlc]{1,7}", re.IGNORECASE)
_N_DOTS = 4
_N_DOTS_ALONE = 8
"""So many dots at the end of a line are a place to write in."""
_DOTS = set(".\u2026\u00b7_")
_MAX_WRAPPED_LINES = 2


def without_contents(lines: Sequence[Line]) -> list[Line]:
    """The lines of a column without a list of contents, and without lines that end with a row of dots."""
    kept: list[Line] = []
    heading: Line | None = None
    goes_on = len(lines) > 1 and _ends_with_page(lines[0]) and _has_leader(lines[1].text)
    n_since_entry = 0 if goes_on else -1
    """Lines since the heading or the last entry; negative outside a list of contents."""
    for line in lines:
        if _HEADING.fullmatch(line.text[:40].strip(" :.")):
            kept.append(line)
            n_since_entry, heading = 0, line
        elif _has_leader(line.text) or (n_since_entry >= 0 and _ends_with_page(line)):
            if n_since_entry > 0:  # the lines before belong to this entry
                del kept[len(kept) - n_since_entry :]
            if kept and kept[-1] is heading:
                kept.pop()
            n_since_entry = 0
        else:
            kept.append(line)
            n_since_entry = n_since_entry + 1 if 0 <= n_since_entry < _MAX_WRAPPED_LINES else -1
    return kept


def _has_leader(text: str) -> bool:
    """Whether the line ends with a row of dots, or with one and a number."""
    end = "".join(text[-40:].split())
    number = re.search(r"(?:\d{1,4}|[ivxlc]{1,7})$", end, re.IGNORECASE)
    n_dots = _N_DOTS if number else _N_DOTS_ALONE
    dots = end[: number.start()] if number else end
    return len(dots) >= n_dots and set(dots[-n_dots:]) <= _DOTS


def _ends_with_page(line: Line) -> bool:
    words = line.text[-20:].split()
    return len(words) > 1 and _PAGE.fullmatch(words[-1]) is not None
