"""The documents of a table: one per row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers.content import display, without_soft_hyphens
from qgbatch.readers.table_rows import TEXT, Columns, TableRow, read_table_rows
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings

_MAX_ID_CHARS = 1_000
_MAX_COLUMNS_SHOWN = 20
_MAX_NAME_CHARS_SHOWN = 80


def read_table_documents(path: str, files: FileSettings) -> Iterator[tuple[Document | Failure, float]]:
    """Yield a document per row, or a failure for a row without text, and the share of the file read so far.

    The source of a document is ``PATH#ID``; without an id column the id is the number of the
    row, from 0.

    Raises:
        DocumentError: the table cannot be read, has no rows or lacks a column.
    """
    source, n_rows = display(path), 0
    rows = read_table_rows(
        path,
        [name for name in (files.text_column, files.id_column) if name is not None],
        check_columns=lambda columns: _check_columns(columns, source, files),
        encodings=files.encoding,
    )
    for row in rows:
        try:
            yield _document(row, source, n_rows, files), row.share
        except DocumentError as error:
            yield Failure.of(f"{source}#{n_rows}", "read", error), row.share
        n_rows += 1
    if not n_rows:
        raise DocumentError(f"{source}: the table has no rows.", "Remove it or add rows.")


def _document(row: TableRow, source: str, number: int, files: FileSettings) -> Document:
    if row.error:
        raise row.error
    name = f"{source}#{number}"
    if files.id_column is not None:
        name = f"{source}#{_id(row.values, files.id_column, name)}"
    text = row.values.get(files.text_column)
    place = f"{source}: row {number}, column {files.text_column!r}"
    if text is None:
        raise DocumentError(f"{place}: has no text.", "Add a text or remove the row.")
    if not isinstance(text, str):
        raise DocumentError(f"{place}: {type(text).__name__}, not text.", "Name another --text-column.")
    if not text or text.isspace():
        raise DocumentError(f"{place}: is empty.", "Add a text or remove the row.")
    text = without_soft_hyphens(text.replace("\r\n", "\n").replace("\r", "\n"))
    return Document.from_text(text, name)


def _id(values: Mapping[str, Any], column: str, place: str) -> str:
    value = values.get(column)
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
        text = display(str(value))
        if len(text) <= _MAX_ID_CHARS:
            return text
    raise DocumentError(f"{place}: column {column!r} has no id.", "Give each row a number or a short text.")


def _check_columns(columns: Columns, source: str, files: FileSettings) -> None:
    for option, name in (("--text-column", files.text_column), ("--id-column", files.id_column)):
        if name is not None and name not in columns:
            shown = [repr(column[:_MAX_NAME_CHARS_SHOWN]) for column in list(columns)[:_MAX_COLUMNS_SHOWN]]
            more = ["..."] if len(columns) > len(shown) else []
            raise DocumentError(
                f"{source}: there is no column {name!r}, only {', '.join(shown + more) or 'none'}.",
                f"Name one with {option}.",
            )
    kind = columns[files.text_column]
    if kind not in (TEXT, None):
        raise DocumentError(
            f"{source}: column {files.text_column!r} is {kind}, not text.", "Name another --text-column."
        )
