"""What is written in any format is what is read back."""

from __future__ import annotations

import io
import json

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from qgbatch.settings import Format
from qgbatch.writers import COLUMNS, Row, open_writer

FIXED: Row = {name: 7 if kind == "int64" else "x" for name, kind in COLUMNS.items()}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # surrogates are refused before
scores = st.floats(allow_nan=False, allow_infinity=False).map(lambda score: round(score, 6))
written = st.fixed_dictionaries({"question": texts, "source": texts, "score": scores, "context": texts})
tables = st.lists(written.map(lambda values: FIXED | values), max_size=3)


def write(rows: list[Row], file_format: Format) -> bytes:
    stream = io.BytesIO()
    with open_writer(stream, file_format, {}, with_context=True) as writer:
        for row in rows:
            writer.write(row)
    return stream.getvalue()


@settings(deadline=None)
@given(tables)
def test_parquet_reads_back_equal(rows: list[Row]) -> None:
    frame = pd.read_parquet(io.BytesIO(write(rows, "parquet")))
    assert frame.to_dict("records") == rows


@settings(deadline=None)
@given(tables)
def test_csv_reads_back_equal(rows: list[Row]) -> None:
    frame = pd.read_csv(io.BytesIO(write(rows, "csv")), dtype=str, keep_default_na=False)
    as_text = [{name: str(value) for name, value in row.items()} for row in rows]
    assert frame.to_dict("records") == as_text


@settings(deadline=None)
@given(tables)
def test_jsonl_reads_back_equal(rows: list[Row]) -> None:
    *lines, after_the_last = write(rows, "jsonl").decode().split("\n")
    assert [json.loads(line) for line in lines] == rows
    assert after_the_last == ""
