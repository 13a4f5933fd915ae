"""Questions -> files: one schema in three formats, whole or not at all."""

from __future__ import annotations

import gc
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, get_args

import pandas as pd
import pyarrow.parquet as pq
import pytest

from qgbatch import writers
from qgbatch.errors import OutputError, SettingsError
from qgbatch.records import Chunk, Document, Question
from qgbatch.settings import Format
from qgbatch.writers import (
    choose_format,
    json_line,
    open_output,
    open_writer,
    replacing,
    to_dataframe,
    to_row,
)

FORMATS: tuple[Format, ...] = get_args(Format)
TYPES = {
    "question_id": "string",
    "question": "string",
    "source": "string",
    "document_sha256": "string",
    "chunk_index": "int64",
    "question_index": "int64",
    "start_char": "int64",
    "end_char": "int64",
    "score": "double",
    "model": "string",
}
READ: dict[Format, Callable[[io.BytesIO], pd.DataFrame]] = {
    "parquet": pd.read_parquet,
    "csv": pd.read_csv,
    "jsonl": lambda stream: pd.read_json(stream, lines=True),
}


def ask(n_questions: int) -> list[Question]:
    """Questions whose texts need quoting, in CSV and in JSON."""
    document = Document.from_text('Tea, they say, is "black".\nMilk is not.', "Ordner/käse, tea.txt")
    chunk = Chunk(document, 1, 5, 39, (7, 1), hard_split=False)
    texts = ['Is it "black", then?', "Wer trägt\tden 🫖?", "Is milk?"]
    return [Question(texts[i % 3], i, -0.123456789 * (i + 1), chunk) for i in range(n_questions)]


def write(
    questions: list[Question], file_format: Format, *, with_context: bool = False, **facts: object
) -> bytes:
    stream = io.BytesIO()
    with open_writer(stream, file_format, facts, with_context=with_context) as writer:
        for question in questions:
            writer.write(to_row(question, "mini", with_context=with_context))
    return stream.getvalue()


def test_a_row_has_the_documented_columns_in_order() -> None:
    assert list(to_row(ask(1)[0], "mini", with_context=False)) == list(TYPES)
    row = to_row(ask(1)[0], "mini", with_context=True)
    assert list(row) == [*TYPES, "context"]
    assert row["context"] == 'they say, is "black".\nMilk is not.'
    assert row["score"] == -0.123457


def test_parquet_holds_the_documented_types_and_no_nulls() -> None:
    schema = pq.read_schema(io.BytesIO(write(ask(1), "parquet", with_context=True)))
    assert {field.name: str(field.type) for field in schema} == {**TYPES, "context": "string"}
    assert schema.names == [*TYPES, "context"]
    assert not any(field.nullable for field in schema)


def test_parquet_holds_the_facts_of_the_run() -> None:
    content = write(ask(1), "parquet", model="käse", settings={"num_beams": 4, "max_tokens": None})
    facts = json.loads(pq.read_schema(io.BytesIO(content)).metadata[b"qgbatch"])
    assert facts == {"model": "käse", "settings": {"num_beams": 4, "max_tokens": None}}


@pytest.mark.parametrize("with_context", [False, True])
@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_reads_back_as_the_dataframe(file_format: Format, with_context: bool) -> None:
    questions = ask(3)
    read = READ[file_format](io.BytesIO(write(questions, file_format, with_context=with_context)))
    pd.testing.assert_frame_equal(read, to_dataframe(questions, "mini", with_context=with_context))


def test_without_questions_the_columns_are_there_all_the_same() -> None:
    assert write([], "csv").decode() == ",".join(f'"{name}"' for name in TYPES) + "\n"
    assert write([], "jsonl") == b""
    table = pq.read_table(io.BytesIO(write([], "parquet")))
    assert (table.num_rows, table.schema.names) == (0, list(TYPES))
    frame = to_dataframe([], "mini")
    assert frame.dtypes.equals(to_dataframe(ask(1), "mini").dtypes)


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_questions_give_the_same_bytes(file_format: Format) -> None:
    assert write(ask(3), file_format, b=1, a=2) == write(ask(3), file_format, a=2, b=1)


def test_parquet_is_written_group_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "ROWS_PER_GROUP", 2)
    file = pq.ParquetFile(io.BytesIO(write(ask(5), "parquet")))
    assert file.num_row_groups == 3
    assert file.read()["question_index"].to_pylist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "name", ["a\rb.txt", "a\nb.txt", "a\r\nb.txt", 'a"b.txt', "a,b.txt", " a\u2028.txt"]
)
def test_no_character_of_a_file_name_breaks_a_line_of_csv(name: str) -> None:
    chunk = Chunk(Document.from_text("Some text.", name), 0, 0, 10, (1,), hard_split=False)
    read = pd.read_csv(io.BytesIO(write([Question("Why?", 0, -1.0, chunk)], "csv")))
    assert read["source"].tolist() == [name]


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
def test_the_given_format_comes_before_the_suffix(
    output: str, given: Format | None, chosen: Format
) -> None:
    assert choose_format(output, given) == chosen


@pytest.mark.parametrize(
    ("output", "given", "telling"),
    [
        ("a.xlsx", None, r"-o a\.xlsx: .*\.xlsx.*\.parquet"),
        ("questions", None, "-o questions: .*without suffix.*--format"),
        ("-", "parquet", "standard output.*--format jsonl"),
    ],
)
def test_a_format_that_cannot_be_is_refused(output: str, given: Format | None, telling: str) -> None:
    with pytest.raises(SettingsError, match=telling):
        choose_format(output, given)


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with open_output(str(target)) as stream:
        stream.write(b"new")
        stream.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def break_off(stream: IO[bytes], error: type[BaseException]) -> None:
    stream.write(b"half a fi")
    stream.flush()
    raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_block_that_fails_changes_nothing(
    error: type[BaseException], old: str | None, tmp_path: Path
) -> None:
    target = tmp_path / "a.csv"
    if old:
        target.write_text(old)
    with pytest.raises(error), replacing(target) as stream:
        break_off(stream, error)
    assert [path.read_text() for path in tmp_path.iterdir()] == ([old] if old else [])


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_writer_in_a_block_that_fails_is_silent(
    file_format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)

    def fail() -> None:
        with (
            replacing(tmp_path / "a") as stream,
            open_writer(stream, file_format, {}, with_context=False) as writer,
        ):
            writer.write(to_row(ask(1)[0], "mini", with_context=False))
            raise RuntimeError

    with suppress(RuntimeError):
        fail()
    gc.collect()
    assert not complaints


@pytest.mark.parametrize(
    ("name", "telling"),
    [
        ("", "is a directory"),
        ("no/a.csv", "no is not a directory"),
        ("file/a.csv", "file is not a directory"),
        ("x" * 300, "name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_named(name: str, telling: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"{tmp_path / name}: .*{telling}"), replacing(tmp_path / name):
        pass


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "latest.csv"
    link.symlink_to("real/a.csv")
    for content in [b"old", b"new"]:
        with replacing(link) as stream:
            stream.write(content)
    assert link.is_symlink()
    assert (tmp_path / "real" / "a.csv").read_bytes() == b"new"


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from qgbatch.errors import OutputError
from qgbatch.writers import COLUMNS, open_writer, replacing

row = {name: 7 if kind == "int64" else 0.5 if kind == "float64" else "x" for name, kind in COLUMNS.items()}
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    with replacing(Path(sys.argv[1])) as stream:
        with open_writer(stream, sys.argv[2], {}, with_context=False) as writer:
            for _ in range(1000):
                writer.write(row)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk_leaves_the_old_file(file_format: Format, tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    command = [sys.executable, "-c", FILL_THE_DISK, str(target), file_format]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert said.startswith(f"{target}: cannot be written (File too large)")
    assert "free space" in said
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_new_file_has_the_rights_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a") as stream:
            stream.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_dash_is_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with open_output("-") as stream:
        stream.write(b"row\n")
    assert capsysbinary.readouterr().out == b"row\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_standard_output_that_is_full_is_an_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(full))
        with pytest.raises(OutputError), open_output("-") as stream:
            stream.write(b"row\n")


def test_a_line_of_json_is_readable_and_one_line() -> None:
    assert json_line({"name": "käse\n", "n": 1}).decode() == '{"name": "käse\\n", "n": 1}\n'
