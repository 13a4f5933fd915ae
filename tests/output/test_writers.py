"""Rows of questions, written as Parquet, CSV and JSONL."""

from __future__ import annotations

import codecs
import csv
import gc
import io
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pandas as pd
import pyarrow.parquet as pq
import pytest

from qgbatch.errors import SettingsError
from qgbatch.exports.table import QuestionTable
from qgbatch.output import writers
from qgbatch.output.atomic import replace_file
from qgbatch.output.rows import COLUMNS, output_columns, to_dataframe, to_row
from qgbatch.output.run_facts import Provenance
from qgbatch.output.writers import choose_format, json_line, open_writer
from qgbatch.records import Chunk, Document, Question
from qgbatch.settings import FileSettings, Format
from tests.support.tables import PROVENANCE

WITH_CONTEXT = output_columns(FileSettings(with_context=True), with_answers=False)
FORMATS: tuple[Format, ...] = get_args(Format)
TYPES = {
    "question_id": "string",
    "question": "string",
    "source": "string",
    "passage_id": "string",
    "document_sha256": "string",
    "chunk_index": "int64",
    "question_index": "int64",
    "start_char": "int64",
    "end_char": "int64",
    "page": "int64",
    "score": "double",
    "model": "string",
}
READ: dict[Format, Callable[[io.BytesIO], pd.DataFrame]] = {
    "parquet": pd.read_parquet,
    "csv": pd.read_csv,
    "jsonl": lambda stream: pd.read_json(stream, lines=True),
}


def ask(n_questions: int, page_starts: tuple[int, ...] = ()) -> list[Question]:
    """Make questions whose texts need quoting in CSV and in JSON."""
    document = Document.from_text(
        'Tea, they say, is "black".\nMilk is not.', "Ordner/käse, tea.txt", page_starts
    )
    chunk = Chunk(document, 1, 5, 39, (7, 1), hard_split=False)
    texts = ['Is it "black", then?', "Wer trägt\tden 🫖?", "Is milk?"]
    return [Question(texts[i % 3], i, -0.1234 * (i + 1), chunk) for i in range(n_questions)]


def write(
    questions: list[Question],
    file_format: Format,
    *,
    with_context: bool = False,
    provenance: Provenance | None = None,
) -> bytes:
    stream = io.BytesIO()
    columns = WITH_CONTEXT if with_context else COLUMNS
    with open_writer(stream, file_format, provenance, columns) as writer:
        for question in questions:
            writer.write(to_row(question, "small", columns))
    return stream.getvalue()


def test_a_row_has_the_documented_columns_in_order() -> None:
    assert list(to_row(ask(1)[0], "small", COLUMNS)) == list(TYPES)
    row = to_row(ask(1)[0], "small", WITH_CONTEXT)
    assert list(row) == [*TYPES, "context", "other_passages"]
    assert row["other_passages"] == "[]"
    assert row["context"] == 'they say, is "black".\nMilk is not.'


def test_parquet_has_the_documented_types() -> None:
    schema = pq.read_schema(io.BytesIO(write(ask(1), "parquet", with_context=True)))
    assert {field.name: str(field.type) for field in schema} == {
        **TYPES,
        "context": "string",
        "other_passages": "string",
    }
    assert schema.names == [*TYPES, "context", "other_passages"]
    assert [field.name for field in schema if field.nullable] == ["page", "other_passages"]


def test_parquet_metadata_contains_the_provenance() -> None:
    provenance = replace(PROVENANCE, model="käse", settings={"num_beams": 4, "max_tokens": None})
    content = write(ask(1), "parquet", provenance=provenance)
    values = json.loads(pq.read_schema(io.BytesIO(content)).metadata[b"qgbatch"])
    assert values["model"] == "käse"
    assert values["settings"] == {"num_beams": 4, "max_tokens": None}
    assert Provenance.from_json(values) == provenance


@pytest.mark.parametrize("with_context", [False, True])
@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_is_read_back_as_the_data_frame(file_format: Format, with_context: bool) -> None:
    questions = ask(3) + ask(1, page_starts=(0, 4, 5, 20))
    read = READ[file_format](io.BytesIO(write(questions, file_format, with_context=with_context)))
    read["page"] = read["page"].astype("Int64")  # pandas reads integers with nulls as floats
    assert read["page"].tolist() == [pd.NA, pd.NA, pd.NA, 3]
    pd.testing.assert_frame_equal(read, to_dataframe(questions, "small", with_context=with_context))


def test_an_output_without_questions_has_the_columns() -> None:
    assert write([], "csv").decode() == ",".join(f'"{name}"' for name in TYPES) + "\n"
    assert write([], "jsonl") == b""
    table = pq.read_table(io.BytesIO(write([], "parquet")))
    assert (table.num_rows, table.schema.names) == (0, list(TYPES))
    frame = to_dataframe([], "small")
    assert frame.dtypes.equals(to_dataframe(ask(1), "small").dtypes)


@pytest.mark.parametrize("has_str_type", [False, True])  # pandas 3 has it by default
@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option")
def test_a_missing_answer_is_missing_in_the_data_frame(has_str_type: bool) -> None:
    first, second = ask(2)
    answered = replace(first, answer="None", answer_start_char=3, answer_score=0.5)
    with pd.option_context("future.infer_string", has_str_type):
        frame = to_dataframe([answered, second], "small")
    for name in ("answer", "answer_start_char", "answer_score"):
        assert frame[name].isna().tolist() == [False, True]
    assert frame["answer"][0] == "None"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_that_pandas_wrote_has_the_same_rows(suffix: str, tmp_path: Path) -> None:
    first, second = ask(2)
    answered = replace(first, answer="None", answer_start_char=3, answer_score=0.5)
    frame = to_dataframe([answered, second], "small")
    path = tmp_path / f"q{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    rows = [to_row(question, "small", frame.columns) for question in (answered, second)]
    expected = [{name: value for name, value in row.items() if value is not None} for row in rows]
    assert list(QuestionTable(str(path)).rows()) == expected


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_questions_give_the_same_bytes(file_format: Format) -> None:
    one = replace(PROVENANCE, settings={"b": 1, "a": 2})
    other = replace(PROVENANCE, settings={"a": 2, "b": 1})
    assert write(ask(3), file_format, provenance=one) == write(ask(3), file_format, provenance=other)


