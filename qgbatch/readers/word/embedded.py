"""Documents of other formats inside Word documents (``altChunk``): HTML, web archives (MHT) and text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email import message_from_bytes
from email.policy import Compat32
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers.archive import is_markup, page_text
from qgbatch.readers.content import decode
from qgbatch.readers.html import declared_encoding
from qgbatch.readers.omissions import Omissions

_MAX_HEADER_CHARS = 4096
"""Python's parser takes quadratic time for the parameters of a header."""
_MAX_MULTIPARTS = 16
"""It compares each line with the boundaries of all levels, and fails when they are hundreds."""
_HTML_SUFFIXES = (".htm", ".html", ".xhtml")
_WEB_ARCHIVE_SUFFIXES = (".mht", ".mhtml", ".eml")
_HEADER = re.compile(
    rb"\s{0,64}(?:MIME-Version|Content-[A-Za-z-]{1,40}|From|Subject|Date)\s{0,9}:", re.IGNORECASE
)
_RICH_TEXT = b"{\\rtf"


def plain_text(data: bytes, name: str, omissions: Omissions, encodings: Sequence[str]) -> str:
    """The text of an embedded document.

    Args:
        data: Its content, which decides the format where the name does not.
        name: The name of the part.
        omissions: Counts what is left out of it.
        encodings: Encodings to try where none is declared.

    Raises:
        DocumentError: it cannot be decoded, or is Rich Text.
    """
    suffix = name.lower()
    if data.lstrip().startswith(_RICH_TEXT):
        raise DocumentError("Rich Text, which qgbatch does not read.")
    if suffix.endswith(_WEB_ARCHIVE_SUFFIXES) or (
        not suffix.endswith((*_HTML_SUFFIXES, ".txt")) and _HEADER.match(data)
    ):
        return _web_archive(data, name, omissions, encodings)
    if suffix.endswith(_HTML_SUFFIXES) or is_markup(data[:1024]):
        return page_text(data, name, omissions, encodings)
    return decode(data, name, encodings)


def _web_archive(data: bytes, name: str, omissions: Omissions, encodings: Sequence[str]) -> str:
    """The first HTML page of a web archive, or its first text."""
    if data.lower().count(b"multipart/") > _MAX_MULTIPARTS:
        raise DocumentError("a web archive with too many levels.")
    message = message_from_bytes(data.lstrip(), policy=_ShortHeaders())
    leaves = {part.get_content_type(): part for part in reversed(list(message.walk()))}
    page = leaves.get("text/html") or leaves.get("text/plain")
    if page is None:
        raise DocumentError("a web archive without an HTML page.")
    content = page.get_payload(decode=True)
    declared = declared_encoding(f"charset={page.get_content_charset()}".encode("ascii", "replace"))
    content = content if isinstance(content, bytes) else b""
    encodings = [declared, *encodings] if declared else encodings
    if page.get_content_type() == "text/html":
        return page_text(content, name, omissions, encodings)
    return decode(content, name, encodings)


class _ShortHeaders(Compat32):
    def header_source_parse(self, sourcelines: list[str]) -> Any:
        """Refuse a header that would take long to take apart."""
        if sum(map(len, sourcelines)) > _MAX_HEADER_CHARS:
            raise ValueError("a header of an embedded web archive is too long")
        return super().header_source_parse(sourcelines)
