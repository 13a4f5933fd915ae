"""An output of ``qgbatch run`` -> rows, each of them checked.

The files are untrusted input: a row is read at a time, its size is bounded, and an error
names its place.
"""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError
from qgbatch.exports.row_checks import OPTIONAL_COLUMNS, CheckedRow, check_row, from_csv
from qgbatch.output.rows import COLUMNS, NULLABLE
from qgbatch.records import Provenance

logger = logging.getLogger("qgbatch")

MAX_LINE_BYTES = 1 << 26
"""64 MiB: a line of CSV or JSONL, and a text in CSV; a row has the text of one chunk."""
_ROWS_AT_ONCE = 1_000
_MODELS_NAMED = 10
_KINDS = ".parquet, .csv, .jsonl or a directory of Parquet files"
_NO_ROW = "Give another file, or see in the report of the run why there are none."
_AGAIN = "Give a file that qgbatch run wrote, as it wrote it."

Places = Iterator[tuple[str, dict[str, Any]]]
"""Where a row is, for messages, and what is there."""


class QuestionTable:
    """The questions of a file or of a directory of Parquet files.

    ``columns`` are those of :data:`qgbatch.output.rows.COLUMNS` and what there is of
    :data:`OPTIONAL_COLUMNS`; others are not read. ``provenance`` comes from the metadata of
    Parquet files; it is ``None`` for other formats.

    Raises:
        InputError: it cannot be read, is of no known kind, lacks a column or holds no row.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.files = _find_files(path)
        self.provenance: Provenance | None = None
        self._read = self._open()
        self.models: list[str] = []
        """The first names in the column ``model`` of the rows that were given so far."""
        self.n_rows = 0
        """How many rows were given so far."""

    def rows(self) -> Iterator[CheckedRow]:
        """Give the rows in their order; what is not known of a row is not in it.

        Raises:
            InputError: a value is not what its column holds; names the line or row.
        """
        for place, values in self._read():
            row = check_row(place, values, self.columns)
            self.n_rows += 1
            if row["model"] not in self.models and len(self.models) < _MODELS_NAMED:
                self.models.append(str(row["model"]))
            yield row
        if not self.n_rows:
            raise InputError(f"{self.path}: holds no question.", _NO_ROW)

    def need_context(self, target: str) -> None:
        """See that the rows have the text that they ask about.

        Raises:
            InputError: they do not.
        """
        if "context" not in self.columns:
            raise InputError(
                f"{self.path}: no column 'context', and {target} needs the text of each passage.",
                "Run qgbatch run again with --with-context: what is in its cache is not done again.",
            )

    def _open(self) -> Callable[[], Places]:
        kind = self.files[0].suffix.lower()
        if kind == ".parquet":
            self.columns, self.provenance = _parquet_head(self.files)
            return lambda: _parquet_rows(self.files, self.columns)
        (path,) = self.files
        if kind == ".csv":
            head = next(_csv_lines(path), None)
            if head is None:
                raise InputError(f"{self.path}: holds no question.", _NO_ROW)
            self.columns = _known(f"{path}, line 1", head[1])
            return lambda: _csv_rows(path)
        place, first = next(_jsonl_rows(path), (f"{path}, line 1", None))
        if first is None:
            raise InputError(f"{path}: holds no question.", "Check that it is the right file.")
        self.columns = _known(place, first)
        return lambda: _jsonl_rows(path)


def _find_files(path: str) -> list[Path]:
    if os.path.isdir(path):
        files = sorted(Path(path).glob("*.parquet"))
        if not files:
            raise InputError(f"{path}: no Parquet file in this directory.", f"Give {_KINDS}.")
        if not (Path(path) / "_SUCCESS").exists():
            logger.warning("%s: no _SUCCESS there, so a run may have been cut off while it wrote it.", path)
        return files
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or directory.", "Check the path.")
    if not os.path.isfile(path) or not path.lower().endswith((".parquet", ".csv", ".jsonl")):
        raise InputError(f"{path}: not a known kind of table.", f"Give {_KINDS}.")
    return [Path(path)]


def _known(place: str, names: Collection[str]) -> list[str]:
    """The columns that are read, in the order of the documentation."""
    for name in COLUMNS:
        if name not in names and name not in NULLABLE:
            raise InputError(f"{place}: no column {name!r}.", _AGAIN)
    return [name for name in (*COLUMNS, *OPTIONAL_COLUMNS) if name in names]


def _parquet_head(files: list[Path]) -> tuple[list[str], Provenance | None]:
    """Columns and provenance of Parquet files, which have the same columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: list[tuple[list[str], Provenance | None]] = []
    for path in files:
        try:
            schema = pq.read_schema(path)
            metadata = json.loads((schema.metadata or {}).get(b"qgbatch", b"{}"))
        except (OSError, pa.ArrowException, ValueError, RecursionError) as error:
            raise InputError(f"{path}: not Parquet that can be read ({error}).", _AGAIN) from error
        found.append((_known(str(path), schema.names), _provenance(metadata)))
    for path, (columns, _) in zip(files, found, strict=True):
        if columns != found[0][0]:
            raise InputError(
                f"{path}: other columns than {files[0]}.", "Export one run's output at a time."
            )
    return found[0]


def _provenance(metadata: object) -> Provenance | None:
    """What the metadata say of the run, or ``None`` if it is not known."""
    if isinstance(metadata, dict):
        metadata.pop("block", None)  # of a part: paths and times of its documents
    try:
        return Provenance.from_json(metadata)
    except ValueError:
        return None


def _parquet_rows(files: list[Path], columns: list[str]) -> Places:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in files:
        number = 0
        try:
            with pq.ParquetFile(path) as parquet:
                for batch in parquet.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
                    for row in batch.to_pylist():
                        yield f"{path}, row {number}", row
                        number += 1
        except (OSError, pa.ArrowException, ValueError) as error:
            raise InputError(f"{path}: damaged after row {number} ({error}).", _AGAIN) from error


def _jsonl_rows(path: Path) -> Places:
    columns: set[str] = set()
    for number, line in enumerate(_lines(path), 1):
        place = f"{path}, line {number}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{place}: not JSON ({error}).", _AGAIN) from error
        if not isinstance(values, dict):
            raise InputError(f"{place}: not an object.", _AGAIN)
        columns = columns or set(values)
        if columns != set(values):
            name = min(columns ^ set(values))
            has = "has" if name in values else "lacks"
            raise InputError(
                f"{place}: {has} {name!r}, unlike line 1.", "Export one run's output at a time."
            )
        yield place, values


def _csv_rows(path: Path) -> Places:
    lines = _csv_lines(path)
    _, header = next(lines)
    for number, cells in lines:
        place = f"{path}, line {number}"
        if len(cells) != len(header):
            raise InputError(f"{place}: {len(cells)} values for {len(header)} columns.", _AGAIN)
        yield place, from_csv(place, dict(zip(header, cells, strict=True)))


def _csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The header and the rows of a CSV file, each with the line that it ends on."""
    csv.field_size_limit(MAX_LINE_BYTES)  # of the whole process; 128 KiB otherwise
    reader = csv.reader(_lines(path), strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: not CSV ({error}).", _AGAIN) from error
        if cells is None:
            return
        yield reader.line_num, cells


def _lines(path: Path) -> Iterable[str]:
    """The lines of a UTF-8 file with their ends, none longer than the limit."""
    try:
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise InputError(f"{path}, line {number}: more than {MAX_LINE_BYTES:,} bytes.", _AGAIN)
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, line {number}: not UTF-8 (byte {error.start}).", _AGAIN) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).", "Check the rights.") from error
