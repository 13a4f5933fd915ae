"""The rows of CSV, TSV, JSONL and Parquet files, read one after another in bounded memory."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

from qgbatch.errors import DocumentError, InputError, display
from qgbatch.readers.content import errors_with_file_name, is_gzip, open_input
from qgbatch.readers.csv_rows import CsvRows
from qgbatch.readers.kinds import kind_of
from qgbatch.readers.lines import Lines
from qgbatch.readers.signatures import HEAD_BYTES, check_table

_PARQUET_BATCH_ROWS = 64
TEXT = "text"
"""The type of a column that holds text in every row."""

Columns: TypeAlias = Mapping[str, str | None]
"""The type of each column, by its name: :data:`TEXT`, another type as Arrow names it, or ``None`` for
JSONL, where each value has its own type."""
CheckColumns: TypeAlias = Callable[[Columns], None]
"""Called once with the columns, before the first row; raises an error to refuse the table."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table."""

    place: str
    """Path and line (from 1) or, in Parquet, row (from 0), for messages."""
    values: Mapping[str, Any]
    """The values by column; empty if the row cannot be read."""
    share: float
    """The share of the file up to the end of this row, 0 to 1."""
    error: DocumentError | None = None
    """Why the row cannot be read. The rows after it can."""


def read_table_rows(
    path: str,
    columns: Collection[str],
    *,
    optional: Collection[str] = (),
    check_columns: CheckColumns = lambda columns: None,
    encodings: Sequence[str] = (),
    strict_csv: bool = False,
    max_bytes: int | None = None,
) -> Iterator[TableRow]:
    """Read a table row by row. Blank lines of JSONL and CSV are not rows.

    Args:
        path: A file or URI; its suffix says what it is, see :data:`qgbatch.readers.kinds.KINDS`.
        columns: The columns to read. Parquet loads no others; rows of CSV and JSONL have all of theirs.
            The delimiter of CSV is the one with which the first line has these columns.
        optional: Columns that Parquet loads too if it has them and they are text.
        check_columns: Checks the columns that the table has.
        encodings: Encodings to try where a line is not UTF-8.
        strict_csv: Do not read a row with stray quotes in another way; refuse rows with too few values.
        max_bytes: Refuse CSV, TSV or JSONL that is longer than this after decompression.

    Raises:
        DocumentError: the file cannot be read, or not beyond some row.
    """
    kind = kind_of(path)
    assert kind is not None, path
    with errors_with_file_name(path), open_input(path) as stream:
        unpacked = gzip.GzipFile(fileobj=stream) if is_gzip(path) else stream
        check_table(unpacked.peek(HEAD_BYTES), kind, display(path))
        stream.seek(0)
        if kind.name == "parquet":
            yield from _parquet_rows(stream, display(path), columns, optional, check_columns)
            return
        lines = Lines(stream, path, encodings, max_bytes)
        if kind.name == "jsonl":
            yield from _json_rows(lines, check_columns)
        else:
            delimiter = "\t" if kind.name == "tsv" else ","
            yield from _csv_rows(lines, delimiter, columns, check_columns, strict_csv)


def read_intact_rows(
    path: str,
    columns: Collection[str],
    hint: str,
    *,
    check_columns: CheckColumns = lambda columns: None,
    max_bytes: int | None = None,
) -> Iterator[TableRow]:
    """Read a UTF-8 table that may not have a single unreadable row.

    Args:
        path: As for :func:`read_table_rows`, and so are the other arguments but ``hint``.
        columns: The columns to read.
        hint: What the user can do about a table that cannot be read.
        check_columns: Checks the columns that the table has.
        max_bytes: The size limit for CSV, TSV or JSONL.

    Raises:
        InputError: the file or a row cannot be read.
    """
    rows = read_table_rows(path, columns, check_columns=check_columns, strict_csv=True, max_bytes=max_bytes)
    try:
        for row in rows:
            if row.error:
                raise row.error
            yield row
    except DocumentError as error:
        raise InputError(error.message, hint) from error


def _json_rows(lines: Lines, check_columns: CheckColumns) -> Iterator[TableRow]:
    is_first = True
    for line in lines:
        share = lines.end_row()
        if line.isspace():
            continue
        try:
            values = _json_object(lines.decode(line), lines.place)
        except DocumentError as error:
            yield TableRow(lines.place, {}, share, error)
            continue
        if is_first:
            check_columns(dict.fromkeys(values))
            is_first = False
        yield TableRow(lines.place, values, share)


def _json_object(text: str, place: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise DocumentError(f"{place}: not JSON ({reason}).", "Correct or remove that line.") from error
    if not isinstance(values, dict):
        raise DocumentError(f"{place}: not a JSON object.", "Write one object per line.")
    return values


def _csv_rows(
    lines: Lines, delimiter: str, columns: Collection[str], check_columns: CheckColumns, strict: bool
) -> Iterator[TableRow]:
    rows = CsvRows(lines, delimiter, columns, strict=strict)
    check_columns(dict.fromkeys(rows.names, TEXT))
    for row in rows:
        share = lines.end_row()
        if isinstance(row, DocumentError):
            yield TableRow(lines.place, {}, share, row)
        else:
            yield TableRow(lines.place, dict(zip(rows.names, row, strict=False)), share)


def _parquet_rows(
    stream: BinaryIO,
    source: str,
    columns: Collection[str],
    optional: Collection[str],
    check_columns: CheckColumns,
) -> Iterator[TableRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        table = pq.ParquetFile(stream)
        schema = table.schema_arrow
        types = dict(zip(schema.names, map(_type_name, schema.types), strict=True))
        check_columns(types)
        wanted = {name for name in columns if name in types}
        wanted.update(name for name in optional if types.get(name) == TEXT)
        n_rows = max(table.metadata.num_rows, 1)
        for batch in table.iter_batches(batch_size=_PARQUET_BATCH_ROWS, columns=[*wanted] or None):
            for values in batch.to_pylist():
                yield TableRow(f"{source}, row {number}", values, min((number + 1) / n_rows, 1.0))
                number += 1
    except (pa.ArrowException, OSError, ValueError) as error:
        what = f"damaged after row {number}" if number else "damaged, or not a Parquet file"
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DocumentError(f"{source}: {what} ({reason}).", "Write the table again.") from error


def _type_name(kind: Any) -> str:
    import pyarrow as pa

    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)
    return TEXT if is_text else str(kind)
