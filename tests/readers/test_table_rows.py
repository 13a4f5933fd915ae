"""The rows of tables: what run, export, finetune and evaluate read."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qgbatch.errors import DocumentError, InputError
from qgbatch.readers.table_rows import TEXT, Columns, TableRow, read_intact_rows, read_table_rows


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, content: str) -> str:
    Path(name).write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return name


def read(path: str, **options: Any) -> list[TableRow]:
    return list(read_table_rows(path, ["a", "b"], **options))


@pytest.mark.parametrize(
    ("name", "content", "places"),
    [
        ("t.csv", 'a,b\n1,"2\n2"\n\n3,4\n', ["t.csv, line 3", "t.csv, line 5"]),
        ("t.tsv.gz", 'a\tb\n1\t"2\n2"\n3\t4', ["t.tsv.gz, line 3", "t.tsv.gz, line 4"]),
        ("t.jsonl", '\n{"a": "1", "b": "2\\n2"}\n \n{"a": "3", "b": "4"}',
         ["t.jsonl, line 2", "t.jsonl, line 4"]),
    ],
)  # fmt: skip
def test_rows_have_the_line_on_which_they_end(name: str, content: str, places: list[str]) -> None:
    rows = read(put(name, content))
    assert [row.values for row in rows] == [{"a": "1", "b": "2\n2"}, {"a": "3", "b": "4"}]
    assert [row.place for row in rows] == places
    assert rows[-1].share == 1.0


def test_parquet_loads_only_the_columns_that_are_asked_for() -> None:
    pq.write_table(pa.table({"c": [b"x", b"y"], "b": ["3", None], "a": [1, 2]}), "t.parquet")
    rows = read("t.parquet")
    assert [row.values for row in rows] == [{"a": 1, "b": "3"}, {"a": 2, "b": None}]
    assert [(row.place, row.share) for row in rows] == [
        ("t.parquet, row 0", 0.5),
        ("t.parquet, row 1", 1.0),
    ]


def test_parquet_loads_optional_columns_if_they_are_text() -> None:
    pq.write_table(pa.table({"a": [1], "d": ["4"], "e": [b"5"]}), "t.parquet")
    assert [row.values for row in read("t.parquet", optional=["d", "e", "f"])] == [{"a": 1, "d": "4"}]


def test_parquet_without_the_columns_still_has_its_rows() -> None:
    pq.write_table(pa.table({"c": ["x", "y"]}), "t.parquet")
    assert len(read("t.parquet")) == 2


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("t.csv", {"a": TEXT, "b": TEXT}),
        ("t.jsonl", {"a": None, "b": None}),
        ("t.parquet", {"a": "int64", "b": TEXT}),
    ],
)
def test_columns_and_their_types_are_known_before_the_first_row(
    name: str, columns: dict[str, str | None]
) -> None:
    put("t.csv", "a,b\n1,2\n")
    put("t.jsonl", '[]\n{"a": 1, "b": "2"}\n')
    pq.write_table(pa.table({"a": [1], "b": pa.array(["2"]).dictionary_encode()}), "t.parquet")

    def refuse(found: Columns) -> None:
        raise DocumentError(str(dict(found)))

    rows = read_table_rows(name, ["a"], check_columns=refuse)
    with pytest.raises(DocumentError) as caught:
        assert all(row.error for row in rows)
    assert caught.value.message == str(columns)


def test_line_breaks_inside_a_cell_are_kept() -> None:
    (row,) = read(put("t.csv", 'a,b\r\n"1\r\n1",2\r\n'))
    assert row.values == {"a": "1\r\n1", "b": "2"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "t.csv, line 3: 1 values for 2 columns."),
        ('a,b\n1,2\n"3" 3,4\n', "t.csv, line 3: not CSV ("),
        ('a,b\n1,2\n3,"4', "t.csv, line 3: not CSV ("),
    ],
)
def test_only_intact_csv_may_not_be_ragged_or_badly_quoted(content: str, message: str) -> None:
    assert len(read(put("t.csv", content))) == 2
    rows = read_intact_rows("t.csv", ["a", "b"], "Do this.")
    assert next(rows).values == {"a": "1", "b": "2"}
    with pytest.raises(InputError) as caught:
        next(rows)
    assert caught.value.message.startswith(message)
    assert caught.value.hint == "Do this."


def test_intact_rows_end_at_the_first_that_cannot_be_read() -> None:
    rows = read_intact_rows(put("t.jsonl", '{"a": 1}\n{"a"\n'), ["a"], "Do this.")
    assert next(rows).values == {"a": 1}
    with pytest.raises(InputError, match=r"^t\.jsonl, line 2: not JSON \("):
        next(rows)


def test_a_limit_holds_for_the_bytes_after_decompression() -> None:
    path = put("t.jsonl.gz", '{"a": "x"}\n' * 1_000)
    assert len(read(path, max_bytes=11_000)) == 1_000
    with pytest.raises(DocumentError, match=r"t\.jsonl\.gz: more than 10,999 bytes unpacked"):
        read(path, max_bytes=10_999)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz"])
def test_memory_does_not_grow_with_the_number_of_rows(name: str) -> None:
    text = "x" * 1_000
    line = f"{text},1\n" if "csv" in name else json.dumps({"a": text}) + "\n"
    path = put(name, ("a,b\n" if "csv" in name else "") + line * 20_000)
    tracemalloc.start()
    n_rows = sum(1 for _ in read_table_rows(path, ["a"]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_rows == 20_000
    assert peak < 2 << 20
