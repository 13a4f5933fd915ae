"""Questions -> rows of one explicit schema -> Parquet, CSV or JSONL."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias

from qgbatch.errors import SettingsError
from qgbatch.outputs import STDOUT
from qgbatch.records import Question
from qgbatch.settings import Format

if TYPE_CHECKING:
    import pandas as pd

ROWS_PER_GROUP = 10_000
"""Rows held in memory and written to Parquet at once; some megabytes."""

Row: TypeAlias = dict[str, str | int | float | None]

COLUMNS: Mapping[str, str] = {
    "question_id": "string",
    "question": "string",
    "source": "string",
    "document_sha256": "string",
    "chunk_index": "int64",
    "question_index": "int64",
    "start_char": "int64",
    "end_char": "int64",
    "page": "int64",
    "score": "float64",
    "model": "string",
}
"""Columns of the output, in order, with their pyarrow types."""
ANSWER_COLUMNS: Mapping[str, str] = {
    "answer": "string",
    "answer_start_char": "int64",
    "answer_score": "float64",
}
"""Columns more, where the questions come with answers."""
NULLABLE = frozenset({"page", *ANSWER_COLUMNS})
"""Columns that may be without a value in a row."""

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


def columns_of(*, with_context: bool, with_answers: bool) -> Mapping[str, str]:
    """The columns of an output, in order, with their pyarrow types."""
    context = {"context": "string"} if with_context else {}
    return {**COLUMNS, **context, **(ANSWER_COLUMNS if with_answers else {})}


def to_row(question: Question, model: str, columns: Iterable[str]) -> Row:
    """The output row of a question, in the order of the columns.

    All formats hold its values alike.
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
        "page": chunk.page,
        "score": question.score,
        "model": model,
        "context": chunk.text,
        "answer": question.answer,
        "answer_start_char": question.answer_start_char,
        "answer_score": question.answer_score,
    }
    return {name: row[name] for name in columns}


def to_dataframe(questions: Iterable[Question], model: str, *, with_context: bool = False) -> pd.DataFrame:
    """The rows of :func:`to_row` as a pandas table, with the same columns and types as the files.

    There are columns for answers if a question has one.
    """
    import pandas as pd

    questions = list(questions)
    with_answers = any(question.answer is not None for question in questions)
    columns = columns_of(with_context=with_context, with_answers=with_answers)
    dtypes = {name: "str" if kind == "string" else kind for name, kind in columns.items()}
    dtypes |= {name: "Int64" for name in NULLABLE if dtypes.get(name) == "int64"}  # integers, or missing
    rows = [to_row(question, model, columns) for question in questions]
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
def open_writer(
    stream: IO[bytes],
    file_format: Format,
    run_facts: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    csv_safe: bool = False,
) -> Iterator[Writer]:
    """Give a writer of rows with these columns; what it holds back is written when the block ends well.

    ``run_facts`` go into Parquet's metadata under ``qgbatch``, as JSON. ``csv_safe`` puts an
    apostrophe before CSV's text that a spreadsheet would run as a formula; to other formats,
    which no spreadsheet runs, it does nothing.
    """
    writer: Writer
    if file_format == "parquet":
        writer = _ParquetWriter(stream, columns, run_facts)
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


class _ParquetWriter:
    def __init__(self, stream: IO[bytes], columns: Mapping[str, str], run_facts: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema(
            [
                pa.field(name, pa.type_for_alias(kind), nullable=name in NULLABLE)
                for name, kind in columns.items()
            ],
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
