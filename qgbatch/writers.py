"""Questions -> rows of one explicit schema -> Parquet, CSV or JSONL.

Files are written beside their target, synced and renamed: a reader sees the old file
or the whole new one.
"""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias

from typing_extensions import Buffer

from qgbatch.errors import OutputError, SettingsError
from qgbatch.records import Question
from qgbatch.settings import Format

if TYPE_CHECKING:
    import pandas as pd

STDOUT = "-"
ROWS_PER_GROUP = 10_000
"""Rows held in memory and written to Parquet at once; some megabytes."""

Row: TypeAlias = dict[str, str | int | float]

COLUMNS: Mapping[str, str] = {
    "question_id": "string",
    "question": "string",
    "source": "string",
    "document_sha256": "string",
    "chunk_index": "int64",
    "question_index": "int64",
    "start_char": "int64",
    "end_char": "int64",
    "score": "float64",
    "model": "string",
}
"""Columns of the output, in order, with their pyarrow types."""

_FORMATS: Mapping[str, Format] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}


class Writer(Protocol):
    """Takes rows; they are in the stream once it is closed."""

    def write(self, row: Row) -> None:
        """Add a row."""

    def close(self) -> None:
        """Write what is left; the stream under it stays open."""


def to_row(question: Question, model: str, *, with_context: bool) -> Row:
    """The output row of a question, in the order of :data:`COLUMNS`.

    The score is rounded to six decimals, which all formats hold alike.
    """
    chunk = question.chunk
    row: Row = {
        "question_id": question.question_id,
        "question": question.question,
        "source": chunk.document.source,
        "document_sha256": chunk.document.sha256,
        "chunk_index": chunk.chunk_index,
        "question_index": question.question_index,
        "start_char": chunk.start_char,
        "end_char": chunk.end_char,
        "score": round(question.score, 6),
        "model": model,
    }
    if with_context:
        row["context"] = chunk.text
    return row


def to_dataframe(questions: Iterable[Question], model: str, *, with_context: bool = False) -> pd.DataFrame:
    """The rows of :func:`to_row` as a pandas table, with the same columns and types as the files."""
    import pandas as pd

    rows = [to_row(question, model, with_context=with_context) for question in questions]
    dtypes = {name: "str" if kind == "string" else kind for name, kind in _columns(with_context).items()}
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)


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
def open_output(output: str) -> Iterator[IO[bytes]]:
    """Give the stream of an output: standard output for ``-``, else as :func:`replacing` does.

    Raises:
        OutputError: the place cannot be written.
    """
    if output == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with replacing(Path(output)) as stream:
            yield stream


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose content becomes the target's, all at once, when the block ends well.

    Raises:
        OutputError: the target is a directory, or its directory is missing, full or read-only.
    """
    if target.is_dir():
        raise OutputError(f"{target}: is a directory.", "Name a file in it.")
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        raw = _OutputFile(partial, target)
    except FileNotFoundError as error:
        raise OutputError(
            f"{target}: the directory {target.parent} does not exist.", f"mkdir -p {target.parent}"
        ) from error
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        with io.BufferedWriter(raw) as stream:
            yield stream
            stream.flush()
            raw.sync()
        _rename(partial, target)
    finally:
        partial.unlink(missing_ok=True)


class _OutputFile(io.FileIO):
    """A new file that reports what goes wrong in terms of its target."""

    def __init__(self, partial: Path, target: Path) -> None:
        super().__init__(partial, "xb")
        self._target = target

    def write(self, data: Buffer) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise _cannot_write(self._target, error) from error

    def sync(self) -> None:
        try:
            os.fsync(self.fileno())
        except OSError as error:
            raise _cannot_write(self._target, error) from error


def _rename(partial: Path, target: Path) -> None:
    try:
        partial.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        raise _cannot_write(target, error) from error


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{target}: cannot be written ({error.strerror or error}).",
        "Check the rights and the free space there; the old file, if any, is untouched.",
    )


def _sync_directory(directory: Path) -> None:
    """Make a rename last through a power cut, where directories can be synced (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_writer(
    stream: IO[bytes], file_format: Format, run_facts: Mapping[str, Any], *, with_context: bool
) -> Writer:
    """A writer of one format; ``run_facts`` go into Parquet's metadata, key ``qgbatch``, as JSON."""
    columns = _columns(with_context)
    if file_format == "parquet":
        return _ParquetWriter(stream, columns, run_facts)
    if file_format == "csv":
        return _CsvWriter(stream, columns)
    return _JsonlWriter(stream)


def _columns(with_context: bool) -> Mapping[str, str]:
    return {**COLUMNS, "context": "string"} if with_context else COLUMNS


class _ParquetWriter:
    def __init__(self, stream: IO[bytes], columns: Mapping[str, str], run_facts: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema(
            [pa.field(name, pa.type_for_alias(kind), nullable=False) for name, kind in columns.items()],
            metadata={"qgbatch": json.dumps(run_facts, ensure_ascii=False, sort_keys=True)},
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

    def _flush(self) -> None:
        if self._rows:
            self._parquet.write_batch(self._make_batch(self._rows, schema=self._schema))
            self._rows = []


class _CsvWriter:
    def __init__(self, stream: IO[bytes], columns: Mapping[str, str]) -> None:
        self._lines = _Utf8Lines(stream)
        self._csv = csv.DictWriter(self._lines, columns, lineterminator="\n")
        self._csv.writeheader()

    def write(self, row: Row) -> None:
        self._csv.writerow(row)

    def close(self) -> None:
        pass


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
        self._stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        pass


def write_json(target: Path, value: Any) -> None:
    """Replace a file by a JSON value, indented.

    Raises:
        OutputError: the place cannot be written.
    """
    with replacing(target) as stream:
        stream.write(json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n")


def write_jsonl(target: Path, values: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file by JSON values, one a line.

    Raises:
        OutputError: the place cannot be written.
    """
    with replacing(target) as stream:
        stream.writelines(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)