def test_parquet_is_written_in_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "ROWS_PER_GROUP", 2)
    file = pq.ParquetFile(io.BytesIO(write(ask(5), "parquet")))
    assert file.num_row_groups == 3
    assert file.read()["question_index"].to_pylist() == [0, 1, 2, 3, 4]


def test_long_texts_make_row_groups_of_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "MAX_CHARS_PER_GROUP", 200)
    file = pq.ParquetFile(io.BytesIO(write(ask(5), "parquet")))
    assert file.num_row_groups == 3
    assert file.read()["question_index"].to_pylist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "name", ["a\rb.txt", "a\nb.txt", "a\r\nb.txt", 'a"b.txt', "a,b.txt", " a\u2028.txt"]
)
def test_line_breaks_and_quotes_in_a_file_name_do_not_break_a_csv_row(name: str) -> None:
    chunk = Chunk(Document.from_text("Some text.", name), 0, 0, 10, (1,), hard_split=False)
    read = pd.read_csv(io.BytesIO(write([Question("Why?", 0, -1.0, chunk)], "csv")))
    assert read["source"].tolist() == [name]


@pytest.mark.parametrize("column", ["question", "source", "model", "context"])
@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tcmd", "'\tcmd"),
        ("\rcmd", "'\rcmd"),
        ("\ncmd", "'\ncmd"),
        ("  =1", "'  =1"),
        ("\0=1", "'\0=1"),
        ("\u00a0\ufeff=1", "'\u00a0\ufeff=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\uff0b1", "'\uff0b1"),
        ("\uff0d1", "'\uff0d1"),
        ("\uff20A", "'\uff20A"),
        ("'=1", "''=1"),
        ("'Tis it?", "'Tis it?"),
        ("a=1", "a=1"),
        (" a", " a"),
        ("", ""),
    ],
)
def test_csv_safe_puts_an_apostrophe_before_formulas(column: str, text: str, safe: str) -> None:
    row = to_row(ask(1)[0], "small", WITH_CONTEXT) | {column: text}
    for csv_safe, expected in ((True, safe), (False, text)):
        stream = io.BytesIO()
        with open_writer(stream, "csv", None, WITH_CONTEXT, csv_safe=csv_safe) as writer:
            writer.write(row)
        stream.seek(0)
        [read] = csv.DictReader(io.TextIOWrapper(stream, "utf-8", newline=""))
        assert read[column] == expected
        assert read["score"] == "-0.1234"  # a negative number is not a formula


@pytest.mark.parametrize("csv_safe", [True, False])
@pytest.mark.parametrize("n_rows", [0, 2])
def test_csv_safe_begins_with_a_byte_order_mark(csv_safe: bool, n_rows: int) -> None:
    stream = io.BytesIO()
    with open_writer(stream, "csv", None, COLUMNS, csv_safe=csv_safe) as writer:
        for _ in range(n_rows):
            writer.write(to_row(ask(1)[0], "small", COLUMNS))
    assert stream.getvalue().startswith(codecs.BOM_UTF8) is csv_safe
    assert stream.getvalue().count(codecs.BOM_UTF8) == csv_safe


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_csv_safe_does_not_change_other_formats(file_format: Format) -> None:
    row = to_row(ask(1)[0], "=1", COLUMNS)
    contents = []
    for csv_safe in (True, False):
        stream = io.BytesIO()
        with open_writer(stream, file_format, None, COLUMNS, csv_safe=csv_safe) as writer:
            writer.write(row)
        contents.append(stream.getvalue())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("output", "given", "chosen"),
    [
        ("a.parquet", None, "parquet"),
        ("a.CSV", None, "csv"),
        ("dir.csv/a.jsonl", None, "jsonl"),
        ("a.csv", "jsonl", "jsonl"),
        ("a", "parquet", "parquet"),
        ("-", None, "jsonl"),
        ("-", "csv", "csv"),
    ],
)
def test_the_given_format_takes_precedence_over_the_suffix(
    output: str, given: Format | None, chosen: Format
) -> None:
    assert choose_format(output, given) == chosen


@pytest.mark.parametrize(
    ("output", "given", "message"),
    [
        ("a.xlsx", None, r"output='a\.xlsx': .*\.xlsx is not an output format.*\.parquet"),
        ("questions", None, "output='questions': .*no suffix.*set format"),
        ("-", "parquet", "standard output.*format='jsonl'"),
    ],
)
def test_an_unusable_format_is_a_settings_error(output: str, given: Format | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        choose_format(output, given)


def test_a_json_line_keeps_non_ascii_characters_and_is_one_line() -> None:
    assert json_line({"name": "käse\n", "n": 1}).decode() == '{"name": "käse\\n", "n": 1}\n'


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_writer_raises_nothing_later_if_its_block_fails(
    file_format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", errors.append)

    def fail() -> None:
        with (
            replace_file(tmp_path / "a") as stream,
            open_writer(stream, file_format, None, COLUMNS) as writer,
        ):
            writer.write(to_row(ask(1)[0], "small", COLUMNS))
            raise RuntimeError

    with suppress(RuntimeError):
        fail()
    gc.collect()
    assert not errors
