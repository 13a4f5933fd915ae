"""Tables -> documents, one a row, as they are read: never a whole table in memory."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TypeAlias

from qgbatch.errors import DocumentError
from qgbatch.readers.content import MAX_MARKUP_BYTES, decode, display, is_packed, naming_errors, opened
from qgbatch.readers.kinds import kind_of
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings

Row: TypeAlias = tuple[Mapping[str, Any] | DocumentError, float]
"""A row, or why it is none, and the share of the table up to its end, 0 to 1."""

_MAX_ROW_BYTES = MAX_MARKUP_BYTES
_MAX_ID_CHARS = 1_000
_ROWS_AT_ONCE = 64
_COLUMNS_SHOWN = 20


def read_rows(path: str, files: FileSettings) -> Iterator[tuple[Document | Failure, float]]:
    """The documents of a table, and failures of rows without text; sources are ``PATH#ID``.

    Each comes with the share of the table that is read.

    Raises:
        DocumentError: the table cannot be read, has no rows or lacks a column.
    """
    source, row_number = display(path), 0
    with naming_errors(path), opened(path) as stream:
        for row_number, (row, share) in enumerate(_rows(path, stream, files), 1):
            name = f"{source}#{row_number - 1}"
            try:
                if isinstance(row, DocumentError):
                    raise row
                yield _document(row, source, row_number - 1, files), share
            except DocumentError as error:
                yield Failure.of(name, "read", error), share
    if not row_number:
        raise DocumentError(f"{source}: the table has no rows.", "Remove it or fill it.")


def _document(row: Mapping[str, Any], source: str, number: int, files: FileSettings) -> Document:
    name = f"{source}#{number}"
    if files.id_column is not None:
        name = f"{source}#{_id(row.get(files.id_column), name, files.id_column)}"
    text = row.get(files.text_column)
    where = f"{source}: row {number}, column {files.text_column!r}"
    if text is None:
        raise DocumentError(f"{where}: has no text.", "Fill it or remove the row.")
    if not isinstance(text, str):
        raise DocumentError(f"{where}: {type(text).__name__} is no text.", "Name another --text-column.")
    if not text or text.isspace():
        raise DocumentError(f"{where}: is empty.", "Fill it or remove the row.")
    return Document.from_text(text.replace("\r\n", "\n").replace("\r", "\n"), name)


def _id(value: object, name: str, column: str) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
        text = display(str(value))
        if len(text) <= _MAX_ID_CHARS:
            return text
    raise DocumentError(f"{name}: column {column!r} has no id.", "Give each row a number or a short text.")


def _size(stream: BinaryIO) -> int:
    """In bytes; the stream is at its beginning after."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def _rows(path: str, stream: BinaryIO, files: FileSettings) -> Iterator[Row]:
    kind = kind_of(path)
    assert kind
    if kind.name == "parquet":
        return _parquet_rows(stream, display(path), files)
    lines = _Lines(stream, path, files.encoding)
    if kind.name == "lines":
        return _json_rows(lines, files)
    return _csv_rows(lines, files, delimiter="\t" if kind.name == "tsv" else ",")


class _Lines:
    """Lines of a text file as bytes, each with its end, no more than a row may have without a pause."""

    def __init__(self, stream: BinaryIO, path: str, encodings: Sequence[str]) -> None:
        self._stream = stream
        self._content = gzip.GzipFile(fileobj=stream) if is_packed(path) else stream
        self._n_bytes = max(_size(stream), 1)
        self._encodings = encodings
        self._row_bytes = 0
        self.source = display(path)
        self.number = 0
        """Of the last line, from 1."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self._content.readline(_MAX_ROW_BYTES + 1 - self._row_bytes)
        self._row_bytes += len(line)
        self.number += 1
        if self._row_bytes > _MAX_ROW_BYTES:
            raise DocumentError(
                f"{self.source}: line {self.number} is in a row of more than {_MAX_ROW_BYTES >> 20} MiB.",
                "Is a quote left open? Else split the text.",
            )
        if not line:
            raise StopIteration
        return line

    def decode(self, line: bytes) -> str:
        """The last line as text."""
        return decode(line, f"{self.source}: line {self.number}", self._encodings)

    def end_row(self) -> float:
        """Begin a new row, and tell the share of the file that was read."""
        self._row_bytes = 0
        return min(self._stream.tell() / self._n_bytes, 1.0)


def _json_rows(lines: _Lines, files: FileSettings) -> Iterator[Row]:
    is_first = True
    for line in lines:
        share = lines.end_row()
        if line.isspace():
            continue
        where = f"{lines.source}: line {lines.number}"
        try:
            row = json.loads(lines.decode(line))
        except DocumentError as error:
            yield error, share
            continue
        except (ValueError, RecursionError) as error:
            reason = "nested too deep" if isinstance(error, RecursionError) else error
            yield DocumentError(f"{where}: is no JSON ({reason}).", "Correct or remove that line."), share
            continue
        if not isinstance(row, dict):
            yield DocumentError(f"{where}: is no JSON object.", "Write one object a line."), share
            continue
        if is_first:
            _check_columns(list(row), lines.source, files)
            is_first = False
        yield row, share


def _csv_rows(lines: _Lines, files: FileSettings, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(_MAX_ROW_BYTES)  # the default is 128 KiB, less than many a text has
    rows = csv.reader(map(lines.decode, lines), delimiter=delimiter)
    try:
        columns = next(rows, [])
        _check_columns(columns, lines.source, files)
        lines.end_row()
        for values in rows:
            share = lines.end_row()
            if values:
                yield dict(zip(columns, values, strict=False)), share
    except csv.Error as error:
        raise DocumentError(
            f"{lines.source}: line {lines.number} cannot be read ({error}).", "Write the table anew."
        ) from error


def _parquet_rows(stream: BinaryIO, source: str, files: FileSettings) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(stream)
        _check_columns(table.schema_arrow.names, source, files)
        _check_types(table.schema_arrow, source, files)
        columns = list(dict.fromkeys(filter(None, (files.text_column, files.id_column))))
        n_rows, n_read = table.metadata.num_rows, 0
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
            for row in batch.to_pylist():
                n_read += 1
                yield row, min(n_read / max(n_rows, 1), 1.0)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DocumentError(
            f"{source}: damaged, or no Parquet file ({str(error).splitlines()[0]}).",
            "Write the table anew.",
        ) from error


def _check_columns(columns: Sequence[str], source: str, files: FileSettings) -> None:
    for option, name in (("--text-column", files.text_column), ("--id-column", files.id_column)):
        if name is not None and name not in columns:
            shown = [repr(column[:80]) for column in columns[:_COLUMNS_SHOWN]]
            more = ["..."] if len(columns) > len(shown) else []
            raise DocumentError(
                f"{source}: there is no column {name!r}, only {', '.join(shown + more) or 'none'}.",
                f"Name one with {option}.",
            )


def _check_types(schema: Any, source: str, files: FileSettings) -> None:
    import pyarrow as pa

    kind = schema.field(files.text_column).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)):
        raise DocumentError(
            f"{source}: column {files.text_column!r} is {kind}, not text.", "Name one with --text-column."
        )
