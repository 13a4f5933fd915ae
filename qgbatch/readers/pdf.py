"""PDF to text, and the offset at which each page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers.content import MAX_MARKUP_BYTES, too_large_error
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.pdf_lines import Line, reading_order, split_lines
from qgbatch.readers.pdf_margins import remove_margins
from qgbatch.readers.pdf_text import join_pages, place_lines, usual_size
from qgbatch.readers.pdf_words import read_words

_MAX_PAGES = 10_000
_MAX_UNREADABLE = 0.05
"""A file in which a larger share of the characters is unreadable is not read whole."""
_MAX_WITHOUT_TEXT = 0.5
"""Nor is one with a larger share of pages that only have pictures."""


def read_pages(data: bytes, source: str, omissions: Omissions) -> tuple[str, tuple[int, ...]]:
    """The text of all pages, and the offset at which each page begins in it.

    The lines of a paragraph are joined, and so are words with a hyphen at the end of a line and
    paragraphs that continue in the next column or on the next page. Running headers and footers,
    page numbers, contents, unreadable characters and damaged pages are left out.

    Raises:
        DocumentError: the file is not a PDF, has a password, is damaged, too large or unreadable.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentError(f"{source}: has a password.", "Save it without one.") from error
        raise DocumentError(
            f"{source}: damaged, or not a PDF file ({error}).", "Save or fetch it again."
        ) from error
    try:
        return _join(_read_pages(document, source, omissions), source, omissions)
    finally:
        document.close()


def _join(
    pages: Sequence[Sequence[Line]], source: str, omissions: Omissions
) -> tuple[str, tuple[int, ...]]:
    if any(pages) and not any(line.text for page in pages for line in page):
        raise DocumentError(
            f"{source}: its fonts do not say which characters it contains.", "Run OCR over it first."
        )
    counts = omissions.counts
    size = usual_size(line for page in pages for line in page)
    kept = remove_margins(pages, counts)
    return join_pages([place_lines(reading_order(page), size, counts) for page in kept])


def _read_pages(document: Any, source: str, omissions: Omissions) -> list[list[Line]]:
    if len(document) > _MAX_PAGES:
        raise DocumentError(
            f"{source}: has more than {_MAX_PAGES:,} pages.", "Split it into several files."
        )
    pages, n_chars, n_unreadable = [], 0, 0
    for number in range(len(document)):
        lines = _read_page(document, number, source, omissions)
        n_chars += sum(len(line.text) for line in lines)
        n_unreadable += sum(line.n_unreadable for line in lines)
        if n_chars > MAX_MARKUP_BYTES:
            raise too_large_error(source, MAX_MARKUP_BYTES)
        pages.append(lines)
    omissions.counts["unreadable_characters"] = n_unreadable
    if n_chars and n_unreadable > _MAX_UNREADABLE * (n_chars + n_unreadable):
        reason = "its fonts do not say which characters they show"
        omissions.leave_out_part(f"text of {n_unreadable:,} characters", reason)
    n_scanned = omissions.counts["image_only_pages"]
    if n_chars and n_scanned > _MAX_WITHOUT_TEXT * len(pages):
        omissions.leave_out_part(f"text of {n_scanned:,} pages", "they are pictures: run OCR over them")
    return pages


def _read_page(document: Any, number: int, source: str, omissions: Omissions) -> list[Line]:
    """The parts of lines of a page, in the order of the file; none of a damaged page."""
    import pypdfium2

    try:
        page = document[number]
        text_page = page.get_textpage()
        if text_page.count_chars() > MAX_MARKUP_BYTES:
            raise too_large_error(source, MAX_MARKUP_BYTES)
        lines = split_lines(read_words(page, text_page))
        n_pictures = _n_pictures(page)
        omissions.counts["pictures"] += n_pictures
        omissions.counts["image_only_pages"] += n_pictures > 0 and not lines
        text_page.close()
        page.close()
    except pypdfium2.PdfiumError as error:
        omissions.leave_out_part(f"page {number + 1}", error)
        return []
    return lines


def _n_pictures(page: Any) -> int:
    import pypdfium2.raw as pdfium

    objects = (
        pdfium.FPDFPage_GetObject(page, index) for index in range(pdfium.FPDFPage_CountObjects(page))
    )
    return sum(pdfium.FPDFPageObj_GetType(each) == pdfium.FPDF_PAGEOBJ_IMAGE for each in objects)
