"""The paragraphs and pages of PDF files."""

from __future__ import annotations

import io
import logging
import random
import signal
import sys
from pathlib import Path
from threading import Timer

import pytest

from qgbatch.errors import DocumentError
from qgbatch.readers import pdf, pdf_process
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.reading import read_document, read_documents
from qgbatch.records import Chunk, Failure
from qgbatch.settings import FileSettings
from tests.support.documents import join_objects, make_pdf

WIDE = "The ferry to the island leaves at noon on every day of the week and takes"
ENCRYPTION = (
    b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O(12345678901234567890123456789012)"
    b"/U(12345678901234567890123456789012)>>/ID[(1234567890123456)(1234567890123456)]"
)


def text_of(*pages: list[str]) -> str:
    return pdf.read_pages(make_pdf(pages), "a.pdf", Omissions("a.pdf"))[0]


@pytest.mark.parametrize(
    ("pages", "text"),
    [
        ([[WIDE, "forty minutes to cross. It carries tea, flour and letters for all who live"]],
         f"{WIDE} forty minutes to cross. It carries tea, flour and letters for all who live"),
        ([[WIDE, "forty minutes.", WIDE]], f"{WIDE} forty minutes.\n\n{WIDE}"),
        ([["Title", "", WIDE, "forty minutes."]], f"Title\n\n{WIDE} forty minutes."),
        ([[WIDE, WIDE, "", WIDE]], f"{WIDE} {WIDE}\n\n{WIDE}"),
        ([[WIDE + " and crosses with-", "out a stop."]], f"{WIDE} and crosses without a stop."),
        ([[WIDE + " as the Anglo-", "Saxons did."]], f"{WIDE} as the Anglo-Saxons did."),
        ([[WIDE], ["forty minutes."]], f"{WIDE} forty minutes."),
        ([[WIDE + " with-"], ["out a stop."]], f"{WIDE} without a stop."),
        ([[WIDE + "."], [], ["Tea is hot."]], f"{WIDE}.\n\nTea is hot."),
        ([[WIDE, "1. Tea, and all that goes with it on a long and windy day upon the water", WIDE]],
         f"{WIDE}\n\n1. Tea, and all that goes with it on a long and windy day upon the water {WIDE}"),
    ],
    ids=["line", "short line", "title", "gap", "divided", "hyphen", "page", "across", "empty page", "item"],
)  # fmt: skip
def test_lines_are_joined_to_paragraphs(pages: list[list[str]], text: str) -> None:
    assert text_of(*pages) == text


def test_a_chunk_knows_the_page_on_which_it_begins(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(make_pdf([[], ["One is here."], [], ["Four is here."]]))
    document = read_document(str(tmp_path / "a.pdf"))
    assert document.page_starts == (0, 0, 12, 14)
    pages = [Chunk(document, 0, start, 27, (1,), hard_split=False).page for start in (0, 11, 14, 20)]
    assert pages == [2, 2, 4, 4]


@pytest.mark.parametrize(
    ("content", "text", "page_starts"),
    [
        (make_pdf([["Tea is hot."]]), "Tea is hot.", (0,)),
        (b"%PDF-1.7x is how a PDF may begin.", "%PDF-1.7x is how a PDF may begin.", ()),
    ],
    ids=["PDF", "text about PDF"],
)
def test_standard_input_may_be_a_pdf(
    monkeypatch: pytest.MonkeyPatch, content: bytes, text: str, page_starts: tuple[int, ...]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    document = read_document("-")
    assert (document.source, document.text, document.page_starts) == ("-", text, page_starts)


def test_documents_without_pages_have_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Tea is hot.")
    assert Chunk(read_document(str(tmp_path / "a.txt")), 0, 0, 3, (1,), hard_split=False).page is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.4", "damaged, or not a PDF file"),
        (bytes(8), "damaged, or not a PDF file"),
        (make_pdf([[], []]), "no text was found in it. Run OCR"),
        (
            join_objects([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"], ENCRYPTION),
            "password",
        ),
        (b"", "is empty|damaged"),
    ],
    ids=["cut", "binary", "pictures", "encrypted", "empty"],
)
def test_a_file_without_text_is_refused_with_the_reason(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").write_bytes(content)
    with pytest.raises(DocumentError, match=reason) as caught:
        read_document(str(tmp_path / "a.pdf"))
    assert str(tmp_path / "a.pdf") in caught.value.message


def test_the_number_of_pages_and_characters_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_MARKUP_BYTES", 20)
    with pytest.raises(DocumentError, match="larger than"):
        text_of(["Tea is hot today."], ["And tomorrow too."])
    with pytest.raises(DocumentError, match="larger than"):
        text_of([WIDE])
    monkeypatch.setattr(pdf, "_MAX_PAGES", 2)
    with pytest.raises(DocumentError, match="more than 2 pages"):
        text_of([], [], [])


def test_a_damaged_file_gives_text_or_an_error() -> None:
    content, dice = make_pdf([[WIDE], [WIDE]]), random.Random(1)
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(3):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            text, page_starts = pdf.read_pages(bytes(damaged), "a.pdf", Omissions("a.pdf"))
            assert all(0 <= start <= len(text) for start in page_starts)
        except DocumentError as error:
            assert "a.pdf" in str(error)  # noqa: PT017


@pytest.mark.parametrize(("seconds", "reason"), [(0.05, "took more than 0.05 s"), (60.0, "crashed")])
def test_a_file_that_hangs_or_crashes_pdfium_fails_by_itself(
    monkeypatch: pytest.MonkeyPatch, seconds: float, reason: str
) -> None:
    monkeypatch.setattr(pdf_process, "MAX_SECONDS", seconds)
    data, process = make_pdf([["A line of text."] * 50] * 2000), pdf_process._worker._running()
    if reason == "crashed":
        process.send_signal(signal.SIGSTOP)  # so that it dies in the middle
        Timer(0.2, process.kill).start()
    with pytest.raises(DocumentError, match=f"^big.pdf: PDFium {reason}"):
        pdf_process.extract_pages(data, "big.pdf", Omissions("big.pdf"))
    monkeypatch.undo()
    text, _ = pdf_process.extract_pages(make_pdf([["The next one is read."]]), "b.pdf", Omissions("b.pdf"))
    assert text == "The next one is read."


def test_an_unexpected_error_in_the_pdf_process_keeps_its_class_and_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(data: bytes, source: str, omissions: Omissions) -> None:
        raise IndexError("no such line")

    monkeypatch.setattr(pdf, "read_pages", fail)
    monkeypatch.setattr(pdf_process, "_exchange", lambda *words: pdf_process._answer(*words[2:]))
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    caplog.set_level(logging.DEBUG, "qgbatch")
    ((failure, _),) = read_documents(str(tmp_path / "a.pdf"), FileSettings())
    assert isinstance(failure, Failure)
    assert f"{tmp_path / 'a.pdf'}: unexpected RuntimeError: IndexError: no such line. " in failure.message
    assert ", in fail" in caplog.text
