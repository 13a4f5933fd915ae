"""PDFium in a process of its own: what hangs, crashes or devours memory there is one document's failure.

Its :func:`main` reads documents from standard input, each behind its length, and
writes what :func:`qgbatch.readers.reading.pdf.read_pages` gives, as JSON behind its length.
"""

from __future__ import annotations

import atexit
import json
import struct
import subprocess
import sys
from contextlib import suppress
from threading import Lock, Timer
from typing import IO, Any

from qgbatch.errors import DocumentError
from qgbatch.readers.pdf import read_pages

MAX_SECONDS = 120.0
"""For one document; 2,000 pages of 50 lines take 5."""
_MAX_MEMORY_BYTES = 4 << 30
_LENGTH = struct.Struct(">Q")


def extract_pages(data: bytes, source: str) -> tuple[str, tuple[int, ...]]:
    """As :func:`qgbatch.readers.reading.pdf.read_pages`, within :data:`MAX_SECONDS` and 4 GiB.

    Raises:
        DocumentError: it is no PDF, has a password, is damaged, too large or takes too long.
    """
    answer = _worker.ask(data, source)
    if "error" in answer:
        raise DocumentError(*answer["error"])
    return answer["text"], tuple(answer["page_starts"])


class _Worker:
    """The process, started when it is first needed and anew when it is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()
        atexit.register(self.stop)

    def ask(self, data: bytes, source: str) -> Any:
        """What the process says of a document."""
        with self._lock:
            process = self._running()
            timer = Timer(MAX_SECONDS, process.kill)
            timer.start()
            try:
                return _exchange(process, data, source)
            except (EOFError, OSError) as error:
                in_time = timer.is_alive()
                self.stop()
                what = "crashed on it, or needed more than 4 GiB" if in_time else "did not come to an end"
                raise DocumentError(
                    f"{source}: PDFium {what}.", "Save it anew by another program."
                ) from error
            finally:
                timer.cancel()

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process:
            self._process.kill()
            with suppress(OSError):  # what it did not read
                self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the run, which ends this process
            )
        return self._process


_worker = _Worker()


def _exchange(process: subprocess.Popen[bytes], data: bytes, source: str) -> Any:
    assert process.stdin
    assert process.stdout
    _send(process.stdin, json.dumps(source).encode())
    _send(process.stdin, data)
    return json.loads(_receive(process.stdout))


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    """The next message.

    Raises:
        EOFError: whoever sends is gone.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _answer(data: bytes, source: str) -> dict[str, Any]:
    try:
        text, page_starts = read_pages(data, source)
    except DocumentError as error:
        return {"error": [error.message, error.hint]}
    return {"text": text, "page_starts": page_starts}


def main() -> None:
    """Serve until nobody asks any more."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no limits, others may have lower ones
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, hard))
    with suppress(EOFError):
        while True:
            source = json.loads(_receive(sys.stdin.buffer))
            _send(sys.stdout.buffer, json.dumps(_answer(_receive(sys.stdin.buffer), source)).encode())


if __name__ == "__main__":
    main()
