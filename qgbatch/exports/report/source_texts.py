"""The documents of a table of questions, cut into the passages with questions and the text between.

The text comes from the original file if it still exists and has not changed; otherwise only the
passages that the table contains are known.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from qgbatch.errors import SettingsError
from qgbatch.exports.row_checks import CheckedRow
from qgbatch.output.run_facts import Provenance
from qgbatch.readers.kinds import is_table
from qgbatch.readers.reading import read_documents
from qgbatch.records import Document
from qgbatch.settings import FileSettings


@dataclass(slots=True)
class Passage:
    """A span of a document with at least one question. Offsets are code points, half open."""

    start_char: int
    end_char: int
    page: int | None
    """Page number from 1; None if the document has no pages."""
    text: str | None
    """The text from the table; None if the table has no column ``context``."""
    row_indices: list[int] = field(default_factory=list)
    """Indices of the passage's questions in the table."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A passage, or the text between two passages."""

    text: str | None
    """None if it is not known."""
    n_chars: int
    passage: Passage | None = None
    """None for the text between passages."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """A document, cut into segments."""

    source: str
    is_whole: bool
    """Whether the whole text was read again, so that the text between the passages is known."""
    segments: Sequence[Segment]
    """In the order of the text. Passages may overlap if the table combines two runs."""


def load_source_texts(rows: Sequence[CheckedRow], provenance: Provenance | None) -> list[SourceText]:
    """Load the documents of a table, in the order of their first rows.

    Args:
        rows: The output of a run.
        provenance: Provenance of the run, if known; it names the encodings of the documents.
    """
    documents: dict[tuple[str, str], dict[tuple[int, int], Passage]] = {}
    for index, row in enumerate(rows):
        passages = documents.setdefault((str(row["source"]), str(row["document_sha256"])), {})
        span = int(row["start_char"]), int(row["end_char"])
        if span not in passages:
            page, text = row.get("page"), row.get("context")
            passages[span] = Passage(
                *span, int(page) if page else None, None if text is None else str(text)
            )
        passages[span].row_indices.append(index)
    settings = _file_settings(provenance)
    return [
        _cut(source, _read_again(source, sha256, settings), sorted(passages.items()))
        for (source, sha256), passages in documents.items()
    ]


def _file_settings(provenance: Provenance | None) -> FileSettings:
    """The encodings of the run; the defaults if they are missing or invalid."""
    encodings = provenance.extra.get("encoding") if provenance else None
    try:
        return FileSettings(encoding=tuple(map(str, encodings or ())))
    except (SettingsError, TypeError):
        return FileSettings()


def _read_again(source: str, sha256: str, settings: FileSettings) -> str | None:
    """Read the text of a document again; None if it is missing, has changed or is a row of a table.

    The path comes from the table, which may not be trustworthy. Therefore only local files are opened,
    and the text is used only if its hash is the one in the table.
    """
    if not os.path.isfile(source) or is_table(source):
        return None
    document = next(read_documents(source, settings))[0]
    return document.text if isinstance(document, Document) and document.sha256 == sha256 else None


def _cut(source: str, text: str | None, passages: Iterable[tuple[object, Passage]]) -> SourceText:
    return SourceText(source, text is not None, list(_segments(text, [passage for _, passage in passages])))


def _segments(text: str | None, passages: Sequence[Passage]) -> Iterator[Segment]:
    end = 0  # of the text that the segments so far cover
    for passage in passages:
        yield from _between(text, end, passage.start_char)
        end = max(end, passage.end_char)
        n_chars = passage.end_char - passage.start_char
        known = passage.text if text is None else text[passage.start_char : passage.end_char]
        yield Segment(known, n_chars, passage)
    if text is not None:
        yield from _between(text, end, len(text))


def _between(text: str | None, start: int, end: int) -> Iterator[Segment]:
    """The text between two passages, unless it is only white space."""
    if text is None and end > start + 2:  # one or two characters are probably line breaks
        yield Segment(None, end - start)
    if text is not None and (segment := text[start:end].strip()):
        yield Segment(segment, len(segment))
