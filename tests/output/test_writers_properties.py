"""What is written in any format is what is read back."""

from __future__ import annotations

import io
import json

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from qgbatch.output.rows import COLUMNS, Row, columns_of
from qgbatch.output.writers import open_writer
from qgbatch.settings import Format

WITH_CONTEXT = columns_of(with_context=True, with_answers=False)
DANGEROUS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
FIXED: Row = {name: 7 if kind == "int64" else "x" for name, kind in COLUMNS.items()}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # surrogates are refused before
scores = st.floats(allow_nan=False, allow_infinity=False).map(lambda score: round(score, 6))
written = st.fixed_dictionaries({"question": texts, "source": texts, "score": scores, "context": texts})
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
def test_parquet_reads_back_equal(rows: list[Row]) -> None:
    frame = pd.read_parquet(io.BytesIO(write(rows, "parquet")))
    assert frame.to_dict("records") == rows


@settings(deadline=None)
@given(tables)
def test_csv_reads_back_equal(rows: list[Row]) -> None:
    as_text = [{name: str(value) for name, value in row.items()} for row in rows]
    assert read_csv(write(rows, "csv")) == as_text


def read_csv(content: bytes) -> list[dict[str, str]]:
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    records: list[dict[str, str]] = frame.astype(str).to_dict("records")  # type: ignore[assignment]
    return records


@settings(deadline=None)
@given(formulas, formulas, formulas, scores)
def test_safe_csv_has_no_formula_and_loses_nothing(
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
    assert float(read["score"]) == score  # numbers stay numbers
    for name in ("question", "source", "context", "model"):
        written, original = read[name], str(row[name])
        assert not written.strip().startswith(DANGEROUS)
        assert not written.startswith(("\t", "\r", "\n"))
        # An apostrophe is taken off where what follows would be dangerous, whatever apostrophes it has.
        bare = written.lstrip("'")
        is_guarded = bare != written and (
            bare.startswith(("\t", "\r", "\n")) or bare.strip().startswith(DANGEROUS)
        )
        assert (written[1:] if is_guarded else written) == original


@settings(deadline=None)
@given(tables)
def test_jsonl_reads_back_equal(rows: list[Row]) -> None:
    *lines, after_the_last = write(rows, "jsonl").decode().split("\n")
    assert [json.loads(line) for line in lines] == rows
    assert after_the_last == ""
