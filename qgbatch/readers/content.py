"""The bytes and the text of one file, in bounded memory, and errors that name the file."""

from __future__ import annotations

import codecs
import errno
import gzip
import os
import re
import sys
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import BinaryIO

from qgbatch.errors import DocumentError, QgbatchError, display, name_setting
from qgbatch.output.remote import is_uri, open_uri
from qgbatch.output.web import explain, is_web_address, media_type_of, open_page, path_of

STDIN = "-"
MAX_DOCUMENT_BYTES = 1 << 28
"""256 MiB after decompression: a document is held in memory, and a small .gz can expand to any size."""
MAX_MARKUP_BYTES = 1 << 25
"""32 MiB. Markup is parsed into a tree, which takes many times the memory of the file."""
_GZIP_OVERHEAD_BYTES = 1 << 20
"""1 MiB. gzip makes an incompressible file larger, but the largest allowed document by less than this."""
_MAX_TYPE_CHARS_SHOWN = 80

_HINTS = {
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "Check the path.",
    errno.EACCES: "Give the user who runs qgbatch permission to read it.",
    errno.EPERM: "Give the user who runs qgbatch permission to read it.",
    errno.ELOOP: "Make the link point to a file.",
    errno.ENAMETOOLONG: "Move the file to a shorter path.",
    0: "Pass its text on standard input (-).",
}
_SOFT_HYPHEN = re.compile(r"\u00ad(?:[ \t]*[ \n][ \t]*(?=[^\W\d_]))?")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file, and what a web server says about it."""

    data: bytes
    content_type: str = ""
    """The header ``Content-Type``; empty without one, and for a file that is not on a web server."""


def file_name(path: str) -> str:
    """The part of a path that ends with the suffix, in lower case: of a web address, its own path."""
    return (path_of(path) if is_web_address(path) else path).lower()


def read_content(path: str, media_types: Collection[str] = ()) -> Content:
    """Read a whole file, or standard input for ``-``, and decompress a .gz file.

    Args:
        path: A file or URI.
        media_types: The types to read from web servers; any type without them.

    Raises:
        DocumentError: The file cannot be read, is damaged or of another type, or is larger than
            :data:`MAX_DOCUMENT_BYTES`.
    """
    with errors_with_file_name(path):
        content = _read(path, media_types)
    if len(content.data) > MAX_DOCUMENT_BYTES:
        raise too_large_error(display(path), MAX_DOCUMENT_BYTES)
    return content


def check_markup_size(data: bytes, source: str) -> None:
    """Check that a document is small enough to parse.

    Raises:
        DocumentError: it is larger than :data:`MAX_MARKUP_BYTES`.
    """
    if len(data) > MAX_MARKUP_BYTES:
        raise too_large_error(source, MAX_MARKUP_BYTES)


def too_large_error(source: str, limit_bytes: int) -> DocumentError:
    """The error for a document that exceeds a size limit."""
    return DocumentError(f"{source}: larger than {limit_bytes >> 20} MiB.", "Split it into several files.")


@contextmanager
def errors_with_file_name(path: str) -> Iterator[None]:
    """Turn errors of the operating system, of gzip and of web servers into errors that name the file.

    Raises:
        DocumentError: The ``with`` block could not read the file.
    """
    try:
        yield
    except QgbatchError:
        raise
    except Exception as error:
        explanation = _explain(path, error)
        if explanation is None:
            raise
        reason, hint = explanation
        raise DocumentError(f"{display(path)}: {reason}.", hint) from error


@contextmanager
def open_input(path: str) -> Iterator[BufferedReader]:
    """Open a file or URI, and check at the end that nothing has written to the file meanwhile.

    Raises:
        DocumentError: the file changed.
        OSError: the path cannot be read, or is not a regular file.
    """
    if is_uri(path):
        with open_uri(path) as stream:
            yield stream
        return
    if not os.path.isfile(path) and Path(path).exists() and not os.path.isdir(path):
        raise OSError(0, "a device, pipe or socket, not a file")
    with open(path, "rb") as stream:
        before = _size_and_mtime(stream)
        yield stream
        if _size_and_mtime(stream) != before:
            raise DocumentError(
                f"{display(path)}: changed while it was read.", "Run again when nothing writes to it."
            )


def is_gzip(path: str) -> bool:
    """Whether a file is compressed, according to its name."""
    return file_name(path).endswith(".gz")


def decode(data: bytes, source: str, encodings: Sequence[str] = ()) -> str:
    r"""Decode bytes as :func:`decode_exactly` does, and turn ``\r\n`` and ``\r`` into ``\n``.

    Raises:
        DocumentError: the bytes are not valid in any of the encodings.
    """
    return decode_exactly(data, source, encodings).replace("\r\n", "\n").replace("\r", "\n")


def decode_exactly(data: bytes, source: str, encodings: Sequence[str] = ()) -> str:
    """Decode bytes by their byte order mark; without one as UTF-8, then in the given encodings.

    Args:
        data: The bytes.
        source: Where they come from, for the message.
        encodings: Encodings to try after UTF-8, in order; the first one that fits is taken.

    Raises:
        DocumentError: the bytes are not valid in any of the encodings.
    """
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    candidates = [marked] if marked else ["utf-8", *encodings]
    errors = []
    for encoding in candidates:
        try:
            text = data.decode(encoding)
        except UnicodeError as error:
            errors.append(f"{encoding} ({_position(error)})")
        else:
            # UTF-16 without a mark is also valid UTF-8, but with NUL characters: try the next one.
            if "\0" not in text or encoding == candidates[-1]:
                return text
    raise DocumentError(
        f"{source}: the bytes are not valid {', nor '.join(errors)}.",
        f"If it is text, name its encoding, for example {name_setting('encoding', ('cp1252',))}.",
    )


def utf16_encoding(head: bytes) -> str | None:
    r"""The encoding of UTF-16, by its byte order mark or by two ASCII characters at its beginning.

    Args:
        head: At least the first four bytes, or all.

    >>> utf16_encoding("id".encode("utf-16-be"))
    'utf-16-be'
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    nul_offsets = [offset for offset, byte in enumerate(head[:4]) if byte == 0]
    return "utf-16-le" if nul_offsets == [1, 3] else "utf-16-be" if nul_offsets == [0, 2] else None


