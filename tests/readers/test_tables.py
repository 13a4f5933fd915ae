"""The documents of tables, one per row."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qgbatch.chunking.sentences import SentenceSplitter
from qgbatch.chunking.text_before import TextBefore
from qgbatch.errors import ModelError
from qgbatch.readers import kinds, lines, tables
from qgbatch.readers.kinds import require_packages
from qgbatch.readers.listing import Listing, list_inputs
from qgbatch.readers.reading import InputReader, read_documents
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings

Rows = list[dict[str, Any]]
ROWS: Rows = [
    {"text": 'Tea is hot,\nor "käse".', "slug": "tea"},
    {"text": "", "slug": "none"},
    {"text": "Milk is cold.", "slug": "milk"},
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(path: str, rows: Rows, delimiter: str = ",") -> None:
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_lines(path: str, rows: Rows) -> None:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


WRITE: dict[str, Callable[[str, Rows], None]] = {
    "csv": write_csv,
    "tsv": lambda path, rows: write_csv(path, rows, "\t"),
    "jsonl": write_lines,
    "parquet": lambda path, rows: pq.write_table(pa.Table.from_pylist(rows), path),
}
each_format = pytest.mark.parametrize("suffix", list(WRITE))


def put(suffix: str, rows: Rows, name: str = "t") -> str:
    path = f"{name}.{suffix}"
    WRITE[suffix](path, rows)
    return path


def read(path: str, **settings: Any) -> list[tuple[str, str]]:
    """Source with text, or message of the failure."""
    found = [document for document, _ in read_documents(path, FileSettings(**settings))]
    return [(d.source, d.text if isinstance(d, Document) else d.message) for d in found]


@each_format
def test_each_row_is_a_document_or_a_failure(suffix: str) -> None:
    first, empty, last = read(put(suffix, ROWS))
    assert first == (f"t.{suffix}#0", 'Tea is hot,\nor "käse".')
    assert empty[0] == f"t.{suffix}#1"
    assert empty[1].startswith(f"t.{suffix}: row 1: no text in column 'text'.")
    assert last == (f"t.{suffix}#2", "Milk is cold.")


@each_format
def test_ids_and_texts_come_from_the_named_columns(suffix: str) -> None:
    sources = read(put(suffix, ROWS), text_column=("slug",), id_column="text")
    assert [source for source, _ in sources] == [
        f"t.{suffix}#{ROWS[0]['text']}",
        f"t.{suffix}#1",
        f"t.{suffix}#Milk is cold.",
    ]
    assert sources[1][1].startswith(f"t.{suffix}#1: column 'text' has no id.")


@each_format
def test_the_texts_of_several_columns_are_joined_in_the_order_given(suffix: str) -> None:
    rows: Rows = [
        {"a": "Tea is hot.", "b": "Milk is cold.", "c": "Salt is dry."},
        {"a": "", "b": "Milk is cold.", "c": " "},
        {"a": "Tea is hot.", "b": None, "c": "Salt is dry."},
        {"a": "", "b": " ", "c": None},
    ]
    both, second, outer, (_, empty) = read(put(suffix, rows), text_column=("c", "a", "b"))
    assert both[1] == "Salt is dry.\n\nTea is hot.\n\nMilk is cold."
    assert second[1] == "Milk is cold."
    assert outer[1] == "Salt is dry.\n\nTea is hot."
    assert empty.startswith(f"t.{suffix}: row 3: no text in column 'c' or 'a' or 'b'.")


def test_a_value_that_is_not_text_fails_beside_one_that_is() -> None:
    rows: Rows = [{"a": "Tea.", "b": 7}, {"a": "Tea."}]
    (_, message), last = read(put("jsonl", rows), text_column=("a", "b"))
    assert message.startswith("t.jsonl: row 0, column 'b': int, not text.")
    assert last[1] == "Tea."


@each_format
def test_a_title_is_the_heading_of_its_text(suffix: str) -> None:
    rows: Rows = [
        {"title": "Black\n tea", "text": "Black tea is hot. Its leaves are dry."},
        {"title": " ", "text": "Milk is cold."},
        {"title": "Salt", "text": ""},
    ]
    first, second, (_, empty) = read(put(suffix, rows))
    assert first[1] == "Black tea\n\nBlack tea is hot. Its leaves are dry."
    assert second[1] == "Milk is cold."
    assert "no text in column 'text'" in empty
    text_before = TextBefore(first[1], SentenceSplitter("english"))
    list(text_before.split_sentences(first[1]))
    assert text_before.find(first[1].index("Its")) == "Black tea. Black tea is hot."


@pytest.mark.parametrize("text", ["Tea\n\nIt is hot.", "\n# Tea\nIt is hot.", "Tea"])
def test_a_title_that_the_text_begins_with_is_not_repeated(text: str) -> None:
    assert read(put("jsonl", [{"title": "Tea ", "text": text}])) == [("t.jsonl#0", text)]


def test_a_title_is_no_text() -> None:
    ((_, message),) = read(put("jsonl", [{"title": "Te\u00ada", "text": "\u00ad"}]))
    assert "no text in column 'text'" in message
    assert read(put("jsonl", [{"title": "Te\u00ada", "text": "Hot."}])) == [("t.jsonl#0", "Tea\n\nHot.")]


def test_a_title_column_that_is_a_text_column_is_no_heading() -> None:
    path = put("csv", [{"title": "Tea", "text": "It is hot."}])
    assert read(path, text_column=("text", "title")) == [("t.csv#0", "It is hot.\n\nTea")]
    assert read(path, id_column="title") == [("t.csv#Tea", "Tea\n\nIt is hot.")]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_title_that_is_not_text_is_ignored(suffix: str) -> None:
    assert read(put(suffix, [{"title": [1], "text": "Tea."}])) == [(f"t.{suffix}#0", "Tea.")]


def test_the_title_does_not_decide_the_delimiter() -> None:
    Path("t.csv").write_text("text;a,title,b\nTea.;x\n")
    assert read("t.csv") == [("t.csv#0", "Tea.")]


@each_format
@pytest.mark.parametrize(
    "settings", [{"text_column": ("body",)}, {"text_column": ("text", "body")}, {"id_column": "body"}]
)
def test_a_table_without_the_column_is_one_failure_that_names_its_columns(
    suffix: str, settings: dict[str, Any]
) -> None:
    ((source, message),) = read(put(suffix, ROWS), **settings)
    assert source == f"t.{suffix}"
    assert "there is no column 'body', only 'text', 'slug'." in message
    assert f"Name one with {next(iter(settings))}." in message


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_text_tables_may_be_gzipped(suffix: str) -> None:
    path = put(suffix, ROWS)
    Path(f"{path}.gz").write_bytes(gzip.compress(Path(path).read_bytes()))
    assert [text for _, text in read(f"{path}.gz")][::2] == [row["text"] for row in ROWS][::2]


def test_invalid_lines_of_jsonl_fail_by_themselves() -> None:
    lines = [
        '{"text": "a"}',
        "",
        "{",
        "[1]",
        '{"text": 7}',
        '{"text": null}',
        "{}",
        "[" * 100_000,
        '{"text": "\\ud800"}',
    ]
    Path("t.jsonl").write_bytes("\n".join(lines).encode() + b'\n{"text": "\xff"}\n{"text": "z"}')
    first, *odd, last = read("t.jsonl")
    reasons = [
        "not JSON",
        "not a JSON object",
        "int, not text",
        "no text in column 'text'",
        "no text in column 'text'",
        "nested too deeply",
        "surrogate",
        "not valid utf-8",
    ]
    assert (first, last) == (("t.jsonl#0", "a"), ("t.jsonl#9", "z"))
    assert [source for source, _ in odd] == [f"t.jsonl#{number}" for number in range(1, 9)]
    assert [
        reason for reason, (_, message) in zip(reasons, odd, strict=True) if reason not in message
    ] == []
    assert "line 3" in odd[0][1]


def test_a_column_of_jsonl_may_first_appear_in_a_later_row() -> None:
    rows = [{"type": "header"}, {"text": "Tea."}, {"slug": "milk", "text": "Milk."}, {"slug": "salt"}]
    assert [text.partition(": row ")[2] or text for _, text in read(put("jsonl", rows))] == [
        "0: no text in column 'text'. Add a text or remove the row.",
        "Tea.",
        "Milk.",
        "3: no text in column 'text'. Add a text or remove the row.",
    ]
    named = read("t.jsonl", id_column="slug")
    assert [source for source, _ in named] == ["t.jsonl#0", "t.jsonl#1", "t.jsonl#milk", "t.jsonl#3"]
    assert named[2][1] == "Milk."


def test_rows_without_a_late_text_column_are_read_when_it_appears() -> None:
    rows: Rows = [{"a": "Tea.", "title": "Hot"}, {"a": "Milk."}, {"b": "Salt."}, {"c": 1}]
    found = read(put("jsonl", rows), text_column=("a", "b"))
    assert [text for _, text in found[:3]] == ["Hot\n\nTea.", "Milk.", "Salt."]
    assert "row 3: no text in column 'a' or 'b'." in found[3][1]


def test_jsonl_is_refused_if_its_first_megabytes_lack_a_text_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "MAX_CHARS_WITHOUT_COLUMN", 15)
    rows = [{"a": "Tea is hot."}, {"a": "Milk."}, {"a": "Salt.", "b": "Dry."}]
    ((source, message),) = read(put("jsonl", rows), text_column=("a", "b"))
    assert source == "t.jsonl"
    assert "there is no column 'b' in the first 2 rows, only 'a'." in message
    monkeypatch.setattr(tables, "MAX_CHARS_WITHOUT_COLUMN", 16)
    assert len(read("t.jsonl", text_column=("a", "b"))) == 3


@pytest.mark.parametrize("extra", [[], ["no JSON"]])
def test_jsonl_is_refused_if_its_first_rows_lack_the_column(
    extra: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS_WITHOUT_COLUMN", 3)
    rows = ['{"a": 1}', '{"b": 1}', *extra, '{"c": 1}', '{"text": "Tea."}']
    Path("t.jsonl").write_text("\n".join(rows))
    *not_json, (source, message) = read("t.jsonl")
    assert source == "t.jsonl"
    assert "there is no column 'text' in the first 3 rows, only 'a', 'b', 'c'." in message
    assert len(not_json) == len(extra)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_whole_numbers_as_floats_are_ids(suffix: str) -> None:
    path = put(suffix, [{"text": "Tea.", "n": 1.0}, {"text": "Milk.", "n": 1.5}])
    (first, second) = read(path, id_column="n")
    assert first == (f"{path}#1", "Tea.")
    assert "column 'n' has no id" in second[1]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"", "there is no column 'text', only none"),
        ("t.csv", b"text\n", "has no rows"),
        ("t.jsonl", b"\n\n", "has no rows"),
        ("t.csv", b"text\n" + b"a" * 101, "the row is larger than"),
        ("t.csv", b'"text\na\n', "line 1: not CSV"),
        ("t.csv", b"t\xffxt\na\n", "line 1: the bytes are not valid"),
        ("t.jsonl", b" " * 200, "the row is larger than"),
        ("t.csv", b"text\ra\rb\n", "not CSV"),
        ("t.csv.gz", b"text", "gzip file is damaged"),
        ("t.parquet", b"PAR1", "damaged, or not a Parquet file"),
        ("u.csv", None, "No such file"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_one_failure(
    name: str, content: bytes | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_ROW_BYTES", 100)
    if content is not None:
        Path(name).write_bytes(content)
    ((source, message),) = read(name)
    assert source == name
    assert reason in message


def test_rows_before_the_damage_are_read() -> None:
    packed = gzip.compress(b'{"text": "a"}\n' * 3)
    Path("t.jsonl.gz").write_bytes(packed[:-8] + bytes(8))
    found = read("t.jsonl.gz")
    assert [source for source, _ in found] == ["t.jsonl.gz#0", "t.jsonl.gz#1", "t.jsonl.gz#2", "t.jsonl.gz"]


@pytest.mark.parametrize("values", [[1, 2], [["a"]], [{"a": 1}], [b"a"]])
def test_a_parquet_column_without_text_is_one_failure(values: list[Any]) -> None:
    pq.write_table(pa.table({"text": values}), "t.parquet")
    ((_, message),) = read("t.parquet")
    assert "not text" in message


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_text_type_of_parquet_is_read(kind: pa.DataType) -> None:
    pq.write_table(pa.table({"text": pa.array(["a", None]).cast(kind), "n": [7, 8]}), "t.parquet")
    (first, (_, message)) = read("t.parquet", id_column="n")
    assert first == ("t.parquet#7", "a")
    assert "no text in column 'text'" in message


def test_csv_may_have_long_texts_and_other_encodings() -> None:
    Path("t.csv").write_bytes(b"\xef\xbb\xbftext\r\n" + b"word " * 100_000 + b"\r\n")
    assert len(read("t.csv")[0][1]) == 500_000
    Path("u.csv").write_bytes("text\nKäse\n".encode("cp1252"))
    assert read("u.csv", encoding=("cp1252",)) == [("u.csv#0", "Käse")]


def test_tables_are_read_if_named_and_skipped_inside_directories() -> None:
    Path("d").mkdir()
    for suffix in WRITE:
        put(suffix, ROWS, "d/t")
    Path("d/a.txt").write_text("a")
    listing = list_inputs(["d"])
    assert listing.items == ["d/a.txt"]
    assert listing.skipped == {"table in a directory": 4}
    assert list_inputs(["d/*.csv", "d/t.parquet"]).items == ["d/t.csv", "d/t.parquet"]


def test_the_share_of_the_file_grows_with_each_row(folder: Path) -> None:
    for suffix in WRITE:
        put(suffix, [{"text": "Tea is hot. " * 2_000}] * 100)
        shares = [share for _, share in read_documents(f"t.{suffix}", FileSettings())]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert shares[49] < 0.9


def test_progress_counts_a_table_as_one_input() -> None:
    Path("a.txt").write_text("a")
    put("parquet", [{"text": "Tea is hot."}] * 100)
    lost = Failure("x", "read", "E", "x")
    reading = InputReader(Listing(["a.txt", "t.parquet", lost, "a.txt"]), FileSettings())
    assert len(list(reading)) == 103
    shares = [reading.share(n_done) for n_done in (0, 0.5, 1, 51, 51.5, 101, 102, 103)]
    assert shares == pytest.approx([0, 0.125, 0.25, 0.375, 0.37625, 0.5, 0.75, 1])


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kinds, "KINDS", (kinds.Kind("pdf", (".pdf",), package="no_such_package"),))
    require_packages(["a.txt"])
    with pytest.raises(
        ModelError, match=r"d/a\.pdf: .*no_such_package\. Install it: pip install 'qgbatch\[pdf\]'"
    ):
        require_packages(["a.txt", "d/a.pdf"])
