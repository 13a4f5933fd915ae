"""Checks the values of a row: an invalid value raises an error that names its line and column."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from qgbatch.errors import InputError
from qgbatch.output.rows import (
    COLUMNS,
    NOT_NULL,
    OPTIONAL_COLUMNS,
    PASSAGE_COLUMNS,
    PASSAGE_FILE_COLUMNS,
)
from qgbatch.output.writers import remove_formula_guard
from qgbatch.records import question_digits

CheckedRow: TypeAlias = dict[str, str | int | float]
"""A row of :mod:`qgbatch.output.writers` without its empty columns."""
_ALL_COLUMNS = {**COLUMNS, **OPTIONAL_COLUMNS, **PASSAGE_FILE_COLUMNS}
_PATTERNS = {
    "question_id": re.compile(r"q[0-9a-f]{24}(?:-[0-9]{1,18})?"),
    "bm25_rank": re.compile(r"[1-9][0-9]*"),
    "passage_id": re.compile(r"[^\t\r\n]{1,1000}"),
    "document_sha256": re.compile(r"[0-9a-f]{64}"),
}
"""Columns whose values appear in the IDs and file names of exports."""


def check_row(place: str, values: Mapping[str, Any], columns: Iterable[str]) -> CheckedRow:
    """Check the values of a row.

    Args:
        place: File and line, for error messages.
        values: The row as it was read.
        columns: The columns to check and return. Kept columns are text.

    Returns:
        The values of these columns, without optional columns that are empty.

    Raises:
        InputError: A value is missing, has another type or is out of range.
    """
    row: CheckedRow = {}
    for name in columns:
        value = values.get(name)
        if name not in NOT_NULL and (value in (None, "") or value != value):
            continue
        row[name] = _CHECKS[_ALL_COLUMNS.get(name, "string")](value, f"{place}: {name}")
        pattern = _PATTERNS.get(name)
        if pattern and not pattern.fullmatch(str(value)):
            raise _invalid(f"{place}: {name}", f"{str(value)[:80]!r}, which qgbatch does not write")
    if int(row["end_char"]) < int(row["start_char"]):
        raise _invalid(f"{place}: end_char", "before start_char")
    return row


def parse_other_passages(row: CheckedRow) -> list[CheckedRow]:
    """Parse the column ``other_passages`` of a row; the passages have :data:`PASSAGE_COLUMNS`.

    Raises:
        InputError: It is not an array of passages.
    """
    place = f"{row['question_id']}: other_passages"
    try:
        passages = json.loads(str(row.get("other_passages", "[]")))
    except (ValueError, RecursionError) as error:
        raise _invalid(place, f"not JSON ({error})") from error
    if not isinstance(passages, list) or not all(isinstance(passage, dict) for passage in passages):
        raise _invalid(place, "not an array of objects")
    return [check_row(place, passage, PASSAGE_COLUMNS) for passage in passages]


def from_csv(place: str, cells: Mapping[str, str]) -> dict[str, Any]:
    """Convert the cells of a CSV row to numbers and texts, and undo ``--csv-safe``.

    ``--csv-safe`` writes an apostrophe before a text that looks like a formula. A text may also start
    with an apostrophe itself: the digits of a question's ID and the length of a passage tell the two cases
    apart.
    """
    row: dict[str, Any] = {}
    for name, cell in cells.items():
        if _ALL_COLUMNS.get(name, "string") == "string":
            row[name] = remove_formula_guard(cell)
        elif cell or name in NOT_NULL:
            row[name] = _from_cell(cell, _ALL_COLUMNS[name], f"{place}: {name}")
    for name in ("question", "original_question"):
        if name in cells and cells.get("question_id", "")[17:25] == question_digits(cells[name]):
            row[name] = cells[name]
    for name in ("context", "text"):
        if name in cells and len(cells[name]) == row["end_char"] - row["start_char"]:
            row[name] = cells[name]
    return row


def _from_cell(cell: str, kind: str, place: str) -> int | float:
    # pandas stores integers with gaps as floats
    try:
        return int(cell.removesuffix(".0")) if kind == "int64" else float(cell)
    except ValueError:
        raise _invalid(place, f"{cell[:80]!r}, not a number") from None


def check_text(value: Any, place: str) -> str:
    """Return a value that must be text.

    Raises:
        InputError: It is not text, or it is not valid Unicode.
    """
    if not isinstance(value, str):
        raise _invalid(place, f"{_kind_of(value)}, not text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _invalid(place, f"a lone surrogate at offset {error.start}") from error
    return value


def _whole_number(value: Any, place: str) -> int:
    if isinstance(value, float) and value.is_integer():  # pandas stores integers with gaps as floats
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(place, f"{_kind_of(value)}, not a whole number")
    if not 0 <= value < 1 << 63:
        raise _invalid(place, "out of range")
    return value


def _number(value: Any, place: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _invalid(place, f"{_kind_of(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _invalid(place, "not a finite number")
    return number


_CHECKS: Mapping[str, Callable[[Any, str], str | int | float]] = {
    "string": check_text,
    "int64": _whole_number,
    "float64": _number,
}


def _kind_of(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", type(None): "missing", bool: "a boolean"}
    names |= {int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _invalid(place: str, what: str) -> InputError:
    return InputError(f"{place} is {what}.", "Use the file as qgbatch run wrote it.")
