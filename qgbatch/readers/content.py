"""Bytes and text of files, bounded, and what is said where there are none."""

from __future__ import annotations

import codecs
import errno
import gzip
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from qgbatch.errors import DocumentError
from qgbatch.output.remote import is_uri, open_uri

STDIN = "-"
MAX_DOCUMENT_BYTES = 1 << 28
"""256 MiB, after decompression: a document is held in memory, and a small .gz can hold anything."""
MAX_MARKUP_BYTES = 1 << 25
"""32 MiB of what is parsed: its tree takes many times as much."""
_PACKING_BYTES = 1 << 20
"""More than gzip adds to a document of that size that it cannot make smaller."""

_ADVICE = {
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "Check the path.",
    errno.EACCES: "Give the user who runs qgbatch the right to read it.",
    errno.EPERM: "Give the user who runs qgbatch the right to read it.",
    errno.ELOOP: "Make the link point to a file.",
    errno.ENAMETOOLONG: "Move it to a shorter path.",
    0: "Give its text through standard input (-).",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def display(path: str) -> str:
    """A path as text that any output format can hold."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # no name that a file can have
        return path.encode(errors="backslashreplace").decode()


def read_bytes(path: str) -> bytes:
    """The whole content of a file, or of standard input for ``-``, decompressed.

    Raises:
        DocumentError: it cannot be read, is damaged or larger than :data:`MAX_DOCUMENT_BYTES`.
    """
    with naming_errors(path):
        data = _read(path)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise too_large(display(path), MAX_DOCUMENT_BYTES)
    return data


def check_markup(data: bytes, source: str) -> None:
    """See that a document is not too large to be parsed.

    Raises:
        DocumentError: it is larger than :data:`MAX_MARKUP_BYTES`.
    """
    if len(data) > MAX_MARKUP_BYTES:
        raise too_large(source, MAX_MARKUP_BYTES)


def too_large(source: str, limit: int) -> DocumentError:
    """The error of a document above a limit in bytes."""
    return DocumentError(f"{source}: larger than {limit >> 20} MiB.", "Split it into several files.")


@contextmanager
def naming_errors(path: str) -> Iterator[None]:
    """Turn what the system and gzip have against a file into errors that say so.

    Raises:
        DocumentError: names the file, the reason and what to do.
    """
    source = display(path)
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DocumentError(
            f"{source}: the gzip file is damaged ({error}).", "Compress it again."
        ) from error
    except OSError as error:
        raise DocumentError(f"{source}: {_reason(path, error)}.", advice(error)) from error
    except ValueError as error:  # of a URI that its protocol does not take
        if not is_uri(path):
            raise
        raise DocumentError(f"{source}: {error}.", "Check the address.") from error


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The stream of a file that no one may write to meanwhile.

    Raises:
        DocumentError: it changed.
        OSError: it cannot be read, or is no file.
    """
    if is_uri(path):
        with open_uri(path) as stream:
            yield stream
        return
    if not os.path.isfile(path) and Path(path).exists() and not os.path.isdir(path):
        raise OSError(0, "a device, pipe or socket, not a file")
    with open(path, "rb") as stream:
        before = _version(stream)
        yield stream
        if _version(stream) != before:
            raise DocumentError(
                f"{display(path)}: changed while it was read.", "Run again when nothing writes to it."
            )


def is_packed(path: str) -> bool:
    """Whether a file name says that its content is gzipped."""
    return path.lower().endswith(".gz")


def decode(data: bytes, source: str, encodings: Sequence[str] = ()) -> str:
    """Bytes as text: by their byte order mark, else UTF-8, else the first encoding that fits.

    Line ends become line feeds, as Python's ``open`` reads them.

    Raises:
        DocumentError: no encoding fits.
    """
    marked = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)
    candidates = [marked] if marked else ["utf-8", *encodings]
    errors = []
    for encoding in candidates:
        try:
            text = data.decode(encoding)
        except UnicodeError as error:
            errors.append(f"{encoding} ({_where(error)})")
        else:
            if "\0" not in text or encoding == candidates[-1]:
                return text.replace("\r\n", "\n").replace("\r", "\n")
    raise DocumentError(
        f"{source}: the bytes are not valid {', nor '.join(errors)}.",
        "If it is text, name its encoding, for instance --encoding cp1252.",
    )


def advice(error: OSError) -> str:
    """What to do about an error of the system."""
    return _ADVICE.get(error.errno or 0, "Check the disk or mount that it lies on.")


def _read(path: str) -> bytes:
    """The content, decompressed, and no more than one byte above the limit."""
    if path == STDIN:
        return sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    packed = is_packed(path)
    limit = MAX_DOCUMENT_BYTES + (_PACKING_BYTES if packed else 0)
    with opened(path) as stream:
        data = stream.read(limit + 1)
    return _unpack(data) if packed and len(data) <= limit else data


def _unpack(data: bytes) -> bytes:
    with gzip.open(BytesIO(data)) as stream:
        return stream.read(MAX_DOCUMENT_BYTES + 1)


def _version(stream: BinaryIO) -> tuple[int, int]:
    """What no one can write to a file without changing."""
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns


def _where(error: UnicodeError) -> str:
    return f"byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)


def _reason(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return f"the link points to {display(os.readlink(path))}, which does not exist"
    return error.strerror or str(error)
