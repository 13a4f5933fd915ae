"""The documents of a table: one per row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

from qgbatch.errors import DocumentError
from qgbatch.readers.content import display, without_soft_hyphens
from qgbatch.readers.kinds import kind_of
from qgbatch.readers.plain_text import running_text
from qgbatch.readers.table_rows import TEXT, Columns, TableRow, read_table_rows
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings

MAX_ROWS_WITHOUT_COLUMN = 1_000
"""The first rows of JSONL of which one must have the column: a file without it is not read to its end."""
_MAX_ID_CHARS = 1_000
_MAX_COLUMNS_SHOWN = 20
_MAX_NAME_CHARS_SHOWN = 80
_Found: TypeAlias = tuple[Document | Failure, float]


def read_table_documents(path: str, files: FileSettings) -> Iterator[tuple[Document | Failure, float]]:
    """Yield a document per row, or a failure for a row without text, and the share of the file read so far.

    The source of a document is ``PATH#ID``; without an id column the id is the number of the
    row, from 0.

    Raises:
        DocumentError: the table cannot be read, has no rows or lacks a column.
    """
    source, n_rows = display(path), 0
    kind = kind_of(path)
    is_jsonl = kind is not None and kind.name == "jsonl"
    wanted = [name for name in (files.text_column, files.id_column) if name is not None]
    rows = read_table_rows(
        path,
        wanted,
        check_columns=lambda columns: None if is_jsonl else _check_columns(columns, source, files),
        encodings=files.encoding,
    )
    late = _LateColumns(wanted if is_jsonl else ())
    for row in rows:
        found = _document_or_failure(row, source, n_rows, files), row.share
        n_rows += 1
        if late.hold(row, found):
            if len(late.held) == MAX_ROWS_WITHOUT_COLUMN:
                _check_columns(
                    late.columns, source, files, f" in the first {MAX_ROWS_WITHOUT_COLUMN:,} rows"
                )
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
        held: Failures, each with a share of the file: no held row has all columns.
        columns: Columns of the held rows.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        self._wanted = wanted
        self._missing = set(wanted)
        self.held: list[_Found] = []
        self.columns: dict[str, str | None] = {}

    def hold(self, row: TableRow, found: _Found) -> bool:
        """Hold a row back if some column has not appeared yet."""
        self._missing -= row.values.keys()
        if not self._missing or row.error:
            return False
        self.held.append(found)
        for name in row.values:
            if len(self.columns) <= _MAX_COLUMNS_SHOWN or name in self._wanted:
                self.columns[name] = None
        return True

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
    text = running_text(without_soft_hyphens(text.replace("\r\n", "\n").replace("\r", "\n")))
    return Document.from_text(text, name)


def _id(values: Mapping[str, Any], column: str, place: str) -> str:
    value = values.get(column)
    if isinstance(value, float) and value.is_integer():  # pandas stores integers with gaps as floats
        value = int(value)
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
        text = display(str(value))
        if len(text) <= _MAX_ID_CHARS:
            return text
    raise DocumentError(f"{place}: column {column!r} has no id.", "Give each row a number or a short text.")


def _check_columns(columns: Columns, source: str, files: FileSettings, where: str = "") -> None:
    for option, name in (("--text-column", files.text_column), ("--id-column", files.id_column)):
        if name is not None and name not in columns:
            shown = [repr(column[:_MAX_NAME_CHARS_SHOWN]) for column in list(columns)[:_MAX_COLUMNS_SHOWN]]
            more = ["..."] if len(columns) > len(shown) else []
            raise DocumentError(
                f"{source}: there is no column {name!r}{where}, only {', '.join(shown + more) or 'none'}.",
                f"Name one with {option}.",
            )
    kind = columns[files.text_column]
    if kind not in (TEXT, None):
        raise DocumentError(
            f"{source}: column {files.text_column!r} is {kind}, not text.", "Name another --text-column."
        )
