"""Write rows as Parquet, CSV or JSONL."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from qgbatch.errors import SettingsError, name_setting
from qgbatch.output.atomic import STDOUT
from qgbatch.output.rows import NOT_NULL, Row
from qgbatch.output.run_facts import Provenance
from qgbatch.settings import Format

ROWS_PER_GROUP = 10_000
"""Most rows per row group of a Parquet file. Memory holds the rows of one group: a few megabytes."""
MAX_CHARS_PER_GROUP = 1 << 26
"""A row group also ends when its texts have this many characters."""

_FORMULA = re.compile(r"'*([\t\r\n]|[\s\0\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Text that a spreadsheet may run as a formula.

The pattern also matches such text after apostrophes, so an added apostrophe can be removed
without ambiguity.
"""
_FORMATS: Mapping[str, Format] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}


class Writer(Protocol):
    """Writes rows to a stream. The stream is only complete after :meth:`close`."""

    def write(self, row: Row) -> None:
        """Add a row."""

    def close(self) -> None:
        """Write the buffered rows and the end of the file. The stream stays open."""

    def discard(self) -> None:
        """Release the stream after an error; its content is not used."""


def choose_passages_format(path: str) -> Format:
    """Return the format for the suffix of a file of passages.

    Raises:
        SettingsError: The suffix is unknown, or the file is standard output.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise SettingsError(
            f"{name_setting('passages', path)}: not a file that passages can be written to.",
            f"Give a name that ends in {', '.join(_FORMATS)}.",
        )
    return _FORMATS[suffix]


def choose_format(output: str, given: Format | None) -> Format:
    """Return the given format, or else the format for the suffix of the output.

    Raises:
        SettingsError: The suffix is unknown, or Parquet is requested on standard output.
    """
    if output == STDOUT:
        if given == "parquet":
            raise SettingsError(
                "Parquet cannot be written to standard output.",
                f"Use {name_setting('format', 'jsonl')} or {name_setting('format', 'csv')}.",
            )
        return given or "jsonl"
    suffix = Path(output).suffix.lower()
    if given is None and suffix not in _FORMATS:
        problem = f"the suffix {suffix} is not an output format" if suffix else "the name has no suffix"
        raise SettingsError(
            f"{name_setting('output', output)}: {problem}.",
            f"Use {', '.join(_FORMATS)}, or set {name_setting('format')}.",
        )
    return given or _FORMATS[suffix]


@contextmanager
def open_writer(
    stream: IO[bytes],
    file_format: Format,
    provenance: Provenance | None,
    columns: Mapping[str, str],
    *,
    csv_safe: bool = False,
) -> Iterator[Writer]:
    """Open a writer of rows; the file is completed when the block ends without an error.

    Args:
        stream: The stream to write to. It stays open.
        file_format: The format of the file.
        provenance: Stored as JSON under the key ``qgbatch`` in the metadata of a Parquet file.
        columns: The columns, in order, with their pyarrow types.
        csv_safe: Whether to write CSV for spreadsheets: with a byte order mark, and an apostrophe before
            text that a spreadsheet would run as a formula. Other formats ignore it.
    """
    writer: Writer
    if file_format == "parquet":
        writer = _ParquetWriter(stream, columns, provenance)
    elif file_format == "csv":
        writer = _CsvWriter(stream, columns, csv_safe=csv_safe)
    else:
        writer = _JsonlWriter(stream)
    try:
        yield writer
    except BaseException:
        writer.discard()
        raise
    writer.close()


def parquet_metadata(provenance: Provenance | None) -> dict[str, str]:
    """Return the metadata of a Parquet file for a provenance; empty without a provenance."""
    if provenance is None:
        return {}
    return {"qgbatch": json.dumps(provenance.to_json(), ensure_ascii=False, sort_keys=True)}


class _ParquetWriter:
    def __init__(
        self, stream: IO[bytes], columns: Mapping[str, str], provenance: Provenance | None
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema(
            [
                pa.field(name, pa.type_for_alias(kind), nullable=name not in NOT_NULL)
                for name, kind in columns.items()
            ],
            metadata=parquet_metadata(provenance),
        )
        self._make_batch = pa.RecordBatch.from_pylist
        self._schema = schema
        self._parquet = pq.ParquetWriter(stream, schema, compression="zstd")
        self._rows: list[Row] = []
        self._n_chars = 0

    def write(self, row: Row) -> None:
        self._rows.append(row)
        self._n_chars += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self._rows) == ROWS_PER_GROUP or self._n_chars >= MAX_CHARS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._parquet.close()

    def discard(self) -> None:
        with suppress(Exception):  # otherwise pyarrow closes it later and fails on the closed stream
            self._parquet.close()

    def _flush(self) -> None:
        if self._rows:
            self._parquet.write_batch(self._make_batch(self._rows, schema=self._schema))
            self._rows = []
            self._n_chars = 0


class _CsvWriter:
    def __init__(self, stream: IO[bytes], columns: Mapping[str, str], *, csv_safe: bool) -> None:
        # All text is quoted, because Python 3.11 does not quote a single carriage return by itself.
        self._csv = csv.DictWriter(
            _Utf8Lines(stream), columns, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
        )
        self._stream = stream
        self._has_header = False
        self._csv_safe = csv_safe

    def write(self, row: Row) -> None:
        self._write_header()
        self._csv.writerow(_guard_formulas(row) if self._csv_safe else row)

    def close(self) -> None:
        self._write_header()

    def discard(self) -> None:
        pass

    def _write_header(self) -> None:
        if not self._has_header:
            if self._csv_safe:
                self._stream.write(codecs.BOM_UTF8)  # without it, Excel on Windows reads windows-1252
            self._csv.writeheader()
            self._has_header = True


def _guard_formulas(row: Row) -> Row:
    """Put an apostrophe before each text that a spreadsheet may run as a formula."""
    return {
        name: f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
        for name, value in row.items()
    }


def remove_formula_guard(text: str) -> str:
    """Remove the apostrophe that ``csv_safe`` put before a text; other text is returned unchanged."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class _Utf8Lines:
    """Encodes the text of a CSV writer and passes it to a stream of bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text.encode())


class _JsonlWriter:
    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, row: Row) -> None:
        self._stream.write(json_line(row))

    def close(self) -> None:
        pass

    def discard(self) -> None:
        pass


def json_line(value: Mapping[str, Any]) -> bytes:
    """Return a mapping as one line of JSONL, in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
