"""Rows -> documents: their text, cut at the passages that questions were asked of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from qgbatch.errors import SettingsError
from qgbatch.exports.row_checks import CheckedRow
from qgbatch.readers.kinds import is_table
from qgbatch.readers.reading import read_documents
from qgbatch.records import Document, Provenance
from qgbatch.settings import FileSettings


@dataclass(slots=True)
class Passage:
    """What was asked of one span of a document."""

    start_char: int
    end_char: int
    page: int | None
    """From 1, of a PDF."""
    text: str | None
    """The span's text, if it is known."""
    rows: list[int] = field(default_factory=list)
    """Positions in the table of its questions."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a document: a passage, or what is between two."""

    text: str | None
    """None where it is not known."""
    n_chars: int
    passage: Passage | None = None


@dataclass(frozen=True, slots=True)
class SourceText:
    """A document with all that was asked of it."""

    source: str
    is_whole: bool
    """Its text was read, not only its passages."""
    segments: Sequence[Segment]
    """In the order of the text; passages that overlap, as after two runs, come one after the other."""


def bring_together(rows: Sequence[CheckedRow], provenance: Provenance | None) -> list[SourceText]:
    """The documents of a table, in the order of their first rows.

    Args:
        rows: of a run's output.
        provenance: Of the run, if known; it tells with which encodings documents were read.
    """
    documents: dict[tuple[str, str], dict[tuple[int, int], Passage]] = {}
    for position, row in enumerate(rows):
        passages = documents.setdefault((str(row["source"]), str(row["document_sha256"])), {})
        span = int(row["start_char"]), int(row["end_char"])
        if span not in passages:
            page, text = row.get("page"), row.get("context")
            passages[span] = Passage(
                *span, int(page) if page else None, None if text is None else str(text)
            )
        passages[span].rows.append(position)
    settings = _file_settings(provenance)
    return [
        _cut(source, _read_again(source, sha256, settings), sorted(passages.items()))
        for (source, sha256), passages in documents.items()
    ]


def _file_settings(provenance: Provenance | None) -> FileSettings:
    encodings = provenance.extra.get("encoding") if provenance else None
    try:
        return FileSettings(encoding=tuple(map(str, encodings or ())))
    except (SettingsError, TypeError):
        return FileSettings()


def _read_again(source: str, sha256: str, settings: FileSettings) -> str | None:
    """The text of a file that still is what the questions were asked of.

    The name comes from the table, which may be a stranger's: nothing but a file of this machine is
    opened, and the text is used only if the table knows it already, by its hash.
    """
    if not os.path.isfile(source) or is_table(source):
        return None
    document = next(read_documents(source, settings))[0]
    return document.text if isinstance(document, Document) and document.sha256 == sha256 else None


def _cut(source: str, text: str | None, passages: Iterable[tuple[object, Passage]]) -> SourceText:
    return SourceText(source, text is not None, list(_segments(text, [passage for _, passage in passages])))


def _segments(text: str | None, passages: Sequence[Passage]) -> Iterator[Segment]:
    shown = 0  # characters from the beginning on
    for passage in passages:
        yield from _between(text, shown, passage.start_char)
        shown = max(shown, passage.end_char)
        n_chars = passage.end_char - passage.start_char
        known = passage.text if text is None else text[passage.start_char : passage.end_char]
        yield Segment(known, n_chars, passage)
    if text is not None:
        yield from _between(text, shown, len(text))


def _between(text: str | None, start: int, end: int) -> Iterator[Segment]:
    """What no question was asked of, but for white space."""
    if text is None and end > start + 2:  # a line end or two part paragraphs
        yield Segment(None, end - start)
    if text is not None and (segment := text[start:end].strip()):
        yield Segment(segment, len(segment))
