"""A file is read as what its content is, whatever its name says."""

from __future__ import annotations

import gzip
import io
import logging
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qgbatch.readers import kinds
from qgbatch.readers.reading import read_documents
from qgbatch.records import Document
from qgbatch.settings import FileSettings
from tests.support.documents import make_docx, make_epub, make_pdf, make_zip

PAGE = b"<!DOCTYPE html>\n<html><body><nav><a href=/>Home</a></nav><p>Tea is hot.</p></body></html>"
FILES = {
    "pdf": make_pdf([["Tea is hot."]]),
    "docx": make_docx(["Tea is hot."]),
    "epub": make_epub({"one.xhtml": "<p>Tea is hot.</p>"}),
    "html": PAGE,
}
OLD_WORD = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512)
LARGE_FILE_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(name: str, content: bytes) -> str:
    """The text of the document, or the message of its failure."""
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    ((found, _),) = read_documents(name, FileSettings())
    return found.text if isinstance(found, Document) else found.message


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    "name", ["a.txt", "a.txt.gz", "a.md", "a.rst", "a.html", "a.pdf", "a.docx", "a.epub"]
)
def test_a_file_with_the_name_of_another_kind_is_read_as_what_it_is(name: str, kind: str) -> None:
    assert read(name, FILES[kind]).strip() == "Tea is hot."


@pytest.mark.parametrize("kind", FILES)
def test_standard_input_may_be_any_kind_of_document(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FILES[kind])))
    ((found, _),) = read_documents("-", FileSettings())
    assert isinstance(found, Document)
    assert found.text.strip() == "Tea is hot."


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.epub"])
def test_plain_text_with_the_name_of_another_kind_is_read(name: str) -> None:
    assert read(name, b"Tea is hot.") == "Tea is hot."


@pytest.mark.parametrize(
    "beginning",
    [
        b"\xef\xbb\xbf \n<html lang=en>",
        b"<!doctype html public '-//W3C//DTD HTML 4.01//EN'>",
        b"<?xml version='1.0'?>\n<!DOCTYPE html>",
        b"<!-- saved from a browser --><html>",
    ],
)
def test_a_page_may_begin_in_several_ways(beginning: bytes) -> None:
    page = beginning + b"<body><p>Tea is hot.</p></body>"
    assert read("a.txt", page) == "Tea is hot."
    assert read("a.txt", page.decode("utf-8-sig").encode("utf-16")) == "Tea is hot."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "<html> is the root element of a page."),
        ("a.txt", "<!DOCTYPE html> is the first line of a page."),
        ("a.txt", "<p>Tea is hot.</p>"),
        ("a.txt", "%PDF-1.7x is how a PDF may begin."),
        ("a.txt", r"{\rtf is how Rich Text begins."),
        ("a.txt", "PAR1 is a protein."),
        ("a.md", "<html><b>Tea</b> is hot, and `milk` is cold."),
    ],
)
def test_text_about_a_kind_of_file_stays_text(name: str, text: str) -> None:
    expected = "Tea is hot, and milk is cold." if name == "a.md" else text
    assert read(name, text.encode()).strip() == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (rb"{\rtf1\ansi Tea is hot.}", "is Rich Text. Save it as .docx or .txt."),
        (OLD_WORD, "has a password, or is in a format of Office before 2007. Save"),
        (gzip.compress(b"Tea is hot."), "is compressed with gzip. Add .gz to its name"),
        (LARGE_FILE_POINTER, "is a pointer of Git LFS, not the file. Fetch it"),
    ],
    ids=["rtf", "old word", "gzip", "lfs"],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.pdf", "a.docx", "t.csv", "t.jsonl"])
def test_a_kind_that_is_not_read_is_named(name: str, content: bytes, reason: str) -> None:
    assert f"{name}: {reason}" in read(name, content)


def test_another_archive_is_named() -> None:
    assert "a.txt: is a zip archive" in read("a.txt", make_zip({"xl/workbook.xml": "<a/>"}))
    assert "a.txt: is a zip archive" in read("a.txt", FILES["docx"][:99])
    assert "a.docx: damaged" in read("a.docx", FILES["docx"][:99])


@pytest.mark.parametrize(
    "content", [b'{"error": "not found"}', b"<Error>AccessDenied</Error>", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_document_is_not_read_as_text(content: bytes) -> None:
    assert "damaged, or not a PDF file" in read("a.pdf", content)


def test_a_damaged_file_is_not_called_by_its_wrong_name() -> None:
    message = read("a.txt", make_zip({"[Content_Types].xml": "", "word/document.xml": ""}))
    assert message.startswith("a.txt: damaged, or not what it seems (")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.jsonl", "t.parquet"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (FILES["pdf"], "is a PDF file"),
        (PAGE, "is an HTML page"),
        (make_zip({"xl/workbook.xml": "<a/>"}), "is a zip archive"),
    ],
    ids=["pdf", "html", "workbook"],
)
def test_a_table_that_is_another_kind_of_file_is_refused(name: str, content: bytes, reason: str) -> None:
    assert f"{name}: {reason}" in read(name, content)


def test_a_parquet_table_is_named_in_a_file_of_another_kind() -> None:
    pq.write_table(pa.table({"text": ["Tea is hot."]}), "t.parquet")
    content = Path("t.parquet").read_bytes()
    assert "t.csv: is a Parquet table. Give it the suffix .parquet." in read("t.csv", content)
    assert "a.txt: is a Parquet table." in read("a.txt", content)
    assert read("t.parquet", content) == "Tea is hot."


def test_a_table_may_begin_with_the_names_of_kinds() -> None:
    assert read("t.csv", b"PAR1,text\n1,Tea is hot.\n") == "Tea is hot."


def test_a_missing_package_fails_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    pdf = kinds.Kind("pdf", (".pdf",), package="no_such")
    monkeypatch.setattr(kinds, "KINDS", (*kinds.KINDS[:1], pdf))
    message = read("a.txt", FILES["pdf"])
    assert message.startswith("a.txt: is a PDF file. Reading it needs the package no_such. Install it: pip")


def test_the_kind_is_logged_where_the_name_says_another(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "qgbatch")
    read("a.txt", PAGE)
    read("a.html", PAGE)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "a.txt: is an HTML page, and is read as that")
    ]
