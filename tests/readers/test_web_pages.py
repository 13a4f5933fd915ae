"""Documents at web addresses: the reader that each gets, its encoding, and what failures say."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from qgbatch.output import web
from qgbatch.readers.listing import list_inputs
from qgbatch.readers.reading import InputReader
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings
from tests.support.documents import make_docx, make_epub, make_pdf
from tests.support.web_server import Answer, WebServer

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PAGE = b"<nav><a href=/>Home</a></nav><p>Tea is hot.</p>"
MARKDOWN = b"# Drinks\n\n*Tea* is hot."
PDF = make_pdf([["Tea is hot."]])


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def read(url: str) -> list[Document | Failure]:
    """The documents and failures of an input."""
    return list(InputReader(list_inputs([url]), FileSettings()))


def text_of(url: str) -> str:
    """The text of the only document, or the message of its failure."""
    (found,) = read(url)
    return found.text.strip() if isinstance(found, Document) else found.message.replace(url, "URL")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (PAGE, "text/html; charset=utf-8"),
        (PAGE, "Application/XHTML+XML"),
        (b"Tea is hot.", "text/plain"),
        (b"*Tea* is hot.", "text/markdown"),
        (PDF, "application/pdf"),
        (make_docx(["Tea is hot."]), WORD),
        (make_epub({"a.xhtml": "<p>Tea is hot."}), "application/epub+zip"),
        (PDF, "application/octet-stream"),
        (PDF, "text/plain"),
        (b"Tea is hot.", None),
    ],
)
@pytest.mark.parametrize("path", ["/articles/42", "/show.php?id=7", "/", "/?file=a.pdf", "/a.png#b.pdf"])
def test_an_address_without_a_known_suffix_is_read_by_its_content_type(
    path: str, content: bytes, content_type: str | None, server: WebServer
) -> None:
    server.answers[path.partition("#")[0]] = Answer(content, content_type)
    assert text_of(server.url + path) == "Tea is hot."


@pytest.mark.parametrize("query", ["", "?download=1", "?name=a.png", "#page=2"])
def test_the_suffix_is_that_of_the_path(query: str, server: WebServer) -> None:
    server.answers["/a.md" + query.partition("#")[0]] = Answer(MARKDOWN, "text/plain")
    server.answers["/t.csv" + query.partition("#")[0]] = Answer(b"text\nTea is hot.\n", "text/csv")
    assert text_of(f"{server.url}/a.md{query}") == "Drinks\n\nTea is hot."
    (row,) = read(f"{server.url}/t.csv{query}")
    assert row.source == f"{server.url}/t.csv{query}#0"


def test_a_host_has_no_suffix(server: WebServer) -> None:
    assert web.path_of("https://example.md") == ""
    assert web.path_of("https://example.md/a.txt?b#c") == "/a.txt"


def test_a_content_type_that_is_not_read_is_named(server: WebServer) -> None:
    server.answers["/42"] = Answer(b"\x89PNG\r\n\x1a\n", "image/png")
    message = text_of(f"{server.url}/42")
    assert message.startswith("URL: its type is image/png, which is not read. Without")


@pytest.mark.parametrize(
    ("path", "content", "content_type"),
    [
        ("/a", "Käse".encode("cp1252"), "text/plain; charset=ISO-8859-1"),
        ("/a.txt", "Käse".encode("cp1252"), 'text/plain; Charset="windows-1252"'),
        ("/a", "<p>Käse".encode("cp1252"), "text/html;charset=cp1252"),
        ("/a", "<meta charset=koi8-r><p>Käse".encode("cp1252"), "text/html; charset=cp1252"),
        ("/a.html", "<meta charset=cp1252><p>Käse".encode("cp1252"), "text/html"),
        ("/a.html", "<meta charset=cp1252><p>Käse".encode("cp1252"), "text/html; charset=nonsense"),
        ("/a", "Käse".encode("utf-16"), "text/plain; charset=cp1252"),
    ],
)
def test_a_byte_order_mark_then_the_header_then_the_page_name_the_encoding(
    path: str, content: bytes, content_type: str, server: WebServer
) -> None:
    server.answers[path] = Answer(content, content_type)
    assert text_of(server.url + path) == "Käse"


@pytest.mark.parametrize("path", ["/a", "/a.txt", "/t.csv"])
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "URL: not found (HTTP 404). Check the address."),
        (401, "URL: access denied (HTTP 401). Download it where you have access, and name the file."),
        (403, "URL: access denied (HTTP 403). Download it where you have access, and name the file."),
        (429, "URL: too many requests (HTTP 429). Wait, and run again."),
        (500, "URL: the server failed (HTTP 500). Run again later."),
        (418, "URL: refused by the server (HTTP 418). Check the address."),
    ],
)
def test_an_answer_that_is_not_the_file_is_explained(
    path: str, status: int, message: str, server: WebServer
) -> None:
    server.answers[path] = Answer(b"Sorry.", "text/plain", status)
    assert text_of(server.url + path) == message


@pytest.mark.parametrize("name", ["a", "a.txt", "t.csv"])
def test_a_server_that_cannot_be_reached_is_explained(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert text_of(f"http://127.0.0.1:{port}/{name}") == (
        "URL: the server refused the connection. Check the address, or run again later."
    )


def test_a_file_that_breaks_off_is_explained(server: WebServer) -> None:
    server.answers["/a"] = Answer(b"Tea is", "text/plain", n_missing=5)
    assert text_of(f"{server.url}/a").startswith("URL: the connection broke off (")


@pytest.mark.parametrize(
    ("cause", "meaning"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the host is not known"),
        (TimeoutError(), "the server did not answer in time"),
        (ssl.SSLError("CERTIFICATE_VERIFY_FAILED"), "no secure connection"),
    ],
)
def test_the_cause_of_an_error_is_explained(cause: Exception, meaning: str) -> None:
    error = FileNotFoundError("http://127.0.0.1/a")
    error.__cause__ = cause
    explanation = web.explain(error)
    assert explanation is not None
    assert explanation[0] == meaning


@pytest.mark.parametrize("url", ["http://[/a", "http:///a"])
def test_an_impossible_address_is_explained(url: str) -> None:
    assert text_of(url).endswith("Check the address.")
