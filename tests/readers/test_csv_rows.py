"""CSV and TSV as people and other programs write them: read right, or refused with the line."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from qgbatch.errors import DocumentError
from qgbatch.readers import lines
from qgbatch.readers.tables import read_table_documents
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(name: str, content: str | bytes, *encodings: str) -> list[str]:
    """The texts, and the messages of the failures."""
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_table_documents(name, FileSettings(encoding=encodings))
    return [each.text if isinstance(each, Document) else each.message for each, _ in found]


def assert_fails(message: str, place: str, reason: str) -> None:
    assert message.startswith(f"{place}: {reason}"), message


@pytest.mark.parametrize("rest", ["3,milk\n4,salt\n", '3,milk\n4,"salt"\n'])
def test_a_quote_that_is_not_closed_costs_one_row(rest: str) -> None:
    _, message, milk, salt = read("t.csv", f'id,text\n1,tea\n2,"open\n{rest}')
    assert_fails(message, "t.csv, line 3", "not CSV (a quote is not closed")
    assert (milk, salt) == ("milk", "salt")


def test_the_rows_below_an_open_quote_are_read_even_if_it_exceeds_the_size_of_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "MAX_ROW_BYTES", 100)
    message, *others = read("t.csv", 'text\n"' + "a\n" * 100)
    assert_fails(message, "t.csv, line 2", "t.csv, line 51: the row is larger than")
    assert others == ["a"] * 99


def test_failures_of_rows_are_document_errors() -> None:
    Path("t.csv").write_text("id,text\n1,tea, milk\n")
    ((failure, _),) = read_table_documents("t.csv", FileSettings())
    assert isinstance(failure, Failure)
    assert failure.error == "DocumentError"


def test_text_after_a_quote_fails_with_its_line() -> None:
    message, milk = read("t.csv", 'id,text\n1,"He said "yes" to us"\n2,milk\n')
    assert_fails(message, "t.csv, line 2", "not CSV (")
    assert milk == "milk"


def test_many_open_quotes_do_not_make_reading_quadratic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_MIN_REREAD_BYTES", 0)
    with pytest.raises(DocumentError, match="too many quotes up to this line are not closed"):
        read("t.csv", "id,text\n" + 'x","\n' * 1_000)


@pytest.mark.parametrize("row", ["2,tea, with milk", '2,tea,"with milk"', "2,tea,,milk"])
def test_a_row_with_more_values_than_columns_fails(row: str) -> None:
    salt, message, milk = read("t.csv", f"id,text\n1,salt\n{row}\n3,milk\n")
    n_values = row.count(",") + 1
    assert_fails(message, "t.csv, line 3", f"{n_values} values for 2 columns.")
    assert (salt, milk) == ("salt", "milk")


def test_empty_values_after_the_last_column_are_no_values() -> None:
    assert read("t.csv", "id,text\n1,tea,,\n") == ["tea"]


def test_backslashes_may_stand_before_quotes() -> None:
    rows = ['1,"He said \\"yes\\", and \\"no\\""', '2,"C:\\"', '3,"a\nb \\"c\\" \\\\ \\n"']
    assert read("t.csv", "\n".join(["id,text", *rows])) == [
        'He said "yes", and "no"',
        "C:\\",
        'a\nb "c" \\ \\n',
    ]


def test_quotes_of_tsv_are_characters_unless_they_enclose_a_value() -> None:
    rows = [
        '1\t"Tea is hot, he wrote.',
        "2\tMilk is cold.",
        '3\t"Salt" is "white".',
        '4\t"Bread',
        '5\tRice"',
        '6\t"two\nlines ""here"""',
        '7\t"a\tb"',
        '8\t"open',
    ]
    assert read("t.tsv", "\n".join(["id\ttext", *rows])) == [
        '"Tea is hot, he wrote.',
        "Milk is cold.",
        '"Salt" is "white".',
        '"Bread',
        'Rice"',
        'two\nlines "here"',
        "a\tb",
        '"open',
    ]


def test_tsv_with_too_many_values_fails() -> None:
    message, milk = read("t.tsv", 'id\ttext\n1\t"tea\thot\n2\tmilk\n')
    assert_fails(message, "t.tsv, line 2", "not CSV (")
    assert milk == "milk"


@pytest.mark.parametrize(
    ("first_lines", "delimiter"),
    [
        ("id;text", ";"),
        ('"id";"text"', ";"),
        ("id\ttext", "\t"),
        ("id|text", "|"),
        ("sep=;\r\nid;text", ";"),
        ("SEP=,\nid,text", ","),
        ('"sep=#"\nid#text', "#"),
        ("\ufeffsep=\t\nid\ttext", "\t"),
    ],
)
def test_the_delimiter_is_found(first_lines: str, delimiter: str) -> None:
    row = f'1{delimiter}"tea, hot; {delimiter}"'
    assert read("t.csv", f"{first_lines}\n{row}\n") == [f"tea, hot; {delimiter}"]


def test_columns_with_another_delimiter_are_named() -> None:
    with pytest.raises(DocumentError, match=r"only 'id', 'body'\."):
        read("t.csv", "id;body\n1;tea\n")


def test_a_column_alone_needs_no_delimiter() -> None:
    assert read("t.csv", "text\ntea; hot\n") == ["tea; hot"]


@pytest.mark.parametrize("first_lines", ["id,text\n", "sep=,\r\nid,text\r\n"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
)
def test_utf_16_is_read(first_lines: str, mark: bytes, encoding: str) -> None:
    content = f'{first_lines}7,"\u010a\u0a0a\n€"\n8,tea\n'
    assert read("t.csv", mark + content.encode(encoding)) == ["\u010a\u0a0a\n€", "tea"]


def test_utf_16_jsonl_is_read() -> None:
    assert read("t.jsonl", '{"text": "käse"}\n{"text": "tea"}'.encode("utf-16")) == ["käse", "tea"]


def test_half_a_surrogate_pair_in_utf_16_fails_by_itself() -> None:
    content = "text\ntea\n?\nmilk\n".encode("utf-16-le").replace(b"?\0", b"\0\xd8")
    tea, message, milk = read("t.csv", content, "cp1252")
    assert_fails(message, "t.csv, line 3", "not valid UTF-16")
    assert (tea, milk) == ("tea", "milk")


def test_utf_16_that_is_cut_off_is_refused_at_its_line() -> None:
    with pytest.raises(DocumentError, match=r"t\.csv, line 3: not valid UTF-16"):
        read("t.csv", "text\ntea\nmilk".encode("utf-16")[:-1])


@pytest.mark.parametrize("row", [b"2,caf\xe9", b'2,"caf\xe9\n""two"" lines"'])
def test_an_undecodable_line_fails_by_itself(row: bytes) -> None:
    tea, message, milk = read("t.csv", b"id,text\n1,tea\n" + row + b"\n3,milk\n")
    assert_fails(message, "t.csv, line 3", "the bytes are not valid utf-8")
    assert (tea, milk) == ("tea", "milk")
