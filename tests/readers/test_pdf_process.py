"""The process that reads PDF files: what it runs, what it answers and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import DocumentError
from qgbatch.pipeline.api import run
from qgbatch.pipeline.run_report import RunReport
from qgbatch.readers import pdf_process
from qgbatch.readers.omissions import Omissions
from qgbatch.settings import Settings
from tests.conftest import ROOT
from tests.support.documents import make_pdf

PATIENCE_S = 20

# A process with this on its path hangs where it starts to read a PDF, and says so in a file.
SITECUSTOMIZE = """
import os, sys, time

def hang(event, arguments):
    if event == "import" and arguments[0] == "pypdfium2":
        with open("draft", "w") as file:
            file.write(str(os.getpid()))
        os.rename("draft", "hanging")
        time.sleep(1000)

sys.addaudithook(hang)
"""


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[pdf_process._Worker]:
    """A process that this test starts."""
    worker = pdf_process._Worker()
    monkeypatch.setattr(pdf_process, "_worker", worker)
    yield worker
    worker.stop()


def text_of(data: bytes) -> str:
    return pdf_process.extract_pages(data, "a.pdf", Omissions("a.pdf"))[0]


def test_code_in_the_current_directory_is_not_run(
    worker: pdf_process._Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("json", "struct", "qgbatch"):
        (tmp_path / f"{module}.py").write_text("open('canary', 'w')")
    monkeypatch.chdir(tmp_path)
    assert text_of(make_pdf([["Tea is hot."]])) == "Tea is hot."
    assert not (tmp_path / "canary").exists()


def test_a_package_that_only_the_current_directory_has_is_found(tmp_path: Path) -> None:
    """As in ``python -m qgbatch`` in a checkout that is not installed."""
    (tmp_path / "a.pdf").write_bytes(make_pdf([["Tea is hot."]]))
    program = (
        "import sys; from qgbatch.readers.reading import read_document as r; print(r(sys.argv[1]).text)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.pdf"], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    assert done.stdout == b"Tea is hot.\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_document_does_not_get_the_text_of_an_interrupted_one(
    worker: pdf_process._Worker, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupt(stream: object) -> bytes:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(pdf_process, "_receive", interrupt)
        with pytest.raises(error):
            text_of(make_pdf([["The first one."]]))
    assert text_of(make_pdf([["The second one."]])) == "The second one."


def test_an_interrupted_run_does_not_wait_for_a_pdf(worker: pdf_process._Worker, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Bees live in hives.")
    (tmp_path / "b.pdf").write_bytes(make_pdf([["Tea is hot."]]))
    worker._running().send_signal(signal.SIGSTOP)

    def interrupt(share: float, report: RunReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            [tmp_path], tmp_path / "q.csv", Settings(window_chunks=1), on_progress=interrupt,
            load_engine=FakeEngine().load,
        )  # fmt: skip
    wait_until(lambda: all(thread.name != "prefetch" for thread in threading.enumerate()))


def test_an_answer_to_another_request_is_not_used(worker: pdf_process._Worker) -> None:
    process = worker._running()
    assert process.stdin
    pdf_process._send(process.stdin, b'[7, "other.pdf"]')
    pdf_process._send(process.stdin, make_pdf([["Another one."]]))
    with pytest.raises(DocumentError):
        text_of(make_pdf([["The first one."]]))
    assert text_of(make_pdf([["The second one."]])) == "The second one."


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_fork_has_a_process_of_its_own(worker: pdf_process._Worker) -> None:
    process = worker._running()
    child = os.fork()
    if not child:
        is_other = worker._process is None
        os._exit(0 if is_other else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert process.poll() is None


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="sees by /proc whether a process has ended")
def test_a_process_that_hangs_ends_with_its_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    (tmp_path / "a.pdf").write_bytes(make_pdf([["Tea is hot."]]))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    program = "from qgbatch.readers.reading import read_document; read_document('a.pdf')"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}) as parent:
        wait_until((tmp_path / "hanging").exists)
        parent.kill()
    process = Path("/proc", (tmp_path / "hanging").read_text())
    try:
        wait_until(lambda: not process.exists())
    finally:
        if process.exists():
            os.kill(int(process.name), signal.SIGKILL)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
