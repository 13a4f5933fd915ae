"""PDFium in a separate process, so that a PDF that hangs, crashes or exhausts memory fails by itself.

The process runs :func:`main`. It reads requests from standard input: a number with the name of a
document as JSON, and its bytes. It writes the number with the result of
:func:`qgbatch.readers.pdf.read_pages` as JSON. Each message is preceded by its length.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from queue import SimpleQueue
from threading import Lock, Thread, Timer
from typing import IO, Any

import qgbatch
from qgbatch.errors import DocumentError
from qgbatch.readers.omissions import Omissions
from qgbatch.records import Failure

MAX_SECONDS = 300.0
"""The time limit for one document; 2,000 pages of 50 lines take 15 seconds."""
_MAX_MEMORY_BYTES = 4 << 30
_LENGTH = struct.Struct(">Q")
_PROGRAM = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("qgbatch", sys.argv[1])
sys.modules["qgbatch"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["qgbatch"])
from {__name__} import main
main()
"""
"""Runs :func:`main` of the package that this process runs, wherever it is."""


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


def interrupt() -> None:
    """Let the document fail that another thread is reading, if there is one."""
    _worker.interrupt()


class _Worker:
    """The process: started on first use, and again after it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()
        self._numbers = count()
        atexit.register(self.stop)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def ask(self, data: bytes, source: str) -> Any:
        """Send a document to the process and return its answer.

        Raises:
            DocumentError: the process crashed or was stopped at the time limit.
        """
        with self._lock:
            process = self._running()
            timer = Timer(MAX_SECONDS, process.kill)
            try:
                timer.start()
                return _exchange(process, next(self._numbers), data, source)
            except BaseException as error:
                in_time = timer.is_alive()
                self.stop()  # it may still answer, and the next document would get that answer
                if not isinstance(error, EOFError | OSError):
                    raise
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
        process, self._process = self._process, None
        if process:
            process.kill()
            with suppress(OSError):  # the process did not read all of its input
                process.communicate()

    def interrupt(self) -> None:
        """Let the document fail that another thread is reading."""
        if process := self._process:
            process.kill()

    def _forget(self) -> None:
        """Leave the process to the parent, because a fork would read the answers of the parent."""
        self._process, self._lock = None, Lock()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = subprocess.Popen(
                # -P: a json.py in the current directory, beside the documents, is not imported.
                [sys.executable, "-P", "-c", _PROGRAM, os.path.abspath(qgbatch.__file__)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C interrupts the run, and the run ends this process
            )
        return self._process


_worker = _Worker()


def _exchange(process: subprocess.Popen[bytes], number: int, data: bytes, source: str) -> Any:
    assert process.stdin
    assert process.stdout
    _send(process.stdin, json.dumps([number, source]).encode())
    _send(process.stdin, data)
    answered, answer = json.loads(_receive(process.stdout))
    if answered != number:
        raise EOFError(f"answer {answered} to request {number}")
    return answer


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
    from qgbatch.readers import pdf  # its modules are needed in the other process only

    omissions = Omissions(source)
    try:
        text, page_starts = pdf.read_pages(data, source, omissions)
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
    requests: SimpleQueue[tuple[int, str, bytes]] = SimpleQueue()
    Thread(target=_receive_requests, args=(requests,), daemon=True).start()
    while True:
        number, source, data = requests.get()
        _send(sys.stdout.buffer, json.dumps([number, _answer(data, source)]).encode())


def _receive_requests(requests: SimpleQueue[tuple[int, str, bytes]]) -> None:
    """Receive requests; end the process with its parent, also while a document is being read."""
    try:
        while True:
            number, source = json.loads(_receive(sys.stdin.buffer))
            requests.put((number, source, _receive(sys.stdin.buffer)))
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
