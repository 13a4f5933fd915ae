"""The kind of a file by its first bytes, for names that are wrong or say nothing."""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from qgbatch.errors import DocumentError, require_package
from qgbatch.readers.archive import DAMAGED
from qgbatch.readers.kinds import Kind, KindName, kind_named

logger = logging.getLogger(__name__)

HEAD_BYTES = 4096
"""How much of a file is looked at, except at the names in a zip archive."""


@dataclass(frozen=True, slots=True)
class _Unread:
    """A kind of file that is not read, or not under the name of another."""

    what: str
    hint: str


_TITLES: Mapping[KindName, str] = {
    "text": "plain text",
    "html": "an HTML page",
    "pdf": "a PDF file",
    "docx": "a Word document",
    "epub": "an EPUB book",
}
_ZIP = _Unread("is a zip archive", "Unpack it, or save it as .docx, .pdf or .csv.")
_PARQUET = _Unread("is a Parquet table", "Give it the suffix .parquet.")
_SIGNATURES: tuple[tuple[re.Pattern[bytes], KindName | _Unread], ...] = (
    (re.compile(rb"%PDF-\d\.\d\s"), "pdf"),
    (re.compile(rb"PK\x03\x04"), _ZIP),
    (re.compile(rb"PAR1\x15"), _PARQUET),
    (re.compile(rb"\{\\rtf\d"), _Unread("is Rich Text", "Save it as .docx or .txt.")),
    (
        re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        _Unread(
            "has a password, or is in a format of Office before 2007",
            "Save it as .docx, or a table as .csv, without a password.",
        ),
    ),
    (
        re.compile(rb"\x1f\x8b\x08"),
        _Unread("is compressed with gzip", "Add .gz to its name."),
    ),
    (
        re.compile(rb"version https://git-lfs\."),
        _Unread("is a pointer of Git LFS, not the file", "Fetch it with git lfs pull."),
    ),
)
_PAGE = re.compile(
    rb"[\s\xef\xbb\xbf\xff\xfe]*+(?:<\?xml[^>]*+>\s*+|<!--(?>.*?-->)\s*+)*+"
    rb"<(?:(?P<doctype>!doctype\s+html)|html)\b[^>]*+>\s*+<",
    re.IGNORECASE | re.DOTALL,
)
"""How a page begins; another tag follows, because a text about HTML may begin with one."""
_NOT_TEXT = re.compile(rb"\s*+(?:[<{]|\Z)|[^\0-\x08\x0e-\x1f]*+[\0-\x08\x0e-\x1f]")
"""Markup or JSON, which servers send in place of a file, nothing, or bytes with control characters."""
_CONTAINERS = ("pdf", "docx", "epub")
"""Kinds that begin with a signature of their own."""


def kind_of_content(data: bytes, expected: Kind, source: str) -> Kind:
    """The kind of a document by its content, or the expected kind if the content does not contradict it.

    Args:
        data: The whole file, unpacked.
        expected: What its name says.
        source: The file, for messages.

    Raises:
        DocumentError: its content is of a kind that is not read.
        ModelError: the package that reads this kind is missing.
    """
    found = _find(data)
    if found is _ZIP:
        found = _kind_in_zip(data) or (expected.name if expected.name in _CONTAINERS else _ZIP)
    if isinstance(found, _Unread):
        raise DocumentError(f"{source}: {found.what}.", found.hint)
    if found == "html" and expected.name in ("markdown", "rst") and not _has_doctype(data):
        found = None  # HTML may begin a document of these kinds
    if found is None and expected.name in _CONTAINERS and _is_plain_text(data):
        found = "text"
    kind = expected if found is None else kind_named(found)
    if kind is not expected:
        logger.debug("%s: is %s, and is read as that", source, _TITLES[kind.name])
    if kind.package:
        require_package(kind.package, f"{source}: is {_TITLES[kind.name]}. Reading it", extra=kind.name)
    return kind


def check_table(head: bytes, kind: Kind, source: str) -> None:
    """Check that a table does not begin like another kind of file.

    Args:
        head: The first :data:`HEAD_BYTES` of the file, unpacked.
        kind: The kind of table that its name says.
        source: The file, for messages.

    Raises:
        DocumentError: it is another kind of file, which the message names.
    """
    found = _find(head)
    if found is None or (found == _PARQUET and kind.name == "parquet"):
        return
    if not isinstance(found, _Unread):
        found = _Unread(f"is {_TITLES[found]}, not a table", "Fetch it again, or change its suffix.")
    raise DocumentError(f"{source}: {found.what}.", found.hint)


def _find(data: bytes) -> KindName | _Unread | None:
    for pattern, found in _SIGNATURES:
        if pattern.match(data):
            return found
    return "html" if _page(data) else None


def _page(data: bytes) -> re.Match[bytes] | None:
    return _PAGE.match(data[:HEAD_BYTES].replace(b"\0", b""))  # without what UTF-16 adds to ASCII


def _has_doctype(data: bytes) -> bool:
    page = _page(data)
    return page is not None and page["doctype"] is not None


def _kind_in_zip(data: bytes) -> KindName | None:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
    except DAMAGED:
        return None
    if "[Content_Types].xml" in names and any(name.startswith("word/") for name in names):
        return "docx"
    return "epub" if "META-INF/container.xml" in names else None


def _is_plain_text(data: bytes) -> bool:
    return not _NOT_TEXT.match(data[:HEAD_BYTES]) and b"%PDF-" not in data[:HEAD_BYTES]
