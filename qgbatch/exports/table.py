"""The output of ``qgbatch run``: its rows, each of them checked, and its provenance.

The files are untrusted input: rows are read one after another, their size is bounded, and an
error names the place.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError
from qgbatch.exports.row_checks import CheckedRow, check_row, from_csv
from qgbatch.output.rows import COLUMNS, NULLABLE, OPTIONAL_COLUMNS
from qgbatch.output.run_facts import Provenance
from qgbatch.readers.table_rows import Columns, TableRow, read_intact_rows

logger = logging.getLogger("qgbatch")

_MAX_MODELS = 10
READ_COLUMNS = (*COLUMNS, *OPTIONAL_COLUMNS)
_KINDS = ".parquet, .csv, .jsonl or a directory of Parquet files"
_NO_ROWS_HINT = "Give another file, or see in the report of the run why it wrote no question."
NOT_AN_OUTPUT_HINT = "Give a file as qgbatch run wrote it."


class QuestionTable:
    """The questions of a file, or of a directory of Parquet files.

    Attributes:
        path: The file or directory.
        files: The file, or the Parquet files of the directory, sorted.
        columns: The columns that are read: those of :data:`qgbatch.output.rows.COLUMNS` and of
            :data:`qgbatch.output.rows.OPTIONAL_COLUMNS` that the table has.
        kept_columns: The other columns, such as those that ``--keep-columns`` added.
        provenance: What the metadata of Parquet files say of the run; ``None`` for CSV and JSONL.
        models: The first names in the column ``model``, of the rows read so far.
        n_rows: The number of rows read so far.

    Raises:
        InputError: the table cannot be read, is of an unknown kind, lacks a column or has no row.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.files = _find_files(path)
        self.provenance: Provenance | None = None
        self.columns: list[str] = []
        self.kept_columns: list[str] = []
        self.models: list[str] = []
        self.n_rows = 0
        if self.files[0].suffix.lower() == ".parquet":
            names, self.provenance = _columns_and_provenance(self.files)
            self._set_columns(str(self.files[0]), names)
        elif next(self._read(self.files[0]), None) is None and not self.columns:
            raise InputError(f"{path}: contains no question.", _NO_ROWS_HINT)

    def rows(self, *, with_kept: bool = False) -> Iterator[CheckedRow]:
        """Yield the rows in order; a row lacks the columns that are empty in it.

        Args:
            with_kept: Whether rows have the kept columns, too.

        Raises:
            InputError: a value is not valid for its column; names the line or row.
        """
        self.n_rows = 0
        columns = [*self.columns, *self.kept_columns] if with_kept else self.columns
        for file in self.files:
            for place, values in self._values(file, columns):
                row = check_row(place, values, columns)
                self.n_rows += 1
                if row["model"] not in self.models and len(self.models) < _MAX_MODELS:
                    self.models.append(str(row["model"]))
                yield row
        if not self.n_rows:
            raise InputError(f"{self.path}: contains no question.", _NO_ROWS_HINT)

    def need_context(self, target: str) -> None:
        """Check that the rows have the passages that their questions ask about.

        Raises:
            InputError: the table has no column ``context``.
        """
        if "context" not in self.columns:
            raise InputError(
                f"{self.path}: no column 'context', and {target} needs the text of each passage.",
                "Run qgbatch run again with --with-context; results in its cache are reused.",
            )

    def need_answers(self, target: str) -> None:
        """Check that the rows may have answers.

        Raises:
            InputError: the table has no column ``answer``.
        """
        if "answer" not in self.columns:
            raise InputError(
                f"{self.path}: no column 'answer', and {target} needs the answer of each question.",
                "Run qgbatch run again with --answers MODEL, or with a model that writes answers.",
            )

    def _values(self, file: Path, columns: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The place and the unchecked values of each row of a file."""
        suffix = file.suffix.lower()
        names: set[str] = set()
        for row in self._read(file, columns):
            if suffix == ".jsonl":
                names = names or set(row.values)
                _check_same_columns(row, names)
            yield row.place, from_csv(row.place, row.values) if suffix == ".csv" else row.values

    def _read(self, file: Path, columns: Collection[str] = READ_COLUMNS) -> Iterator[TableRow]:
        def check_columns(names: Columns) -> None:
            if names:  # an empty CSV file has none
                self._set_columns(str(file), names)

        return read_intact_rows(str(file), columns, NOT_AN_OUTPUT_HINT, check_columns=check_columns)

    def _set_columns(self, place: str, names: Collection[str]) -> None:
        for name in COLUMNS:
            if name not in names and name not in NULLABLE:
                raise InputError(f"{place}: no column {name!r}.", NOT_AN_OUTPUT_HINT)
        self.columns = [name for name in READ_COLUMNS if name in names]
        self.kept_columns = [name for name in names if name not in READ_COLUMNS]


def _find_files(path: str) -> list[Path]:
    if os.path.isdir(path):
        files = sorted(Path(path).glob("*.parquet"))
        if not files:
            raise InputError(f"{path}: no Parquet file in this directory.", f"Give {_KINDS}.")
        if not (Path(path) / "_SUCCESS").exists():
            logger.warning("%s: _SUCCESS is missing; the run may have been interrupted.", path)
        return files
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or directory.", "Check the path.")
    if not os.path.isfile(path) or not path.lower().endswith((".parquet", ".csv", ".jsonl")):
        raise InputError(f"{path}: not a known kind of table.", f"Give {_KINDS}.")
    return [Path(path)]


def _check_same_columns(row: TableRow, names: set[str]) -> None:
    """Check that a row of JSONL has the columns of the first one."""
    different = names ^ set(row.values)
    if different:
        name = min(different)
        verb = "has" if name in row.values else "lacks"
        raise InputError(
            f"{row.place}: {verb} {name!r}, unlike line 1.", "Export one run's output at a time."
        )


def _columns_and_provenance(files: list[Path]) -> tuple[list[str], Provenance | None]:
    """The columns of Parquet files, which have to be the same in all, and the first file's provenance."""
    found: list[tuple[list[str], Provenance | None]] = []
    for path in files:
        names, metadata = read_schema(path)
        found.append((names, _provenance(metadata)))
    for path, (columns, _) in zip(files, found, strict=True):
        if columns != found[0][0]:
            raise InputError(
                f"{path}: other columns than {files[0]}.", "Export one run's output at a time."
            )
    return found[0]


def read_schema(path: Path) -> tuple[list[str], object]:
    """Read the names of the columns of a Parquet file, and its metadata of qgbatch.

    Raises:
        InputError: the file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as stream:  # pyarrow does not open a path that is not valid Unicode
            schema = pq.read_schema(stream)
        return schema.names, json.loads((schema.metadata or {}).get(b"qgbatch", b"{}"))
    except (OSError, pa.ArrowException, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: damaged, or not a Parquet file ({error}).", NOT_AN_OUTPUT_HINT
        ) from error


def _provenance(metadata: object) -> Provenance | None:
    """The provenance in the metadata of a Parquet file, or ``None`` if they hold no valid one."""
    if isinstance(metadata, dict):
        metadata.pop("block", None)  # the paths and times of a part's documents
    try:
        return Provenance.from_json(metadata)
    except ValueError:
        return None
