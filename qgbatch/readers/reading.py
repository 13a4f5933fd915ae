"""Inputs -> documents, in a stable order, each problem a failure of its own.

A module a format takes bytes or text and gives plain text; it loads its library when the
first such document is met.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from qgbatch.errors import DocumentError
from qgbatch.readers import docx, epub, html, markdown, pdf_process, rst, tables
from qgbatch.readers.content import STDIN, check_markup_size, decode, display, read_bytes
from qgbatch.readers.kinds import has_known_suffix, is_table, kind_of, require_packages
from qgbatch.readers.listing import Listing, list_inputs, read_list
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings

__all__ = [
    "STDIN",
    "Listing",
    "display",
    "has_known_suffix",
    "is_table",
    "list_inputs",
    "read_all",
    "read_document",
    "read_list",
    "require_packages",
]

_CONTAINERS = {"docx": docx.extract_text, "epub": epub.extract_text}
_WITH_MARKUP = {"markdown": markdown.plain_text, "rst": rst.plain_text, "html": html.main_text}


def read_all(path: str, files: FileSettings) -> Iterator[tuple[Document | Failure, float]]:
    """The documents of a file, or of standard input for ``-``: one, or of a table one a row.

    Each comes with the share of the file that is read with it, 0 to 1. At least one comes,
    and what cannot be read is a failure: no error is raised.
    """
    try:
        if is_table(path):
            yield from tables.read_table_documents(path, files)
        else:
            yield read_document(path, files.encoding), 1.0
    except Exception as error:  # whatever odd files set off must not stop the others
        yield Failure.of(display(path), "read", error), 1.0


def read_document(path: str, encodings: Sequence[str] = ()) -> Document:
    """Read one file that is no table, or standard input for ``-``.

    UTF-8 and UTF-16 are told by their byte order mark, then UTF-8 is tried, then the
    given encodings. Line ends become line feeds, as Python's ``open`` reads them. Of
    formats with markup the text is extracted.

    Raises:
        DocumentError: the file cannot be read or decoded, or holds no text.
    """
    kind, source, data = kind_of(path), display(path), read_bytes(path)
    name = kind.name if kind and path != STDIN else "text"
    page_starts: tuple[int, ...] = ()
    if name == "pdf":
        text, page_starts = pdf_process.extract_pages(data, source)
    elif name in _CONTAINERS:
        text = _CONTAINERS[name](data, source)
    else:
        text = _decoded_text(name, data, source, encodings)
    if data and not text and name != "text":
        raise DocumentError(
            f"{source}: no text was found in it.",
            "Remove it, or give its text as a .txt file." if name != "pdf" else "Run OCR over it first.",
        )
    return Document.from_text(text, source, page_starts)


def _decoded_text(name: str, data: bytes, source: str, encodings: Sequence[str]) -> str:
    declared = html.declared_encoding(data) if name == "html" else None
    if name in _WITH_MARKUP:
        check_markup_size(data, source)
    text = decode(data, source, [declared, *encodings] if declared else encodings)
    if name not in _WITH_MARKUP or "\0" in text or not text or text.isspace():
        return text  # what is wrong with it is said for all formats alike
    return _WITH_MARKUP[name](text)


class InputReader:
    """Gives the documents of a listing one after the other; those that cannot be read are failures.

    One thread may take them while another asks how far it is.
    """

    def __init__(self, listing: Listing, files: FileSettings) -> None:
        self._items = listing.items
        self._files = files
        self._marks: deque[tuple[int, float]] = deque([(0, 0.0)])
        """Numbers of documents given, each with the share of the listing that was read by then."""

    def __iter__(self) -> Iterator[Document | Failure]:
        n_given = 0
        for position, item in enumerate(self._items):
            found = [(item, 1.0)] if isinstance(item, Failure) else read_all(item, self._files)
            for document, share in found:
                n_given += 1
                self._marks.append((n_given, (position + share) / len(self._items)))
                yield document

    def share(self, n_done: float) -> float:
        """The share of the listing, 0 to 1, that so many of its documents are; never fewer than before."""
        while len(self._marks) > 1 and self._marks[1][0] <= n_done:
            self._marks.popleft()
        n_before, before = self._marks[0]
        n_after, after = self._marks[1] if len(self._marks) > 1 else self._marks[0]
        return before + (after - before) * (n_done - n_before) / max(n_after - n_before, 1)
