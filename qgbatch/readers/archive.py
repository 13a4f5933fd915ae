"""Zip archives of bounded size, and the XML and HTML in them: what the readers of .docx and .epub share."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers import html_text
from qgbatch.readers.content import MAX_DOCUMENT_BYTES, MAX_MARKUP_BYTES, decode
from qgbatch.readers.html import declared_encoding
from qgbatch.readers.omissions import Omissions

_MAX_MEMBERS = 10_000
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, RuntimeError)
"""What zipfile raises for a damaged archive, a missing member or an unknown compression method."""
_BLANK = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"
"""White space and the bytes of byte order marks, in UTF-8 and UTF-16."""


@contextmanager
def open_archive(data: bytes, source: str) -> Iterator[zipfile.ZipFile]:
    """Open an archive that is small enough to unpack in memory.

    A member never unpacks to more bytes than it declares, and the declared sizes are added
    up: all members together stay below :data:`MAX_DOCUMENT_BYTES`, and those that may be XML
    or HTML, whose tree takes many times the memory, below :data:`MAX_MARKUP_BYTES`.

    Raises:
        DocumentError: the data is not an archive, is too large, encrypted or damaged, also if
            the damage shows only when the block reads a member.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            _check(archive, source)
            yield archive
    except DAMAGED as error:
        raise damaged(source, str(error).strip() or type(error).__name__) from error


def parse_xml(data: bytes, source: str) -> Any:
    """Parse XML into an lxml element; entities are not expanded and nothing else is loaded.

    Raises:
        DocumentError: the XML is not well-formed, is nested too deeply or defines entities.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise damaged(source, str(error)) from error
    definitions = root.getroottree().docinfo.internalDTD
    if definitions is not None and any(definitions.iterentities()):
        raise damaged(source, "its XML defines entities")
    return root


def page_text(data: bytes, place: str, omissions: Omissions, encodings: Sequence[str]) -> str:
    """The visible text of an HTML page in an archive, without navigation.

    Args:
        data: The page.
        place: The file and the name of the page in it, for messages.
        omissions: Counts what is left out of it.
        encodings: Encodings to try after the one that the page declares.

    Raises:
        DocumentError: the page cannot be decoded.
    """
    declared = declared_encoding(data)
    page = decode(data, place, [declared, *encodings] if declared else encodings)
    text, counts = html_text.page_text(page, keeps_navigation=False)
    omissions.counts.update(counts)
    return text


def is_markup(start: bytes) -> bool:
    """Whether a member that starts with these bytes is XML or HTML, in UTF-8 or UTF-16."""
    return start.lstrip(_BLANK).startswith(b"<")


def damaged(source: str, reason: str) -> DocumentError:
    """The error for a file that is not what its name or its content says."""
    return DocumentError(f"{source}: damaged, or not what it seems ({reason}).", "Save or fetch it again.")


def _check(archive: zipfile.ZipFile, source: str) -> None:
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise DocumentError(
            f"{source}: holds more than {_MAX_MEMBERS:,} files.", "Check that it is what its suffix says."
        )
    if any(member.flag_bits & 1 for member in members):
        raise DocumentError(f"{source}: is encrypted.", "Save it without a password.")
    _check_size(sum(member.file_size for member in members), MAX_DOCUMENT_BYTES, source)
    large = [member for member in members if member.file_size > MAX_MARKUP_BYTES // _MAX_MEMBERS]
    markup = sum(member.file_size for member in large if _may_be_markup(archive, member))
    _check_size(markup, MAX_MARKUP_BYTES, source)


def _check_size(n_bytes: int, limit: int, source: str) -> None:
    if n_bytes > limit:
        raise DocumentError(
            f"{source}: unpacks to {n_bytes >> 20:,} MiB, more than {limit >> 20} MiB.",
            "Split it into several files.",
        )


def _may_be_markup(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    with archive.open(member) as stream:
        start = stream.read(16)
    return is_markup(start) or not start.strip(_BLANK)
