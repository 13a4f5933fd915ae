"""Questions -> rows of one explicit schema -> Parquet, CSV or JSONL."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from qgbatch.errors import SettingsError
from qgbatch.output.atomic import STDOUT
from qgbatch.output.rows import NULLABLE, Row
from qgbatch.records import Provenance
from qgbatch.settings import Format

if TYPE_CHECKING:
    pass

ROWS_PER_GROUP = 10_000
"""Rows held in memory and written to Parquet at once; some megabytes."""


_FORMULA = re.compile(r"'*([\t\r\n]|[\s\0\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Text that a spreadsheet may run, with apostrophes before it or none: so one can be taken off again."""
_FORMATS: Mapping[str, Format] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}


class Writer(Protocol):
    """Takes rows; they are in the stream once it is closed."""

    def write(self, row: Row) -> None:
        """Add a row."""

    def close(self) -> None:
        """Write what is left; the stream under it stays open."""

    def abandon(self) -> None:
        """Let go of the stream, whose content will not be used."""


def choose_format(output: str, given: Format | None) -> Format:
    """The given format, else the one that the suffix of the output names.

    Raises:
        SettingsError: the suffix names none, or Parquet is to go to standard output.
    """
    if output == STDOUT:
        if given == "parquet":
            raise SettingsError("Parquet does not go to standard output.", "Use --format jsonl or csv.")
        return given or "jsonl"
    suffix = Path(output).suffix.lower()
    if given is None and suffix not in _FORMATS:
        raise SettingsError(
            f"-o {output}: no format is known for {suffix or 'a name without suffix'}.",
            f"Use {', '.join(_FORMATS)}, or say --format.",
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
    """Give a writer of rows with these columns; what it holds back is written when the block ends well.

    ``provenance`` goes into Parquet's metadata under ``qgbatch``, as JSON. ``csv_safe`` puts an
    apostrophe before CSV's text that a spreadsheet would run as a formula; to other formats,
    which no spreadsheet runs, it does nothing.
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
        writer.abandon()
        raise
    writer.close()


def provenance_metadata(provenance: Provenance | None) -> dict[str, str]:
    """The metadata of a Parquet file that holds an output of this provenance; empty if it is not known."""
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
                pa.field(name, pa.type_for_alias(kind), nullable=name in NULLABLE)
                for name, kind in columns.items()
            ],
            metadata=provenance_metadata(provenance),
        )
        self._make_batch = pa.RecordBatch.from_pylist
        self._schema = schema
        self._parquet = pq.ParquetWriter(stream, schema, compression="zstd")
        self._rows: list[Row] = []

    def write(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._parquet.close()

    def abandon(self) -> None:
        with suppress(Exception):  # pyarrow would try this later, on a closed stream
            self._parquet.close()

    def _flush(self) -> None:
        if self._rows:
            self._parquet.write_batch(self._make_batch(self._rows, schema=self._schema))
            self._rows = []


class _CsvWriter:
    def __init__(self, stream: IO[bytes], columns: Mapping[str, str], *, csv_safe: bool) -> None:
        # All text is quoted: Python 3.11 leaves a lone carriage return bare otherwise.
        self._csv = csv.DictWriter(
            _Utf8Lines(stream), columns, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
        )
        self._has_header = False
        self._csv_safe = csv_safe

    def write(self, row: Row) -> None:
        self._write_header()
        self._csv.writerow(_without_formulas(row) if self._csv_safe else row)

    def close(self) -> None:
        self._write_header()

    def abandon(self) -> None:
        pass

    def _write_header(self) -> None:
        if not self._has_header:
            self._csv.writeheader()
            self._has_header = True


def _without_formulas(row: Row) -> Row:
    """The row with an apostrophe before each text that a spreadsheet may take for a formula."""
    return {
        name: f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
        for name, value in row.items()
    }


def without_apostrophe(text: str) -> str:
    """The text that ``csv_safe`` put an apostrophe before; other text as it is."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class _Utf8Lines:
    """The text stream that csv wants, over bytes."""

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

    def abandon(self) -> None:
        pass


def json_line(value: Mapping[str, Any]) -> bytes:
    """A line of JSONL, in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
