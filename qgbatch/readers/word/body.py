"""The XML of a Word document to paragraphs: runs, notes, tables, symbols and equations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from qgbatch.readers.prose import arranges_text, is_prose
from qgbatch.readers.scripts import LEFT_OUT, MARKS, resolve_marks
from qgbatch.readers.word.equations import linear_text
from qgbatch.readers.word.names import attribute, name_of
from qgbatch.readers.word.positions import position_of
from qgbatch.readers.word.symbols import in_font, symbol
from qgbatch.records import OmittedKind

_OMITTED = {"mc:Fallback", "w:del", "w:moveFrom", "w:pPr", "w:rPr", "w:sectPr"}
"""``mc:Fallback`` repeats the text before it for older programs."""
_PICTURES = {":pic", ":imagedata", ":chart", ":relIds"}
_BREAKS = {"w:tab": " ", "w:ptab": " ", "w:br": "\n", "w:cr": "\n", "w:noBreakHyphen": "-"}
_WRAPPERS = {"w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo"}
_FALSE = ("", "0", "false", "off")
_SOFT_HYPHEN = "\u00ad"


class Body:
    """Turns elements into paragraphs; each note is read once, where the text refers to it."""

    def __init__(
        self,
        notes: dict[tuple[str, str], Any],
        positions: Mapping[str, str],
        counts: Counter[OmittedKind],
        embedded_text: Callable[[str], str],
    ) -> None:
        """Prepare for the elements of one document.

        Args:
            notes: The notes by ``footnote`` or ``endnote`` and their id; empties as they are read.
            positions: What :func:`positions_of_styles` returns.
            counts: Counts pictures and tables of data, which are left out.
            embedded_text: Gives the text of an embedded document for the id of its relationship.
        """
        self._notes = notes
        self._positions = positions
        self._counts = counts
        self._embedded_text = embedded_text
        self._font = ""
        self._paragraphs: list[str] = []
        self._pieces: list[str] = []
        """What has been read of the current paragraph."""
        self._footnotes: list[Any] = []
        self._endnotes: list[Any] = []

    def paragraphs(self, body: Any) -> list[str]:
        """The paragraphs in order: footnotes after the paragraph with their mark, endnotes last."""
        found = self._collect(body)
        for note in self._endnotes:  # which may get longer meanwhile
            found += self._collect(note)
        return found

    def _collect(self, element: Any) -> list[str]:
        """The paragraphs of one element only."""
        outside = self._paragraphs, self._pieces
        self._paragraphs, self._pieces = [], []
        self._read_children(element)
        self._end_paragraph()
        found = self._paragraphs
        self._paragraphs, self._pieces = outside
        return found

    def _end_paragraph(self) -> None:
        parts = "".join(self._pieces).split("\n\n")  # two line breaks look like a new paragraph
        self._paragraphs += [text for part in parts if part and (text := _tidy(part))]
        self._pieces.clear()

    def _read_children(self, element: Any) -> None:
        for child in element:
            self._read(child)

    def _read(self, element: Any) -> None:
        name = name_of(element)
        if name in _BREAKS:
            self._pieces.append(_BREAKS[name])
        elif name in _PICTURES:
            self._counts["pictures"] += 1
        elif name not in _OMITTED:
            self._READERS.get(name, Body._read_children)(self, element)

    def _read_paragraph(self, paragraph: Any) -> None:
        self._end_paragraph()
        self._read_children(paragraph)
        self._end_paragraph()
        footnotes, self._footnotes = self._footnotes, []
        for note in footnotes:
            self._paragraphs += self._collect(note)

    def _read_run(self, run: Any) -> None:
        before, after = MARKS.get(position_of(run, self._positions), ("", ""))
        self._font = _font_of(run)
        self._pieces.append(before)
        for element in run:
            self._read(element)
            if attribute(element, "customMarkFollows") not in _FALSE:
                break  # the rest of the run is the mark
        self._pieces.append(after)

    def _read_text(self, element: Any) -> None:
        self._pieces.append(in_font(element.text or "", self._font))

    def _read_symbol(self, element: Any) -> None:
        self._pieces.append(symbol(attribute(element, "font"), attribute(element, "char")))

    def _read_reference(self, element: Any) -> None:
        self._pieces.append(LEFT_OUT)
        kind = name_of(element)[2:].removesuffix("Reference")
        note = self._notes.pop((kind, attribute(element, "id")), None)
        if note is not None:
            (self._footnotes if kind == "footnote" else self._endnotes).append(note)

    def _read_equation(self, element: Any) -> None:
        self._pieces.append(linear_text(element))

    def _read_displayed_equations(self, element: Any) -> None:
        self._pieces += ["\n", *(part for child in element for part in (linear_text(child), "\n"))]

    def _read_embedded(self, element: Any) -> None:
        self._end_paragraph()
        self._pieces.append(self._embedded_text(attribute(element, "id")))
        self._end_paragraph()

    def _read_table(self, element: Any) -> None:
        self._end_paragraph()
        self._paragraphs += self._table(element)

    def _table(self, table: Any) -> list[str]:
        """The paragraphs of a table that arranges text, or of one row or column; none of one of data."""
        rows = [
            [cell for cell in map(self._collect, _inside(row, "w:tc")) if cell]
            for row in _inside(table, "w:tr")
        ]
        cells = [cell for row in rows for cell in row]
        n_chars = [sum(map(len, cell)) for cell in cells]
        n_prose_chars = sum(
            n for n, cell in zip(n_chars, cells, strict=True) if len(cell) > 1 or is_prose(n, cell[-1])
        )
        is_list = sum(map(bool, rows)) == 1 or all(len(row) <= 1 for row in rows)
        if is_list or arranges_text(sum(n_chars), n_prose_chars):
            return [paragraph for cell in cells for paragraph in cell]
        self._counts["tables"] += 1
        return []

    _READERS: ClassVar[dict[str, Callable[[Body, Any], None]]] = {
        "w:p": _read_paragraph,
        "w:r": _read_run,
        "w:t": _read_text,
        "w:sym": _read_symbol,
        ":symEx": _read_symbol,  # for code points above FFFF
        "w:footnoteReference": _read_reference,
        "w:endnoteReference": _read_reference,
        "m:oMath": _read_equation,
        "m:oMathPara": _read_displayed_equations,
        "w:altChunk": _read_embedded,
        "w:tbl": _read_table,
    }


def _inside(element: Any, name: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row, in order, without those of tables inside it."""
    waiting = [element]
    while waiting:
        current = waiting.pop()
        if name_of(current) == name:
            yield current
        elif current is element or name_of(current) in _WRAPPERS:
            waiting.extend(reversed(current))


def _font_of(run: Any) -> str:
    fonts = run.find("{*}rPr/{*}rFonts")
    return "" if fonts is None else attribute(fonts, "ascii")


def _tidy(paragraph: str) -> str:
    """A paragraph with its marks resolved, without soft hyphens and spaces at the ends of lines."""
    text = resolve_marks(paragraph.replace(_SOFT_HYPHEN, ""))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
