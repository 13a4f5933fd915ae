"""The documents of a table: one per row."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from qgbatch.errors import DocumentError, display, name_setting
from qgbatch.readers.content import without_soft_hyphens
from qgbatch.readers.kinds import kind_of
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.plain_text import running_text
from qgbatch.readers.table_rows import TEXT, Columns, TableRow, read_table_rows
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings

MAX_ROWS_WITHOUT_COLUMN = 1_000
"""The first rows of JSONL of which one must have the column: a file without it is not read to its end."""
MAX_CHARS_WITHOUT_COLUMN = 32 << 20
"""A second limit for the same rows: those with text in other columns wait in memory."""
_TITLE_COLUMN = "title"
_MARKUP = "# \t"
_MAX_ID_CHARS = 1_000
_MAX_COLUMNS_SHOWN = 20
_MAX_NAME_CHARS_SHOWN = 80
_Found: TypeAlias = tuple[Document | Failure, float]


def read_table_documents(path: str, files: FileSettings) -> Iterator[tuple[Document | Failure, float]]:
    """Yield a document per row, or a failure for a row without text, and the share of the file read so far.

    The text of a document is that of its text columns, below the title if the table has a column of this
    name. The source of a document is ``PATH#ID``; without an id column the id is the number of the
    row, from 0.

    Raises:
        DocumentError: the table cannot be read, has no rows or lacks a column.
    """
    source, n_rows = display(path), 0
    kind = kind_of(path)
    is_jsonl = kind is not None and kind.name == "jsonl"
    wanted = [
        name for name in (*files.text_column, files.id_column, *files.kept_columns) if name is not None
    ]
    rows = read_table_rows(
        path,
        wanted,
        optional=(_TITLE_COLUMN,),
        check_columns=lambda columns: None if is_jsonl else _check_columns(columns, source, files),
        encodings=files.encoding,
    )
    late = _LateColumns(wanted if is_jsonl else ())
    for row in rows:
        found = _document_or_failure(row, source, n_rows, files), row.share
        n_rows += 1
        if late.hold(row, found):
            if late.is_full:
                _check_columns(late.columns, source, files, f" in the first {len(late.held):,} rows")
            continue
        yield from late.release()
        yield found
    if late.held:
        _check_columns(late.columns, source, files)
    if not n_rows:
        raise DocumentError(f"{source}: the table has no rows.", "Remove it or add rows.")


class _LateColumns:
    """The first rows of JSONL, held back until all columns have appeared; a file without them is refused.

    Attributes:
        held: What was found in each row, with a share of the file.
        columns: Columns of the held rows.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        self._wanted = wanted
        self._missing = set(wanted)
        self._n_chars = 0
        self.held: list[_Found] = []
        self.columns: dict[str, str | None] = {}

    def hold(self, row: TableRow, found: _Found) -> bool:
        """Hold a row back if some column has not appeared yet."""
        self._missing -= row.values.keys()
        if not self._missing or row.error:
            return False
        self.held.append(found)
        if isinstance(found[0], Document):
            self._n_chars += len(found[0].text)
        for name in row.values:
            if len(self.columns) <= _MAX_COLUMNS_SHOWN or name in self._wanted:
                self.columns[name] = None
        return True

    @property
    def is_full(self) -> bool:
        """Whether no more rows may be held back."""
        return len(self.held) == MAX_ROWS_WITHOUT_COLUMN or self._n_chars > MAX_CHARS_WITHOUT_COLUMN

    def release(self) -> Iterator[_Found]:
        """Yield the rows that were held back."""
        if not self._missing:
            yield from self.held
            self.held.clear()


def _document_or_failure(
    row: TableRow, source: str, number: int, files: FileSettings
) -> Document | Failure:
    try:
        return _document(row, source, number, files)
    except DocumentError as error:
        return Failure.of(f"{source}#{number}", "read", error)


def _document(row: TableRow, source: str, number: int, files: FileSettings) -> Document:
    if row.error:
        raise row.error
    name, row_id = f"{source}#{number}", None
    if files.id_column is not None:
        row_id = _id(row.values, files.id_column, name)
        name = f"{source}#{row_id}"
    omissions = Omissions(name)
    text = _joined_texts(row.values, files.text_column, f"{source}: row {number}", omissions)
    title = None if _TITLE_COLUMN in files.text_column else _title(row.values.get(_TITLE_COLUMN))
    with_title = _with_title(title, text)
    return replace(
        Document.from_text(with_title, name, omitted=dict(omissions.counts)),
        text_start=len(with_title) - len(text),
        title=title,
        row_id=row_id,
        kept={column: _kept_text(row.values.get(column)) for column in files.kept_columns},
    )


def _joined_texts(
    values: Mapping[str, Any], columns: Sequence[str], place: str, omissions: Omissions
) -> str:
    texts = []
    for column in columns:
        text = values.get(column)
        if not isinstance(text, str | None):
            raise DocumentError(
                f"{place}, column {column!r}: {type(text).__name__}, not text.",
                f"Name another {name_setting('text_column')}.",
            )
        text = (text or "").replace("\r\n", "\n").replace("\r", "\n")
        text = running_text(without_soft_hyphens(text), omissions)
        if text and not text.isspace():
            texts.append(text)
    if not texts:
        shown = " or ".join(map(repr, columns))
        raise DocumentError(f"{place}: no text in column {shown}.", "Add a text or remove the row.")
    return "\n\n".join(texts)


def _title(value: object) -> str | None:
    """Return the text of a title column in one line, or ``None`` if there is none."""
    return " ".join(without_soft_hyphens(value).split()) or None if isinstance(value, str) else None


def _with_title(title: str | None, text: str) -> str:
    """Put a title above a text, as a heading stands there, unless it is the first line already."""
    first_line = text.lstrip().partition("\n")[0]
    if not title or first_line.strip(_MARKUP) == title.strip(_MARKUP):
        return text
    return f"{title}\n\n{text}"


def _kept_text(value: object) -> str | None:
    """Return the value of a column to keep: text as it is, other values as JSON."""
    if isinstance(value, float) and not math.isfinite(value):  # pandas stores missing numbers as NaN
        return None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _id(values: Mapping[str, Any], column: str, place: str) -> str:
    value = values.get(column)
    if isinstance(value, float) and value.is_integer():  # pandas stores integers with gaps as floats
        value = int(value)
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
        text = display(str(value))
        if len(text) <= _MAX_ID_CHARS:
            return text
    raise DocumentError(f"{place}: column {column!r} has no id.", "Give each row a number or a short text.")


def _check_columns(columns: Columns, source: str, files: FileSettings, where: str = "") -> None:
    named = [
        *(("text_column", name) for name in files.text_column),
        ("id_column", files.id_column),
        *(("keep_columns", name) for name in files.kept_columns),
    ]
    for setting, name in named:
        if name is not None and name not in columns:
            shown = [repr(column[:_MAX_NAME_CHARS_SHOWN]) for column in list(columns)[:_MAX_COLUMNS_SHOWN]]
            more = ["..."] if len(columns) > len(shown) else []
            raise DocumentError(
                f"{source}: there is no column {name!r}{where}, only {', '.join(shown + more) or 'none'}.",
                f"Name one with {name_setting(setting)}.",
            )
    for name in files.text_column:
        if (kind := columns[name]) not in (TEXT, None):
            raise DocumentError(
                f"{source}: column {name!r} is {kind}, not text.",
                f"Name another {name_setting('text_column')}.",
            )