def without_soft_hyphens(text: str) -> str:
    """The text without the marks of where a word may be divided, and with divided words joined."""
    return _SOFT_HYPHEN.sub("", text)


def hint_for(error: OSError) -> str:
    """What to do about an error of the operating system."""
    return _HINTS.get(error.errno or 0, "Check the disk or mount that it is on.")


def _read(path: str, media_types: Collection[str]) -> Content:
    """The decompressed content, cut off one byte above the limit."""
    if path == STDIN:
        return Content(sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1))
    limit = MAX_DOCUMENT_BYTES + (_GZIP_OVERHEAD_BYTES if is_gzip(path) else 0)
    if is_web_address(path):
        content = _read_page(path, media_types, limit)
    else:
        with open_input(path) as stream:
            content = Content(stream.read(limit + 1))
    if not is_gzip(path) or len(content.data) > limit:
        return content
    return Content(_decompress(content.data), content.content_type)


def _read_page(address: str, media_types: Collection[str], limit: int) -> Content:
    with open_page(address) as (stream, content_type):
        media_type = media_type_of(content_type)
        if media_types and media_type not in media_types:
            raise DocumentError(
                f"{display(address)}: its type is {media_type[:_MAX_TYPE_CHARS_SHOWN]}, which is not read.",
                "Without a known suffix, qgbatch reads text, Markdown, HTML, PDF, Word and EPUB.",
            )
        return Content(stream.read(limit + 1), content_type)


def _decompress(data: bytes) -> bytes:
    with gzip.open(BytesIO(data)) as stream:
        return stream.read(MAX_DOCUMENT_BYTES + 1)


def _size_and_mtime(stream: BinaryIO) -> tuple[int, int]:
    """A pair of numbers that changes whenever something writes to the file."""
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns


def _position(error: UnicodeError) -> str:
    return f"byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)


def _explain(path: str, error: Exception) -> tuple[str, str] | None:
    """Why a file cannot be read and what to do about it; ``None`` for an unexpected error."""
    if isinstance(error, EOFError | gzip.BadGzipFile | zlib.error):
        return f"the gzip file is damaged ({error})", "Compress it again."
    if is_web_address(path) and (explanation := explain(error)):
        return explanation
    if isinstance(error, OSError):
        return _reason(path, error), hint_for(error)
    if isinstance(error, ValueError) and is_uri(path):  # its protocol does not accept the URI
        return str(error), "Check the address."
    return None


def _reason(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return f"the link points to {display(os.readlink(path))}, which does not exist"
    return error.strerror or str(error)
