"""``--runner ray``: the rows of a local run, whatever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest

from qgbatch.errors import ExitCode
from tests.conftest import ROOT, SAMPLES
from tests.support.runs import COMMAND, GREEDY, PATIENCE_S, Qgbatch, names, read_json

pytest.importorskip("ray", reason="the extra [ray] is not installed")

N_DOCUMENTS = 500
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
ENVIRONMENT = {
    **os.environ,
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on Linux it means: listen on loopback
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 64,
}

# A process with this on its path dies where it opens deadly.txt, as one that is out of memory does.
SITECUSTOMIZE = """
import os, signal, sys

def die(event, arguments):
    if event == "open" and str(arguments[0]).endswith("deadly.txt"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
"""


@pytest.fixture(scope="module")
def ray_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of the nodes, whose workers die where they open a file named ``deadly.txt``."""
    directory = tmp_path_factory.mktemp("deadly")
    (directory / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    return {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])}


@pytest.fixture(scope="module")
def ray_address(cache_home: Path, ray_environment: dict[str, str]) -> Iterator[str]:
    """A cluster of one node with two cores, on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    head = start_node(ray_environment, "--head", f"--port={port}", "--num-cpus=2")
    wait_until(lambda: listens(port))
    yield f"127.0.0.1:{port}"
    stop(head)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def start_node(environment: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    command = [*RAY, "start", "--block", "--include-dashboard=false", "--node-ip-address=127.0.0.1", *words]
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def stop(node: subprocess.Popen[bytes]) -> None:
    node.terminate()
    node.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of a sentence or two; each tenth one says what the one before says. And a table."""
    directory = tmp_path_factory.mktemp("corpus")
    texts = [path.read_text(encoding="utf-8") for path in sorted(SAMPLES.glob("*.txt"))]
    sentences = [s for text in texts for s in text.replace("\n", " ").split(". ") if len(s) > 40]
    for number in range(N_DOCUMENTS):
        sentence = sentences[(number - (number % 10 == 9)) % len(sentences)]
        (directory / f"{number:03}.txt").write_text(sentence + ".\n", encoding="utf-8")
    (directory / "empty.txt").touch()
    rows = [{"text": sentence + "."} for sentence in sentences[:20]] + [{"text": ""}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    directory.with_suffix(".jsonl").write_text(lines, encoding="utf-8")
    return directory


def run_on(
    address: str, *words: str | Path, directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    # As installed: the current directory is not on the path.
    program = [sys.executable, "-P", "-m", "qgbatch"]
    command = [*program, "run", *map(str, words), "--runner", "ray", "--ray-address", address, *GREEDY]
    return subprocess.run(
        command, env=ENVIRONMENT, cwd=directory, capture_output=True, text=True, timeout=PATIENCE_S
    )


@pytest.fixture
def hostile_directory(tmp_path: Path) -> Iterator[Path]:
    """A current directory with code that no process may run."""
    directory = tmp_path / "current"
    directory.mkdir()
    for module in ("fsspec", "sqlite3", "nltk", "tokenizers", "pandas"):  # not imported by Ray itself
        (directory / f"{module}.py").write_text("open('canary', 'w')", encoding="utf-8")
    yield directory
    assert not (directory / "canary").exists()


def rows(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path).sort_values(["source", "start_char", "question_index"], ignore_index=True)


@pytest.mark.parametrize(
    ("scope", "pattern"),
    [
        ("document", "[0e]?[05p]*.txt"),  # every fifth of the first hundred, and the empty one
        *[pytest.param(scope, "*", marks=pytest.mark.faults) for scope in ("document", "chunk", "corpus")],
    ],
)
def test_rows_are_those_of_a_local_run(
    qgbatch: Qgbatch,
    corpus: Path,
    ray_address: str,
    tmp_path: Path,
    hostile_directory: Path,
    scope: str,
    pattern: str,
) -> None:
    local, parts, report = tmp_path / "local.parquet", tmp_path / "parts", tmp_path / "report.json"
    table = corpus.with_suffix(".jsonl")
    words: list[str | Path] = [corpus / pattern, table, "--with-context", "--dedupe-scope", scope]
    here = qgbatch("run", *words, "-o", local, "--report", tmp_path / "local.json", *GREEDY)
    assert here.exit_code == ExitCode.PARTIAL
    words += ["--num-workers", "2", "--report", report]
    there = run_on(ray_address, *words, "-o", parts, directory=hostile_directory)
    assert there.returncode == ExitCode.PARTIAL, there.stderr
    pd.testing.assert_frame_equal(rows(parts), rows(local))
    counts, expected = read_json(report), read_json(tmp_path / "local.json")
    for name in ("n_inputs", "n_documents", "n_chunks", "n_raw", "n_written", "dropped"):
        assert counts[name] == expected[name], name
    assert sorted(map(str, counts["failures"])) == sorted(map(str, expected["failures"]))
    assert "_SUCCESS" in names(parts)
    page = qgbatch("report", parts, "--run-report", report, "-o", tmp_path / "page.html")
    assert page.exit_code == ExitCode.OK, page.output


@pytest.mark.faults
def test_a_second_run_skips_finished_parts(
    qgbatch: Qgbatch, corpus: Path, ray_address: str, tmp_path: Path
) -> None:
    """The driver is killed; the second start skips what is written and ends equal."""
    local, parts = tmp_path / "local.parquet", tmp_path / "parts"
    table = corpus.with_suffix(".jsonl")
    words: list[str | Path] = [corpus, table, "-o", parts, "--num-workers", "2", "--no-cache"]
    command = [*COMMAND, "run", *map(str, words), "--runner", "ray", "--ray-address", ray_address, *GREEDY]
    driver = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    wait_until(lambda: len([*parts.glob(".parts/*.parquet")]) >= 2)
    driver.kill()
    driver.wait(PATIENCE_S)
    assert not [*parts.glob("*.parquet")]  # a reader sees no half of a table
    (corpus / "001.txt").write_text("Something else was written here in 1901.\n", encoding="utf-8")
    qgbatch("run", corpus, table, "-o", local, "--report", tmp_path / "local.json", *GREEDY)
    report = tmp_path / "report.json"
    result = run_on(ray_address, *words, "--report", report)
    assert result.returncode == ExitCode.PARTIAL, result.stderr
    assert "documents are already done" in result.stderr
    pd.testing.assert_frame_equal(rows(parts), rows(local))
    for name in ("n_inputs", "n_documents"):
        assert read_json(report)[name] == read_json(tmp_path / "local.json")[name], name


@pytest.mark.faults
def test_a_killed_worker_is_replaced(
    qgbatch: Qgbatch, corpus: Path, ray_address: str, tmp_path: Path
) -> None:
    local, parts = tmp_path / "local.parquet", tmp_path / "parts"
    qgbatch("run", corpus, "-o", local, *GREEDY)
    words = ["run", str(corpus), "-o", str(parts), "--num-workers", "2", "--no-cache", *GREEDY]
    with subprocess.Popen(
        [*COMMAND, *words, "--runner", "ray", "--ray-address", ray_address],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as driver:
        wait_until(lambda: len([*parts.glob(".parts/*.parquet")]) >= 2)
        os.kill(workers()[0], signal.SIGKILL)
        said, log = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == ExitCode.PARTIAL, log
    assert not said
    pd.testing.assert_frame_equal(rows(parts), rows(local))


@pytest.mark.faults
def test_a_document_that_kills_each_worker_fails_without_the_others(
    corpus: Path, ray_address: str, tmp_path: Path
) -> None:
    few = [corpus / f"{number:03}.txt" for number in range(20)]
    deadly = tmp_path / "deadly.txt"
    deadly.write_text("Nobody can read this.", encoding="utf-8")
    parts, report = tmp_path / "parts", tmp_path / "report.json"
    result = run_on(ray_address, *few, deadly, "-o", parts, "--num-workers", "2", "--report", report)
    assert result.returncode == ExitCode.PARTIAL, result.stderr
    counts = read_json(report)
    assert [failure["source"] for failure in counts["failures"]] == [str(deadly)]
    assert "4 workers died while processing it" in result.stderr
    assert counts["n_documents"] == len(few)


@pytest.mark.faults
def test_names_that_are_not_utf_8(qgbatch: Qgbatch, corpus: Path, ray_address: str, tmp_path: Path) -> None:
    """Of documents, the output and the current directory."""
    directory = tmp_path / os.fsdecode(b"d\xff")
    directory.mkdir()
    documents = [os.fsdecode(b"\xfe%d.txt" % number) for number in range(5)]
    for document in documents:
        (directory / document).write_text(f"The tower {document[1:]} was built in 1850.", encoding="utf-8")
    output, scope = os.fsdecode(b"out\xff"), ["--dedupe-scope", "corpus"]
    result = run_on(ray_address, *documents, "-o", output, *scope, directory=directory)
    assert result.returncode == ExitCode.OK, result.stderr
    local = tmp_path / "local.parquet"
    with chdir(directory):
        qgbatch("run", *documents, "-o", local, *scope, *GREEDY)
    parts = pd.concat(
        pd.read_parquet(BytesIO(path.read_bytes())) for path in (directory / output).glob("*.*")
    )
    pd.testing.assert_frame_equal(parts.sort_values("source", ignore_index=True), rows(local))


@pytest.mark.faults
def test_two_nodes(
    qgbatch: Qgbatch, corpus: Path, ray_address: str, ray_environment: dict[str, str], tmp_path: Path
) -> None:
    second = start_node(ray_environment, f"--address={ray_address}", "--num-cpus=2")
    try:
        local, parts = tmp_path / "local.parquet", tmp_path / "parts"
        qgbatch("run", corpus, "-o", local, *GREEDY)
        result = run_on(ray_address, corpus, "-o", parts, "--num-workers", "4")
        assert result.returncode == ExitCode.PARTIAL, result.stderr
        pd.testing.assert_frame_equal(rows(parts), rows(local))
    finally:
        stop(second)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def workers() -> Sequence[int]:
    """Processes that hold the model."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            title = (directory / "cmdline").read_bytes()
        except OSError:
            continue
        if b"MapWorker" in title:
            found.append(int(directory.name))
    return found
