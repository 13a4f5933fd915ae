"""EPUB books to text: the chapters in reading order."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote

from qgbatch.errors import DocumentError
from qgbatch.readers.archive import open_archive, parse_xml
from qgbatch.readers.content import decode
from qgbatch.readers.html import declared_encoding, visible_text

_CHAPTERS = ("application/xhtml+xml", "text/html")
_ENCRYPTION_LIST = "META-INF/encryption.xml"


def extract_text(data: bytes, source: str) -> str:
    """The visible text of the chapters, its blocks separated by blank lines.

    Tables and preformatted text are omitted.

    Raises:
        DocumentError: the file is not an EPUB, is encrypted, damaged or too large.
    """
    with open_archive(data, source) as archive:
        is_protected = _ENCRYPTION_LIST in archive.namelist()
        contents = [archive.read(name) for name in _chapter_names(archive, source)]
    try:
        chapters = [_chapter(content, source) for content in contents]
    except DocumentError as error:
        if is_protected:
            raise DocumentError(
                f"{source}: is encrypted.", "Give a copy without copy protection."
            ) from error
        raise
    return "\n\n".join(filter(None, chapters))


def _chapter(content: bytes, source: str) -> str:
    declared = declared_encoding(content)
    return visible_text(decode(content, source, [declared] if declared else []))


def _chapter_names(archive: zipfile.ZipFile, source: str) -> Iterator[str]:
    """The members that the book's spine lists, in its order, each of them once."""
    container = parse_xml(archive.read("META-INF/container.xml"), source)
    package = next((str(root.get("full-path")) for root in container.iter("{*}rootfile")), "")
    book = parse_xml(archive.read(package), source)
    folder = posixpath.dirname(package)
    items = {
        item.get("id"): posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))
        for item in book.iter("{*}item")
        if item.get("media-type") in _CHAPTERS
    }
    names = (items.get(entry.get("idref")) for entry in book.iter("{*}itemref"))
    yield from dict.fromkeys(name for name in names if name)
