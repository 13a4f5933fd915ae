"""Files on web servers: opened with one request, and what their errors mean."""

from __future__ import annotations

import io
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from qgbatch.output.remote import open_file_system

_ADDRESS = re.compile(r"https?://[^/?#]*(?P<path>[^?#]*)", re.IGNORECASE)
_CHECK = "Check the address."
_LATER = "Run again later."
_NO_ACCESS = "access denied", "Download it where you have access, and name the file."
_STATUSES = {
    401: _NO_ACCESS,
    403: _NO_ACCESS,
    404: ("not found", _CHECK),
    410: ("no longer there", _CHECK),
    429: ("too many requests", "Wait, and run again."),
}
_CAUSES: tuple[tuple[type[Exception], str, str], ...] = (
    (socket.gaierror, "the host is not known", "Check the address and the network connection."),
    (ConnectionRefusedError, "the server refused the connection", "Check the address, or run again later."),
    (ssl.SSLError, "no secure connection", "Check the address and the certificate of the server."),
    (TimeoutError, "the server did not answer in time", _LATER),
)


def is_web_address(path: str) -> bool:
    """Whether a path is a URI of the protocol ``http`` or ``https``."""
    return _ADDRESS.match(path) is not None


def path_of(address: str) -> str:
    """The path of a web address, without the host, the query and the fragment.

    >>> path_of("https://example.org/a.pdf?download=1")
    '/a.pdf'
    """
    match = _ADDRESS.match(address)
    assert match
    return match["path"]


def media_type_of(content_type: str) -> str:
    """The type that a header ``Content-Type`` names, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


@contextmanager
def open_page(address: str) -> Iterator[tuple[io.BufferedReader, str]]:
    """Open a file on a web server for reading from its beginning to its end.

    Yields:
        The content and the header ``Content-Type``, which is empty if the server sends none.

    Raises:
        Exception: the file cannot be read; :func:`explain` knows most of the types.
    """
    file_system, path = open_file_system(address)
    # No blocks and any size: otherwise the file system asks for the size, and then for parts of the file.
    response = file_system.open(path, "rb", block_size=0, size=1)
    with io.BufferedReader(response) as stream:
        yield stream, response.r.headers.get("Content-Type", "")


def explain(error: Exception) -> tuple[str, str] | None:
    """What an error of a request means and what to do about it; ``None`` if it is not from a request."""
    import aiohttp

    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    for each in chain:
        if isinstance(each, aiohttp.ClientResponseError):
            return _explain_status(each.status)
        for kind, meaning, hint in _CAUSES:
            if isinstance(each, kind):
                return meaning, hint
        if isinstance(each, aiohttp.InvalidURL):
            return "not a web address", _CHECK
    if isinstance(chain[-1], FileNotFoundError):  # all that fsspec keeps of this status
        return _explain_status(404)
    if any(isinstance(each, aiohttp.ClientError) for each in chain):
        return f"the connection broke off ({type(error).__name__})", _LATER
    return None


def _explain_status(status: int) -> tuple[str, str]:
    failed = ("the server failed", _LATER) if status >= 500 else ("refused by the server", _CHECK)
    meaning, hint = _STATUSES.get(status, failed)
    return f"{meaning} (HTTP {status})", hint
