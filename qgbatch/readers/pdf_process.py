"""PDFium in a separate process, so that a PDF that hangs, crashes or exhausts memory fails by itself.

The process runs :func:`main`. It reads documents from standard input, each preceded by its
length, and writes the result of :func:`qgbatch.readers.pdf.read_pages` as JSON, preceded by its
length.
"""

from __future__ import annotations

import atexit
import json
import struct
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict
from threading import Lock, Timer
from typing import IO, Any

from qgbatch.errors import DocumentError
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.pdf import read_pages
from qgbatch.records import Failure

MAX_SECONDS = 300.0
"""The time limit for one document; 2,000 pages of 50 lines take 15 seconds."""
_MAX_MEMORY_BYTES = 4 << 30
_LENGTH = struct.Struct(">Q")


def extract_pages(data: bytes, source: str, omissions: Omissions) -> tuple[str, tuple[int, ...]]:
    """Read a PDF as :func:`qgbatch.readers.pdf.read_pages` does, within :data:`MAX_SECONDS` and 4 GiB.

    Raises:
        DocumentError: the file is not a PDF, has a password, is damaged, too large or takes too long.
        RuntimeError: an unexpected error in the process; its traceback is a note of this one.
    """
    answer = _worker.ask(data, source)
    if "error" in answer:
        raise DocumentError(*answer["error"])
    if "unexpected" in answer:
        message, its_traceback = answer["unexpected"]
        error = RuntimeError(message)
        error.add_note(its_traceback)
        raise error
    omissions.counts.update(answer["omitted"])
    omissions.unread_parts += [Failure(**failure) for failure in answer["unread_parts"]]
    return answer["text"], tuple(answer["page_starts"])


class _Worker:
    """The process: started on first use, and again after it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()
        atexit.register(self.stop)

    def ask(self, data: bytes, source: str) -> Any:
        """Send a document to the process and return its answer.

        Raises:
            DocumentError: the process crashed or was stopped at the time limit.
        """
        with self._lock:
            process = self._running()
            timer = Timer(MAX_SECONDS, process.kill)
            timer.start()
            try:
                return _exchange(process, data, source)
            except (EOFError, OSError) as error:
                in_time = timer.is_alive()
                self.stop()
                what = (
                    "crashed, or needed more than 4 GiB of memory"
                    if in_time
                    else f"took more than {MAX_SECONDS:g} s"
                )
                raise DocumentError(
                    f"{source}: PDFium {what}.", "Save the file again with another program."
                ) from error
            finally:
                timer.cancel()

    def stop(self) -> None:
        """End the process if it runs."""
        if self._process:
            self._process.kill()
            with suppress(OSError):  # the process did not read all of its input
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
                start_new_session=True,  # Ctrl-C interrupts the run, and the run ends this process
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
    """Read the next message.

    Raises:
        EOFError: the other process has ended.
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
    omissions = Omissions(source)
    try:
        text, page_starts = read_pages(data, source, omissions)
    except DocumentError as error:
        return {"error": [error.message, error.hint]}
    except MemoryError:  # ends the process, which reports the limit
        raise
    except Exception as error:
        return {"unexpected": [f"{type(error).__name__}: {error}", traceback.format_exc()]}
    return {
        "text": text,
        "page_starts": page_starts,
        "omitted": omissions.counts,
        "unread_parts": list(map(asdict, omissions.unread_parts)),
    }


def main() -> None:
    """Answer until standard input is closed."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no limits; others may have a lower one
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, hard))
    with suppress(EOFError):
        while True:
            source = json.loads(_receive(sys.stdin.buffer))
            _send(sys.stdout.buffer, json.dumps(_answer(_receive(sys.stdin.buffer), source)).encode())


if __name__ == "__main__":
    main()
