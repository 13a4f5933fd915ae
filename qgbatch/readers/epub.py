"""EPUB books to text: the chapters in reading order."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from qgbatch.errors import DocumentError
from qgbatch.readers.archive import DAMAGED, is_markup, open_archive, page_text, parse_xml
from qgbatch.readers.content import decode
from qgbatch.readers.omissions import Omissions

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


def extract_text(data: bytes, source: str, omissions: Omissions, encodings: Sequence[str] = ()) -> str:
    """The visible text of the chapters, its blocks separated by blank lines.

    Tables of data, preformatted text and navigation are omitted. A chapter that is missing or
    damaged, or is neither a page nor text, is left out.

    Args:
        data: The file.
        source: Its name, for messages.
        omissions: Counts what is left out.
        encodings: Encodings of chapters that declare none, as for :func:`decode`.

    Raises:
        DocumentError: the file is not an EPUB, is encrypted, damaged or too large.
    """
    with open_archive(data, source) as archive:
        book = _Book(archive, source, omissions, encodings)
        chapters = [book.chapter(versions) for versions in book.spine()]
    return "\n\n".join(filter(None, chapters))


class _Book:
    def __init__(
        self, archive: zipfile.ZipFile, source: str, omissions: Omissions, encodings: Sequence[str]
    ) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist())
        self._source = source
        self._omissions = omissions
        self._encodings = encodings

    def spine(self) -> Iterator[list[_Item]]:
        """The items that the spine lists, in its order, each of them once, and their fallbacks."""
        container = parse_xml(self._archive.read("META-INF/container.xml"), self._source)
        package = next((str(root.get("full-path")) for root in container.iter("{*}rootfile")), "")
        book = parse_xml(self._archive.read(package), self._source)
        folder = posixpath.dirname(package)
        items = {
            item.get("id", ""): _Item(
                posixpath.normpath(posixpath.join(folder, unquote(item.get("href", "").partition("#")[0]))),
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
                self._omissions.leave_out_part(f"chapter {item_id}", "the manifest does not list it")
            elif versions[0].name not in done:
                done.add(versions[0].name)
                yield versions

    def chapter(self, versions: Sequence[_Item]) -> str:
        """The text of the first version that can be read, or an empty string if none can."""
        errors: list[Exception] = []
        for item in versions:
            try:
                return self._text(item)
            except _EncryptedError:
                raise
            except (DocumentError, *DAMAGED) as error:
                errors.append(error)
        self._omissions.leave_out_part(f"chapter {versions[0].name}", errors[0])
        return ""

    def _text(self, item: _Item) -> str:
        if item.name not in self._names:
            raise DocumentError("the file does not contain it")
        content = self._archive.read(item.name)
        if is_markup(content):
            return page_text(content, item.name, self._omissions, self._encodings)
        if item.media_type not in (*_PAGE_TYPES, "text/plain"):
            raise DocumentError(f"its type is {item.media_type}")
        if content.strip() and _ENCRYPTION_LIST in self._names:
            raise _EncryptedError(f"{self._source}: is encrypted.", "Give a copy without copy protection.")
        if item.media_type == "text/plain":
            return decode(content, item.name, self._encodings)
        return page_text(content, item.name, self._omissions, self._encodings)


class _EncryptedError(DocumentError):
    """The whole book is encrypted."""


def _versions(item_id: str, items: Mapping[str, _Item]) -> list[_Item]:
    """An item, the item that stands in for it, and so on."""
    versions: dict[str, _Item] = {}
    while item_id in items and item_id not in versions:
        versions[item_id] = items[item_id]
        item_id = items[item_id].fallback
    return list(versions.values())
