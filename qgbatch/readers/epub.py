"""EPUB books -> text: the chapters in reading order."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from qgbatch.errors import DocumentError
from qgbatch.readers.archive import damaged, open_archive
from qgbatch.readers.content import decode
from qgbatch.readers.html import declared_encoding, visible_text

_CHAPTERS = ("application/xhtml+xml", "text/html")
_RIGHTS = "META-INF/encryption.xml"


def extract_text(data: bytes, source: str) -> str:
    """All visible text of the chapters but tables and preformatted text, blocks apart by blank lines.

    Raises:
        DocumentError: it is no EPUB, is encrypted, damaged or too large.
    """
    with open_archive(data, source) as archive:
        chapters = [_chapter(archive, name, source) for name in _chapter_names(archive, source)]
    return "\n\n".join(filter(None, chapters))


def _chapter(archive: zipfile.ZipFile, name: str, source: str) -> str:
    content = archive.read(name)
    declared = declared_encoding(content)
    try:
        return visible_text(decode(content, source, [declared] if declared else []))
    except DocumentError as error:
        if _RIGHTS in archive.namelist():
            raise DocumentError(f"{source}: is encrypted.", "Give a copy that is not.") from error
        raise


def _chapter_names(archive: zipfile.ZipFile, source: str) -> Iterator[str]:
    """Names of the members that the book's spine names, each once."""
    container = _parse(archive.read("META-INF/container.xml"), source)
    package = next((str(root.get("full-path")) for root in container.iter("{*}rootfile")), "")
    book = _parse(archive.read(package), source)
    folder = posixpath.dirname(package)
    items = {
        item.get("id"): posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))
        for item in book.iter("{*}item")
        if item.get("media-type") in _CHAPTERS
    }
    names = (items.get(entry.get("idref")) for entry in book.iter("{*}itemref"))
    yield from dict.fromkeys(name for name in names if name)


def _parse(xml: bytes, source: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    try:
        return etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise damaged(source, error) from error
