"""EPUB books to text: the chapters in reading order."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from qgbatch.errors import DocumentError
from qgbatch.readers.archive import is_markup, open_archive, page_text, parse_xml, warn_left_out
from qgbatch.readers.content import decode

_PAGE_TYPES = ("application/xhtml+xml", "text/html")
_ENCRYPTION_LIST = "META-INF/encryption.xml"


@dataclass(frozen=True, slots=True)
class _Item:
    """An entry of the book's manifest."""

    name: str
    """The name of the member."""
    media_type: str
    fallback: str
    """The id of the item that stands in for this one, or an empty string."""


def extract_text(data: bytes, source: str, encodings: Sequence[str] = ()) -> str:
    """The visible text of the chapters, its blocks separated by blank lines.

    Tables and preformatted text are omitted. A chapter that is missing, or is neither a page
    nor text, is left out with a warning.

    Args:
        data: The file.
        source: Its name, for messages.
        encodings: Encodings of chapters that declare none, as for :func:`decode`.

    Raises:
        DocumentError: the file is not an EPUB, is encrypted, damaged or too large.
    """
    with open_archive(data, source) as archive:
        book = _Book(archive, source, encodings)
        chapters = [book.chapter(versions) for versions in book.spine()]
    return "\n\n".join(filter(None, chapters))


class _Book:
    def __init__(self, archive: zipfile.ZipFile, source: str, encodings: Sequence[str]) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist())
        self._source = source
        self._encodings = encodings

    def spine(self) -> Iterator[list[_Item]]:
        """The items that the spine lists, in its order, each of them once, and their fallbacks."""
        container = parse_xml(self._archive.read("META-INF/container.xml"), self._source)
        package = next((str(root.get("full-path")) for root in container.iter("{*}rootfile")), "")
        book = parse_xml(self._archive.read(package), self._source)
        folder = posixpath.dirname(package)
        items = {
            item.get("id", ""): _Item(
                posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or ""))),
                str(item.get("media-type")).partition(";")[0].strip().lower(),
                item.get("fallback", ""),
            )
            for item in book.iter("{*}item")
        }
        entries = (entry.get("idref", "") for entry in book.iter("{*}itemref"))
        done = set()
        for item_id in dict.fromkeys(entries):
            versions = _versions(item_id, items)
            if not versions:
                warn_left_out(self._source, f"chapter {item_id}", "the manifest does not list it")
            elif versions[0].name not in done:
                done.add(versions[0].name)
                yield versions

    def chapter(self, versions: Sequence[_Item]) -> str:
        """The text of the first version that is a page or text, or an empty string with a warning."""
        for item in versions:
            text = self._text(item) if item.name in self._names else None
            if text is not None:
                return text
        first = versions[0]
        is_there = first.name in self._names
        reason = f"its type is {first.media_type}" if is_there else "the file does not contain it"
        warn_left_out(self._source, f"chapter {first.name}", reason)
        return ""

    def _text(self, item: _Item) -> str | None:
        """The text of a member, or ``None`` if it is neither a page nor text."""
        content = self._archive.read(item.name)
        place = f"{self._source}: {item.name}"
        if is_markup(content):
            return page_text(content, place, self._encodings)
        if item.media_type not in (*_PAGE_TYPES, "text/plain"):
            return None
        if content.strip() and _ENCRYPTION_LIST in self._names:
            raise DocumentError(f"{self._source}: is encrypted.", "Give a copy without copy protection.")
        read = decode if item.media_type == "text/plain" else page_text
        return read(content, place, self._encodings)


def _versions(item_id: str, items: Mapping[str, _Item]) -> list[_Item]:
    """An item, the item that stands in for it, and so on."""
    versions: dict[str, _Item] = {}
    while item_id in items and item_id not in versions:
        versions[item_id] = items[item_id]
        item_id = items[item_id].fallback
    return list(versions.values())
