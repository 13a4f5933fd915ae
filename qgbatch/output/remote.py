"""Files on object stores and servers: what fsspec reaches by URI (``s3://``, ``https://``, ...)."""

from __future__ import annotations

import glob
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, BinaryIO

from qgbatch.errors import InputError, ModelError, OutputError, require_package

_ADVICE = "Check the name, the address of the store and the rights of whoever runs qgbatch."
_URI = re.compile(r"(?P<protocol>[a-z][a-z0-9+.-]+)://.", re.IGNORECASE | re.DOTALL)
_PACKAGES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "gcs": ("gcsfs", "gs"),
    "http": ("aiohttp", "http"),
    "https": ("aiohttp", "http"),
}
"""The package that fsspec needs for a protocol, and the extra of qgbatch that installs it."""
_WITHOUT_DIRECTORIES = ("http", "https")
"""Their addresses name one file each, whatever ``?`` and ``*`` are in them."""


def is_uri(path: str) -> bool:
    """Whether a path names a file by protocol."""
    return _URI.match(path) is not None


def find_files(uri: str) -> list[str] | None:
    """URIs of the files in a directory or of a pattern, sorted; ``None`` for what is one file or nothing.

    Raises:
        InputError: the store cannot be reached or read.
        ModelError: the package for this protocol is missing.
    """
    store, path = _open_store(uri)
    if _protocol(uri) in _WITHOUT_DIRECTORIES:
        return None
    try:
        if glob.has_magic(path):
            found = store.glob(path)
        elif store.isdir(path):
            found = store.find(path)
        else:
            return None
    except Exception as error:  # each store raises its own
        raise InputError(f"{uri}: cannot be listed ({_reason(error)}).", _ADVICE) from error
    return sorted(store.unstrip_protocol(name) for name in found)


def version_of(uri: str) -> tuple[int, int]:
    """Size in bytes, and a number that changes when the file does, as its store tells, or zeros."""
    store, path = _open_store(uri)
    try:
        facts = store.info(path)
    except Exception:  # reading it will tell why
        return 0, 0
    marks = [str(facts.get(name)) for name in ("ETag", "mtime", "LastModified", "created")]
    return int(facts.get("size") or 0), zlib.crc32("".join(marks).encode())


@contextmanager
def opened_uri(uri: str) -> Iterator[BinaryIO]:
    """The stream of a file.

    Raises:
        OSError: it cannot be read.
    """
    store, path = _open_store(uri)
    try:
        stream = store.open(path, "rb")
    except OSError:
        raise
    except Exception as error:  # of credentials and connections
        raise OSError(0, _reason(error)) from error
    with io.BufferedReader(stream) as buffered:  # which can do all that a file can
        yield buffered


@contextmanager
def uploading(uri: str) -> Iterator[IO[bytes]]:
    """Give a stream whose content is sent in one piece when the block ends well.

    Object stores show it when all of it is there. On servers of files (sftp, smb) a reader
    may see a part of it.

    Raises:
        ModelError: the package for this protocol is missing.
        OutputError: it cannot be written.
    """
    store, path = _open_store(uri)
    with TemporaryDirectory() as directory:
        whole = Path(directory) / "output"
        with whole.open("wb") as stream:
            yield stream
        try:
            store.put_file(str(whole), path)
        except Exception as error:  # each store raises its own
            raise OutputError(f"{uri}: cannot be written ({_reason(error)}).", _ADVICE) from error


def _protocol(uri: str) -> str:
    match = _URI.match(uri)
    assert match
    return match["protocol"].lower()


def _open_store(uri: str) -> tuple[Any, str]:
    """The file system of a URI, and the path on it."""
    from fsspec.core import url_to_fs

    if _protocol(uri) in _PACKAGES:
        package, extra = _PACKAGES[_protocol(uri)]
        require_package(package, uri, extra)
    try:
        store, path = url_to_fs(uri)
    except ImportError as error:  # of a protocol that no extra is for; the error names the package
        raise ModelError(f"{uri}: a package is missing ({error}).", "Install it.") from error
    except Exception as error:
        raise InputError(f"{uri}: cannot be reached ({_reason(error)}).", _ADVICE) from error
    return store, path


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
