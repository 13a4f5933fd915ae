"""Zip containers whose unpacked size is known and bounded before anything is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from qgbatch.errors import DocumentError
from qgbatch.readers.content import MAX_DOCUMENT_BYTES, MAX_MARKUP_BYTES

_MAX_MEMBERS = 10_000
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, RuntimeError)
"""What zipfile raises, a missing member and an unknown way of packing included."""
_WHITE = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"


@contextmanager
def open_archive(data: bytes, source: str) -> Iterator[zipfile.ZipFile]:
    """Give a container that can be unpacked in memory.

    A member gives no more bytes than it declares, and those are added up: all together
    stay below :data:`MAX_DOCUMENT_BYTES`, and what may be XML or HTML, whose tree takes
    many times as much, below :data:`MAX_MARKUP_BYTES`.

    Raises:
        DocumentError: it is no container, too large, encrypted or damaged, also where
            that shows only while it is read.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            _check(archive, source)
            yield archive
    except _DAMAGED as error:
        raise damaged(source, error) from error


def damaged(source: str, error: Exception) -> DocumentError:
    """The error of a file that is not what its name says."""
    suffix = source.rpartition(".")[2]
    reason = str(error).strip() or type(error).__name__
    return DocumentError(f"{source}: damaged, or no .{suffix} file ({reason}).", "Save or fetch it again.")


def _check(archive: zipfile.ZipFile, source: str) -> None:
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise DocumentError(
            f"{source}: holds more than {_MAX_MEMBERS:,} files.", "Is it what its name says?"
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
        return stream.read(16).strip(_WHITE)[:1] in (b"", b"<")
