"""Reads the file of all passages that ``qgbatch run --passages`` writes. It is untrusted input."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError
from qgbatch.exports.passages import CorpusPassage, PassageCollection
from qgbatch.exports.row_checks import check_row, check_text, from_csv
from qgbatch.exports.table import read_schema
from qgbatch.output.rows import PASSAGE_FILE_COLUMNS
from qgbatch.readers.table_rows import Columns, read_intact_rows

_KINDS = (".parquet", ".csv", ".jsonl")
_HINT = "Give the file that qgbatch run wrote with --passages."


def read_passages(path: str, collection: PassageCollection) -> None:
    """Add the passages of a file to a collection.

    Raises:
        InputError: The file cannot be read, lacks a column or has no row, or a value is invalid.
    """
    n_passages = 0
    for place, values in _rows(path):
        if not collection.add_passage(_to_passage(place, values)):
            passage_id = values["passage_id"]
            raise InputError(f"{place}: passage_id {passage_id!r} is that of an earlier passage.", _HINT)
        n_passages += 1
    if not n_passages:
        raise InputError(f"{path}: contains no passage.", _HINT)


def _rows(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The place and the unchecked values of each row."""
    suffix = Path(path).suffix.lower()
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file.", _HINT)
    if suffix not in _KINDS:
        raise InputError(f"{path}: not a known kind of table.", f"Give {', '.join(_KINDS)}.")

    def check_columns(columns: Columns) -> None:
        missing = next((name for name in PASSAGE_FILE_COLUMNS if name not in columns), None)
        if missing and columns:  # an empty CSV file has none
            raise InputError(f"{path}: no column {missing!r}.", _HINT)

    names = read_schema(Path(path))[0] if suffix == ".parquet" else [*PASSAGE_FILE_COLUMNS]
    for row in read_intact_rows(path, names, _HINT, check_columns=check_columns):
        yield row.place, from_csv(row.place, row.values) if suffix == ".csv" else row.values


def _to_passage(place: str, values: Mapping[str, Any]) -> CorpusPassage:
    row = check_row(place, values, PASSAGE_FILE_COLUMNS)
    page = {"page": row["page"]} if "page" in row else {}
    kept = {
        name: check_text(value, f"{place}: {name}")
        for name, value in values.items()
        if name not in PASSAGE_FILE_COLUMNS and value not in (None, "")
    }
    return CorpusPassage(
        passage_id=str(row["passage_id"]),
        source=str(row["source"]),
        start_char=int(row["start_char"]),
        end_char=int(row["end_char"]),
        text=str(row["text"]),
        title=str(row["title"]) if "title" in row else None,
        document_sha256=str(row["document_sha256"]),
        metadata={**page, **kept},
    )
