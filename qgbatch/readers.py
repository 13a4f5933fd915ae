"""Inputs -> documents, in a stable order, each problem a failure of its own.

Arguments keep their order; inside a directory or glob paths are sorted. A path that
comes twice is read once.
"""

from __future__ import annotations

import codecs
import errno
import glob
import gzip
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from qgbatch.errors import DocumentError, InputError
from qgbatch.paths import match, walk
from qgbatch.records import Document, Failure

STDIN = "-"
SUFFIXES = (".txt", ".md", ".txt.gz", ".md.gz")
MAX_DOCUMENT_BYTES = 1 << 28
"""256 MiB, after decompression: a document is held in memory, and a small .gz can hold anything."""
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


@dataclass(slots=True)
class Listing:
    """What the inputs stand for."""

    items: list[str | Failure] = field(default_factory=list)
    """Paths (or ``-``) to read and inputs that cannot be, in order."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Files inside directories that are not read, by reason."""


def list_inputs(inputs: Iterable[str]) -> Listing:
    """Find the files behind paths, directories, globs and ``-``."""
    listing = Listing()
    seen: set[str] = set()
    for argument in inputs:
        for item in _expand(argument, listing.skipped):
            identity = _identity(item)
            if isinstance(identity, Failure):
                listing.items.append(identity)
            elif identity in seen:
                listing.skipped["named twice"] += 1
            else:
                seen.add(identity)
                listing.items.append(item)
    listing.skipped = +listing.skipped
    return listing


def read_list(path: str) -> list[str]:
    """Inputs named in a file or on standard input, one a line, or NUL-separated.

    Raises:
        InputError: the list cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"--files-from {path}: {error.strerror}.", "Check the path.") from error
    content = content.removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if b"\0" in content else b"\n"
    names = (os.fsdecode(line.removesuffix(b"\r")) for line in content.split(separator))
    return [name for name in names if name.strip()]


def read_document(path: str, encodings: Sequence[str] = ()) -> Document:
    """Read one file, or standard input for ``-``.

    UTF-8 and UTF-16 are told by their byte order mark, then UTF-8 is tried, then the
    given encodings. Line ends become line feeds, as Python's ``open`` reads them.

    Raises:
        DocumentError: the file cannot be read or decoded, or holds no text.
    """
    source = display(path)
    try:
        data = _read_bytes(path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DocumentError(
            f"{source}: the gzip file is damaged ({error}).", "Compress it again."
        ) from error
    except OSError as error:
        raise DocumentError(f"{source}: {_reason(path, error)}.", _advice(error)) from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentError(
            f"{source}: larger than {MAX_DOCUMENT_BYTES >> 20} MiB.", "Split it into several files."
        )
    text = _decode(data, source, encodings)
    return Document.from_text(text.replace("\r\n", "\n").replace("\r", "\n"), source)


def display(path: str) -> str:
    """A path as text that any output format can hold."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # no name that a file can have
        return path.encode(errors="backslashreplace").decode()


def has_known_suffix(path: str) -> bool:
    """Whether a file name says that qgbatch reads it."""
    return path.lower().endswith(SUFFIXES)


def _expand(argument: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    if argument == STDIN:
        yield argument
    elif os.path.lexists(argument) or not glob.has_magic(argument):
        yield from _expand_path(argument, skipped)
    else:
        yield from _expand_pattern(argument, skipped)


def _expand_path(path: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    if os.path.isdir(path):
        yield from list(_documents(path, skipped)) or [_no_documents(path)]
    elif os.path.isfile(path) and not has_known_suffix(path):
        yield _failure(
            path,
            "unknown kind of document.",
            f"qgbatch reads {', '.join(SUFFIXES)}; give other text as standard input (-).",
        )
    else:
        yield path  # also what does not exist: reading says why


def _expand_pattern(pattern: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    paths, errors = match(pattern, skipped)
    if not paths and not errors:
        yield _failure(pattern, "no file matches.", "Check the pattern.")
    for path in paths:
        if os.path.isfile(path) and not has_known_suffix(path):
            skipped[_suffix_reason(path)] += 1
        else:
            yield from _expand_path(path, skipped)
    yield from map(_unreadable, errors)


def _documents(directory: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    for found in walk(directory, skipped):
        if isinstance(found, OSError):
            yield _unreadable(found)
            continue
        parent, names = found
        for name in names:
            if has_known_suffix(name):
                yield os.path.join(parent, name)
            else:
                skipped[_suffix_reason(name)] += 1


def _suffix_reason(name: str) -> str:
    return f"suffix {Path(name).suffix or '(none)'}"


def _identity(item: str | Failure) -> str | Failure:
    """What all names of a file that can be read by them have in common."""
    if isinstance(item, Failure) or item == STDIN:
        return item
    try:
        real_path = os.path.realpath(item)
    except RecursionError:
        return _failure(item, "a chain of too many links.", _ADVICE[errno.ELOOP])
    except ValueError as error:
        return _failure(item, f"no name that a file can have ({error}).", "Check the path.")
    return real_path if os.path.exists(item) else item


def _read_bytes(path: str) -> bytes:
    """The whole content, decompressed, and no more than one byte above the limit."""
    if path == STDIN:
        return sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    if not os.path.isfile(path) and Path(path).exists() and not os.path.isdir(path):
        raise OSError(0, "a device, pipe or socket, not a file")
    packed = path.lower().endswith(".gz")
    limit = MAX_DOCUMENT_BYTES + (_PACKING_BYTES if packed else 0)
    with open(path, "rb") as stream:
        before = _version(stream)
        data = stream.read(limit + 1)
        if _version(stream) != before:
            raise DocumentError(
                f"{display(path)}: changed while it was read.", "Run again when nothing writes to it."
            )
    return _unpack(data) if packed and len(data) <= limit else data


def _unpack(data: bytes) -> bytes:
    with gzip.open(BytesIO(data)) as stream:
        return stream.read(MAX_DOCUMENT_BYTES + 1)


def _version(stream: BinaryIO) -> tuple[int, int]:
    """What no one can write to a file without changing."""
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns


def _decode(data: bytes, source: str, encodings: Sequence[str]) -> str:
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
                return text
    raise DocumentError(
        f"{source}: the bytes are not valid {', nor '.join(errors)}.",
        "If it is text, name its encoding, for instance --encoding cp1252.",
    )


def _where(error: UnicodeError) -> str:
    return f"byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)


def _reason(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return f"the link points to {display(os.readlink(path))}, which does not exist"
    return error.strerror or str(error)


def _advice(error: OSError) -> str:
    return _ADVICE.get(error.errno or 0, "Check the disk or mount that it lies on.")


def _no_documents(directory: str) -> Failure:
    return _failure(directory, "no documents in this directory.", f"qgbatch reads {', '.join(SUFFIXES)}.")


def _unreadable(error: OSError) -> Failure:
    reason = f"the directory cannot be read ({error.strerror})."
    return _failure(os.fsdecode(error.filename), reason, _advice(error))


def _failure(path: str, message: str, hint: str) -> Failure:
    source = display(path)
    return Failure.of(source, "read", DocumentError(f"{source}: {message}", hint))
