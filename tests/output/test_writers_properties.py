"""Property tests: rows are read back unchanged from every format."""

from __future__ import annotations

import io
import json

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from qgbatch.output.rows import COLUMNS, Row, output_columns
from qgbatch.output.writers import open_writer, remove_formula_guard
from qgbatch.settings import FileSettings, Format

WITH_CONTEXT = output_columns(FileSettings(with_context=True), with_answers=False)
DANGEROUS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
WITHOUT_INVISIBLE = dict.fromkeys(map(ord, "\0\u200b\ufeff"))
"""Removes characters that a spreadsheet may skip before a formula."""
FIXED: Row = {name: 7 if kind == "int64" else "x" for name, kind in COLUMNS.items()}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # readers refuse surrogates
scores = st.floats(allow_nan=False, allow_infinity=False).map(lambda score: round(score, 6))
written = st.fixed_dictionaries(
    {"question": texts, "source": texts, "score": scores, "context": texts, "other_passages": texts}
)
tables = st.lists(written.map(lambda values: FIXED | values), max_size=3)
formulas = st.tuples(st.text("'= \t\r\n\uff1d@+-a"), texts).map("".join)


def write(rows: list[Row], file_format: Format, *, csv_safe: bool = False) -> bytes:
    stream = io.BytesIO()
    with open_writer(stream, file_format, None, WITH_CONTEXT, csv_safe=csv_safe) as writer:
        for row in rows:
            writer.write(row)
    return stream.getvalue()


@settings(deadline=None)
@given(tables)
def test_parquet_rows_are_read_back_unchanged(rows: list[Row]) -> None:
    frame = pd.read_parquet(io.BytesIO(write(rows, "parquet")))
    assert frame.to_dict("records") == rows


@settings(deadline=None)
@given(tables)
def test_csv_rows_are_read_back_unchanged(rows: list[Row]) -> None:
    as_text = [{name: str(value) for name, value in row.items()} for row in rows]
    assert read_csv(write(rows, "csv")) == as_text


def read_csv(content: bytes) -> list[dict[str, str]]:
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    records: list[dict[str, str]] = frame.astype(str).to_dict("records")  # type: ignore[assignment]
    return records


@settings(deadline=None)
@given(formulas, formulas, formulas, scores)
def test_csv_safe_leaves_no_formula_and_can_be_undone(
    question: str, source: str, context: str, score: float
) -> None:
    row = FIXED | {
        "question": question,
        "source": source,
        "context": context,
        "score": score,
        "model": "=1",
    }
    [read] = read_csv(write([row], "csv", csv_safe=True))
    assert float(read["score"]) == score  # numbers are not changed
    for name in ("question", "source", "context", "model"):
        written, original = read[name], str(row[name])
        assert not written.translate(WITHOUT_INVISIBLE).strip().startswith(DANGEROUS)
        assert not written.startswith(("\t", "\r", "\n"))
        assert remove_formula_guard(written) == original


@settings(deadline=None)
@given(tables)
def test_jsonl_rows_are_read_back_unchanged(rows: list[Row]) -> None:
    *lines, rest = write(rows, "jsonl").decode().split("\n")
    assert [json.loads(line) for line in lines] == rows
    assert rest == ""
