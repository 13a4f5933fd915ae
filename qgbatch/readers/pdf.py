"""PDF to text, and the offset at which each page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers.content import MAX_MARKUP_BYTES, too_large_error
from qgbatch.readers.pdf_lines import Line, reading_order, split_lines
from qgbatch.readers.pdf_margins import remove_margins
from qgbatch.readers.pdf_text import join_pages, place_lines, usual_size
from qgbatch.readers.pdf_words import read_words

_MAX_PAGES = 10_000


def read_pages(data: bytes, source: str) -> tuple[str, tuple[int, ...]]:
    """The text of all pages, and the offset at which each page begins in it.

    The lines of a paragraph are joined, and so are words with a hyphen at the end of a line and
    paragraphs that continue in the next column or on the next page. Running headers and footers,
    page numbers, contents and unreadable characters are left out.

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
        return _join(_read_pages(document, source), source)
    finally:
        document.close()


def _join(pages: Sequence[Sequence[Line]], source: str) -> tuple[str, tuple[int, ...]]:
    if any(pages) and not any(line.text for page in pages for line in page):
        raise DocumentError(
            f"{source}: its fonts do not say which characters it contains.", "Run OCR over it first."
        )
    size = usual_size(line for page in pages for line in page)
    return join_pages([place_lines(reading_order(page), size) for page in remove_margins(pages)])


def _read_pages(document: Any, source: str) -> list[list[Line]]:
    if len(document) > _MAX_PAGES:
        raise DocumentError(
            f"{source}: has more than {_MAX_PAGES:,} pages.", "Split it into several files."
        )
    pages, n_chars = [], 0
    for number in range(len(document)):
        lines = _read_page(document, number, source)
        n_chars += sum(len(line.text) for line in lines)
        if n_chars > MAX_MARKUP_BYTES:
            raise too_large_error(source, MAX_MARKUP_BYTES)
        pages.append(lines)
    return pages


def _read_page(document: Any, number: int, source: str) -> list[Line]:
    """The parts of lines of a page, in the order of the file."""
    import pypdfium2

    try:
        page = document[number]
        text_page = page.get_textpage()
        if text_page.count_chars() > MAX_MARKUP_BYTES:
            raise too_large_error(source, MAX_MARKUP_BYTES)
        lines = split_lines(read_words(page, text_page))
        text_page.close()
        page.close()
    except pypdfium2.PdfiumError as error:
        raise DocumentError(
            f"{source}: page {number + 1} is damaged ({error}).", "Save or fetch it again."
        ) from error
    return lines
