"""Files to documents. Whatever is wrong with one document becomes a failure of that document.

Each module of a format turns bytes or text into plain text, and imports its library when the first
such document is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module

from qgbatch.errors import DocumentError, display
from qgbatch.output.web import media_type_of
from qgbatch.readers import html, markdown, pdf_process, plain_text, rst, tables
from qgbatch.readers.content import (
    Content,
    check_markup_size,
    decode,
    read_content,
    without_soft_hyphens,
)
from qgbatch.readers.kinds import MEDIA_TYPES, is_table, kind_named, kind_of
from qgbatch.readers.listing import Listing
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.signatures import kind_of_content
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings

_MAX_TITLE_CHARS = 150
_TEXT_READERS = {
    "text": plain_text.running_text,
    "markdown": markdown.plain_text,
    "rst": rst.plain_text,
    "html": html.main_text,
}


def read_documents(path: str, files: FileSettings) -> Iterator[tuple[Document | Failure, float]]:
    """Read the documents of a file, or of standard input for ``-``; never raises an error.

    A table has a document per row, any other file is one document.

    Yields:
        At least once, a document or the failure to read one, and the share of the file
        that has been read with it, 0 to 1.
    """
    try:
        if is_table(path):
            yield from tables.read_table_documents(path, files)
        else:
            yield read_document(path, files.encoding), 1.0
    except Exception as error:  # a bug that one file triggers must not stop the run
        yield Failure.of(display(path), "read", error), 1.0


def read_document(path: str, encodings: Sequence[str] = ()) -> Document:
    r"""Read a file that is not a table, or standard input for ``-``, as one document.

    Its suffix says of which kind it is, or the type that a web server names, unless its content is of
    another kind. Standard input is text then.

    Text is decoded by its byte order mark; without one as UTF-8, then in the given encodings.
    Line breaks become ``\n``. Markup and soft hyphens are removed.

    Raises:
        DocumentError: the file cannot be read or decoded, or contains no text.
        ModelError: the package that reads it is missing.
    """
    source, by_name = display(path), kind_of(path)
    content = read_content(path, () if by_name else MEDIA_TYPES)
    expected = by_name or kind_named(MEDIA_TYPES[media_type_of(content.content_type)])
    data, name = content.data, kind_of_content(content.data, expected, source).name
    page_starts: tuple[int, ...] = ()
    omissions = Omissions(source)
    if name == "pdf":
        text, page_starts = pdf_process.extract_pages(data, source, omissions)
    elif name in ("docx", "epub"):
        reader = import_module(f"qgbatch.readers.{name}")  # most runs need neither
        text = reader.extract_text(data, source, omissions, encodings)
    else:
        text = _decoded_text(name, content, source, omissions, encodings)
    if name != "pdf":  # its pages have none, and begin at known offsets
        text = without_soft_hyphens(text)
    if data and not text and name != "text":
        unread = f"; {omissions.unread_parts[0].message}" if omissions.unread_parts else "."
        raise DocumentError(
            f"{source}: no text was found in it{unread}",
            "Remove it, or give its text as a .txt file." if name != "pdf" else "Run OCR over it first.",
        )
    omitted, unread_parts = dict(+omissions.counts), tuple(omissions.unread_parts)
    document = Document.from_text(text, source, page_starts, omitted, unread_parts)
    return replace(document, title=_find_title(text))


def _find_title(text: str) -> str | None:
    """Return the first line of a text if it is short, a paragraph of its own and no sentence."""
    line, _, rest = text.lstrip()[: 2 * _MAX_TITLE_CHARS].partition("\n")
    title = line.strip(" \t#")
    is_heading = rest.startswith("\n") and not title.endswith((".", "!", "?", ":", ";", ","))
    return title if title and is_heading and len(title) <= _MAX_TITLE_CHARS else None


def _decoded_text(
    name: str, content: Content, source: str, omissions: Omissions, encodings: Sequence[str]
) -> str:
    data, header = content.data, content.content_type
    declared = html.declared_encoding(data, header) if header else None
    if declared is None and name == "html":
        declared = html.declared_encoding(data)
    if name != "text":
        check_markup_size(data, source)
    text = decode(data, source, [declared, *encodings] if declared else encodings)
    if "\0" in text or not text or text.isspace():
        return text  # Document.from_text refuses empty and binary text, for all formats alike
    return _TEXT_READERS[name](text, omissions)


class InputReader:
    """Reads the documents of a listing one after another, and knows how far it has come.

    One thread may iterate while another calls :meth:`share` and :meth:`close`.
    """

    def __init__(self, listing: Listing, files: FileSettings) -> None:
        self._items = listing.items
        self._files = files
        self._marks: deque[tuple[int, float]] = deque([(0, 0.0)])
        """A number of documents, and the share of the listing that had been read after so many."""
        self._is_closed = False
        self._positions: dict[Document, int] = {}

    def close(self) -> None:
        """Read no more; a PDF that is being read in another thread fails."""
        self._is_closed = True
        pdf_process.interrupt()

    def __iter__(self) -> Iterator[Document | Failure]:
        n_read = 0
        for position, item in enumerate(self._items):
            if self._is_closed:
                return
            found = [(item, 1.0)] if isinstance(item, Failure) else read_documents(item, self._files)
            for document, share in found:
                n_read += 1
                self._marks.append((n_read, (position + share) / len(self._items)))
                if isinstance(document, Document):
                    self._positions[document] = position
                yield document

    def take_position(self, document: Document) -> int:
        """Return the position in the listing from which a document was read, and forget it."""
        return self._positions.pop(document)

    def share(self, n_done: float) -> float:
        """The share of the listing, 0 to 1, that the first ``n_done`` documents make up.

        Args:
            n_done: The number of documents; never fewer than in the call before.
        """
        while len(self._marks) > 1 and self._marks[1][0] <= n_done:
            self._marks.popleft()
        n_before, before = self._marks[0]
        n_after, after = self._marks[1] if len(self._marks) > 1 else self._marks[0]
        return before + (after - before) * (n_done - n_before) / max(n_after - n_before, 1)
