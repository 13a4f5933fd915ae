"""A web server on the loopback interface that serves the answers it is given."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """What the server sends for an address."""

    content: bytes = b""
    content_type: str | None = None
    status: int = 200
    n_missing: int = 0
    """How many bytes fewer it sends than it announces."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers, such as ``ETag``."""


class WebServer(ThreadingHTTPServer):
    """Serves while its context lasts; it has no other addresses than those in ``answers``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers: dict[str, Answer] = {}
        """By path and query."""
        self.requests: list[str] = []
        """The method and address of each request, such as ``GET /a.txt``."""

    def __enter__(self) -> WebServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        answer = self.server.answers.get(self.path, Answer(status=404))
        self.send_response(answer.status)
        if answer.content_type is not None:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content) + answer.n_missing))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer.content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass
