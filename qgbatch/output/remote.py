"""Remote files: URIs such as ``s3://`` and ``https://``, opened through fsspec."""

from __future__ import annotations

import glob
import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from qgbatch.errors import InputError, ModelError, OutputError, require_package

_HINT = "Check the URI, the network connection and your credentials."
_URI = re.compile(r"(?P<protocol>[a-z][a-z0-9+.-]+)://.", re.IGNORECASE | re.DOTALL)
_PACKAGES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "gcs": ("gcsfs", "gs"),
    "http": ("aiohttp", "http"),
    "https": ("aiohttp", "http"),
}
"""By protocol: the package that fsspec needs, and the extra of qgbatch that installs it."""
_LOCAL_PROTOCOLS = ("file", "local")
_VERSION_MARKS = {"etag", "lastmodified", "lastwritetime", "modified", "modify", "mtime", "updated"}
"""What file systems call a value that changes with the content of a file, in lower case."""
_NO_LETTERS = re.compile(r"[-_]")
_PROTOCOLS_WITHOUT_DIRECTORIES = ("http", "https")
"""A URI of these protocols always names one file, even if it contains ``?`` or ``*``."""


def is_uri(path: str) -> bool:
    """Whether a path is a URI, which begins with ``PROTOCOL://``."""
    return _URI.match(path) is not None


def local_path(path: str) -> str:
    """The path that a ``file://`` URI names; any other path or URI as it is."""
    if not is_uri(path) or _protocol(path) not in _LOCAL_PROTOCOLS:
        return path
    from fsspec.implementations.local import LocalFileSystem

    return str(LocalFileSystem._strip_protocol(f"file{path[path.index('://') :]}"))


def canonical_uri(uri: str) -> str:
    """The URI that stands for all names of a file, such as ``s3://`` for ``s3a://``."""
    from fsspec import get_filesystem_class

    try:
        file_system = get_filesystem_class(_protocol(uri))
    except (ImportError, ValueError):  # opening it will report the reason
        return uri
    protocols = file_system.protocol
    protocol = protocols if isinstance(protocols, str) else protocols[0]
    if protocol in _PROTOCOLS_WITHOUT_DIRECTORIES:
        return uri
    return f"{protocol}://{file_system._strip_protocol(uri).lstrip('/')}"


def find_files(uri: str) -> list[str] | None:
    """List the files in a remote directory, or those that match a pattern.

    Returns:
        The URIs of the files, sorted; ``None`` if the URI is neither a directory nor a pattern.

    Raises:
        InputError: The file system cannot be reached or listed.
        ModelError: The package for this protocol is missing.
    """
    file_system, path = open_file_system(uri)
    if _protocol(uri) in _PROTOCOLS_WITHOUT_DIRECTORIES:
        return None
    try:
        if glob.has_magic(path):
            found = file_system.glob(path)
        elif file_system.isdir(path):
            found = file_system.find(path)
        else:
            return None
    except Exception as error:  # the type depends on the file system
        raise InputError(f"{uri}: cannot be listed ({_reason(error)}).", _HINT) from error
    return sorted(file_system.unstrip_protocol(name) for name in found)


def remote_file_version(uri: str) -> tuple[int, int | None]:
    """Ask the file system for the version of a file without reading the file.

    Returns:
        The size in bytes, 0 if it is unknown, and a hash of what marks the version: the ETag and the
        time of the last change. The hash is ``None`` if the file system provides neither.
    """
    file_system, path = open_file_system(uri)
    try:
        info = file_system.info(path)
    except Exception:  # reading the file will report the reason
        return 0, None
    marks = sorted(
        f"{name}={value}"
        for name, value in info.items()
        if value and _NO_LETTERS.sub("", name).lower() in _VERSION_MARKS
    )
    digest = hashlib.sha256("\n".join(marks).encode()).digest()
    return int(info.get("size") or 0), int.from_bytes(digest[:8]) if marks else None


@contextmanager
def open_uri(uri: str) -> Iterator[io.BufferedReader]:
    """Open a remote file for reading.

    Raises:
        OSError: The file cannot be read.
    """
    file_system, path = open_file_system(uri)
    try:
        stream = file_system.open(path, "rb")
    except OSError:
        raise
    except Exception as error:  # credentials and connections; the type depends on the file system
        raise OSError(0, _reason(error)) from error
    with io.BufferedReader(stream) as buffered:  # adds the methods of a local file, such as peek
        yield buffered


@contextmanager
def upload_to(uri: str) -> Iterator[IO[bytes]]:
    """Open a temporary file and upload it when the block ends; nothing is uploaded after an error.

    Object stores show the new file once the upload is complete. File servers (sftp, smb) may
    show an incomplete file during the upload.

    Raises:
        ModelError: The package for this protocol is missing.
        OutputError: The file cannot be written.
    """
    file_system, path = open_file_system(uri)
    with TemporaryDirectory() as directory:
        local_file = Path(directory) / "output"
        with local_file.open("wb") as stream:
            yield stream
        try:
            file_system.put_file(str(local_file), path)
        except Exception as error:  # the type depends on the file system
            raise OutputError(f"{uri}: cannot be written ({_reason(error)}).", _HINT) from error


def _protocol(uri: str) -> str:
    match = _URI.match(uri)
    assert match
    return match["protocol"].lower()


def open_file_system(uri: str) -> tuple[Any, str]:
    """Return the file system of a URI, and the path on that file system.

    Raises:
        InputError: The file system cannot be reached.
        ModelError: The package for this protocol is missing.
    """
    from fsspec.core import url_to_fs

    if _protocol(uri) in _PACKAGES:
        package, extra = _PACKAGES[_protocol(uri)]
        require_package(package, uri, extra)
    try:
        file_system, path = url_to_fs(uri)
    except ImportError as error:  # no extra covers this protocol; the error names the package
        raise ModelError(f"{uri}: a package is missing ({error}).", "Install the package.") from error
    except Exception as error:
        raise InputError(f"{uri}: cannot be reached ({_reason(error)}).", _HINT) from error
    return file_system, path


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
