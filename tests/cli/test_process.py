"""The command as a process: imports, pipes and signals.

Start-up, SIGTERM and the closed pipe are tested on a new interpreter; SIGINT on a fork of the warm process.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.support.runs import GREEDY
from tests.support.warm_process import WarmProcess

SAMPLE = SAMPLES / "lighthouses.txt"
COMMAND = [sys.executable, "-m", "qgbatch"]
EXIT_CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
FAST = [*GREEDY, "--window-chunks", "8", "--no-cache"]
PATIENCE_S = 120

HELP_AND_MODULES = """
import sys
from qgbatch.cli import main
for words in ["--help"], ["run", "--help"], ["--version"]:
    try:
        main(words)
    except SystemExit as end:
        assert not end.code
print(*sys.modules, file=sys.stderr)
"""

# A library that prints while the model is loaded, from Python and from below it.
NOISY = """
import os
from transformers import AutoConfig
silent = AutoConfig.from_pretrained
def noisy(*args, **kwargs):
    print("noise from Python")
    os.write(1, b"noise from C\\n")
    return silent(*args, **kwargs)
AutoConfig.from_pretrained = noisy
from qgbatch.cli import main
main()
"""

COLD_SIGNAL = signal.SIGTERM
"""The signal that a new interpreter gets; the others go to forks of the warm process."""

Interrupted = tuple[signal.Signals, "subprocess.CompletedProcess[str]", Path]


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many documents, each short: a document's questions are written once it is done."""
    directory = tmp_path_factory.mktemp("docs")
    for number in range(100):
        shutil.copy(SAMPLE, directory / f"{number}.txt")
    return directory


@pytest.fixture(scope="module", params=EXIT_CODES, ids=lambda signum: signum.name)
def interrupted(
    request: pytest.FixtureRequest,
    docs: Path,
    warm_process: WarmProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Interrupted:
    """A run over an old output that got a signal after it had written its first questions."""
    directory = tmp_path_factory.mktemp("interrupted")
    (directory / "out").mkdir()
    output, report = directory / "out" / "q.jsonl", directory / "r.json"
    output.write_text("old")
    words = ["run", str(docs), "-o", str(output), "--report", str(report), *FAST]
    if request.param == COLD_SIGNAL:
        command, environment = [*COMMAND, *words], None
    else:
        command, environment = warm_process.command("qgbatch", *words), warm_process.environment()
    with _running(command, environment) as process:
        _wait_for_questions(process, output.parent)
        process.send_signal(request.param)
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
    ended = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
    return request.param, ended, directory


@contextmanager
def _running(
    command: list[str], environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    # Started in the background of a shell we would ignore Ctrl-C, and so would the child.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for_questions(process: subprocess.Popen[str], directory: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not any(path.stat().st_size for path in directory.glob(".q.jsonl.*.partial")):
        assert process.poll() is None, "ended before it was interrupted"
        assert time.monotonic() < deadline, "wrote nothing"
        time.sleep(0.02)


def test_help_imports_no_heavy_library() -> None:
    process = subprocess.run(
        [sys.executable, "-c", HELP_AND_MODULES], capture_output=True, text=True, check=True
    )
    assert "--num-beams" in process.stdout
    modules = set(process.stderr.split())
    assert "click" in modules
    assert not modules & {"torch", "transformers", "ctranslate2", "pandas", "pyarrow", "nltk"}


def test_standard_output_is_pure_data_when_a_library_prints(
    warm_process: WarmProcess, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("Bees live in hives. They make honey from the nectar of flowers.")
    words = ("run", "a.txt", "-o", "-", "--engine", "torch", *FAST)
    process = warm_process.run("python", "-c", NOISY, *words, directory=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "noise from C" in process.stderr
    lines = process.stdout.splitlines()
    assert [line for line in lines if "noise" in line] == []
    assert [json.loads(line)["source"] for line in lines] == ["a.txt"] * len(lines) != []


def test_standard_error_may_be_closed(tmp_path: Path) -> None:
    words = ["run", str(tmp_path / "missing.txt"), "-o", "-", "--report", str(tmp_path / "r.json"), *FAST]
    process = subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *COMMAND, *words], capture_output=True)
    assert (process.returncode, process.stdout) == (4, b"")  # 1 would be a bug
    assert json.loads((tmp_path / "r.json").read_text())["exit_code"] == 4


RESULTS = [
    ("run", SAMPLE, "-o", "q.csv", "--dry-run", *FAST),
    ("models",),
    ("cache", "info"),
    ("cache", "clear", "--cache-dir", "nowhere"),
]
"""Commands that print their result."""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
@pytest.mark.parametrize("words", RESULTS, ids=lambda words: " ".join(map(str, words[:2])))
def test_a_result_on_a_full_device_is_an_output_error(
    words: tuple[str | Path, ...], warm_process: WarmProcess, tmp_path: Path
) -> None:
    with open("/dev/full", "wb") as full:
        process = subprocess.run(
            warm_process.command("qgbatch", *words), env=warm_process.environment(), cwd=tmp_path,
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert process.returncode == 6, process.stderr
    assert process.stderr.startswith("qgbatch: error: standard output: cannot be written (No space left")


def test_a_result_for_a_closed_standard_output_is_an_output_error() -> None:
    words = ["sh", "-c", '"$@" >&-', "sh", *COMMAND, "models"]
    process = subprocess.run(words, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 6, process.stderr
    assert process.stderr.startswith("qgbatch: error: Standard output is closed.")


@pytest.mark.parametrize("words", [("run", "--no-such-option"), ("run",), ("--no-such-option",)])
@pytest.mark.parametrize("end", ["full", "gone"])
def test_messages_that_cannot_be_written_do_not_change_the_exit_code(
    words: tuple[str, ...], end: str
) -> None:
    if end == "full":
        if not os.path.exists("/dev/full"):
            pytest.skip("no full device here")
        stderr = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, stderr = os.pipe()
        os.close(reader)
    try:
        process = subprocess.run([*COMMAND, *words], stdout=subprocess.PIPE, stderr=stderr)
    finally:
        os.close(stderr)
    assert (process.returncode, process.stdout) == (2, b"")


def test_closed_pipe_ends_the_run_without_a_traceback(docs: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}  # the run first converts the model
    command = [*COMMAND, "run", str(docs), "-o", "-", "--log-format", "json", *FAST]
    with _running(command, environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["chunk_index"] == 0
        process.stdout.close()
        stderr = process.stderr.read()
        assert process.wait(timeout=PATIENCE_S) == 0
    assert "Traceback" not in stderr
    assert "Exception" not in stderr
    assert "Error" not in stderr
    assert [json.loads(line)["time"] for line in stderr.splitlines()], "no library's bar or warning"


def test_signal_ends_the_run_with_its_exit_code(interrupted: Interrupted) -> None:
    signum, process, _ = interrupted
    assert process.returncode == EXIT_CODES[signum]


def test_signal_leaves_the_old_output_and_no_partial_file(interrupted: Interrupted) -> None:
    _, _, directory = interrupted
    assert [path.name for path in (directory / "out").iterdir()] == ["q.jsonl"]
    assert (directory / "out" / "q.jsonl").read_text() == "old"


def test_signal_gives_a_message_and_no_traceback(interrupted: Interrupted) -> None:
    _, process, _ = interrupted
    assert "Traceback" not in process.stderr
    assert "no output was replaced" in process.stderr


def test_report_of_an_interrupted_run_holds_its_exit_code(interrupted: Interrupted) -> None:
    signum, _, directory = interrupted
    report = json.loads((directory / "r.json").read_text())
    assert report["exit_code"] == EXIT_CODES[signum]
