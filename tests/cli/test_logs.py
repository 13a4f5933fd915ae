"""The log of a command for machines (``--log-format json``), and what ``-v`` adds for people."""

from __future__ import annotations

import io
import json
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import qgbatch as package
from qgbatch.cli import progress as progress_module
from qgbatch.cli.logs import set_up_logging
from qgbatch.cli.progress import Progress, counts_of
from qgbatch.errors import ExitCode
from qgbatch.pipeline.run_report import RunReport

Qgbatch = Callable[..., Result]
PATIENCE_S = 60


@pytest.fixture(autouse=True)
def tea(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tea.txt").write_text("Tea reached Europe in 1610.")
    return tmp_path / "tea.txt"


def entries(result: Result) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in result.stderr.splitlines()]
    assert all({"time", "level", "message"} <= entry.keys() for entry in found)
    return found


def test_the_first_entry_has_the_version_and_the_settings(qgbatch: Qgbatch) -> None:
    words = ("-o", "q.csv", "--log-format", "json", "--num-beams", "2", "--report", "r.json")
    first, *others = entries(qgbatch("run", "tea.txt", *words))
    assert (first["level"], first["version"], first["command"]) == ("info", package.__version__, "run")
    assert first["settings"]["num_beams"] == 2
    assert first["settings"]["inputs"] == ["tea.txt"]
    assert first["settings"]["report"] == "r.json"
    assert not any("settings" in entry for entry in others)


def test_every_command_begins_its_log_so(qgbatch: Qgbatch) -> None:
    qgbatch("run", "tea.txt", "-o", "q.parquet", "--with-context")
    for words in (
        ("report", "q.parquet", "-o", "r.html"),
        ("export", "q.parquet", "--to", "beir", "-o", "beir"),
        ("dataset", "missing.json", "-o", "data"),
        ("finetune", "--train-file", "missing.json", "-o", "model"),
        ("evaluate", "--data", "missing.json"),
    ):
        first = entries(qgbatch(*words, "--log-format", "json"))[0]
        assert (first["command"], first["version"]) == (words[0], package.__version__)


@pytest.mark.parametrize(
    ("words", "kind", "exit_code"),
    [
        (["tea.txt", "-o", "q.csv", "--model", "./none"], "ModelError", ExitCode.MODEL),
        (["tea.txt", "-o", "none/q.csv"], "OutputError", ExitCode.OUTPUT),
        (["tea.txt", "-o", "q.csv", "--min-score", "5"], "SettingsError", ExitCode.USAGE),
        (["-o", "q.csv"], "UsageError", ExitCode.USAGE),
        (["tea.txt", "-o", "q.csv", "--num-beams", "many"], "BadParameter", ExitCode.USAGE),
    ],
)
def test_the_last_entry_of_a_failed_command_has_the_error(
    words: list[str], kind: str, exit_code: ExitCode, qgbatch: Qgbatch
) -> None:
    result = qgbatch("run", "--log-format", "json", *words)
    assert result.exit_code == exit_code
    last = entries(result)[-1]
    assert last["level"] == "error"
    assert (last["error"]["type"], last["error"]["exit_code"]) == (kind, exit_code)
    assert last["error"]["message"] in last["message"]
    assert last["error"].keys() == {"type", "message", "hint", "exit_code"}


def test_an_entry_about_a_document_has_the_failure(qgbatch: Qgbatch) -> None:
    Path("empty.txt").touch()
    words = ("-o", "q.csv", "--log-format", "json", "--failures", "f.jsonl")
    found = entries(qgbatch("run", "tea.txt", "empty.txt", *words))
    (failure,) = [entry["failure"] for entry in found if "failure" in entry]
    assert failure == json.loads(Path("f.jsonl").read_text())


def test_a_warning_of_a_library_is_an_entry_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text", quiet=False, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        set_up_logging("json", quiet=False, verbose=False)
        warnings.warn("old name", FutureWarning, stacklevel=1)
    set_up_logging("text", quiet=False, verbose=False)
    entry = json.loads(capsys.readouterr().err)
    assert entry["level"] == "warning"
    assert "old name" in entry["message"]


def test_a_heartbeat_with_counts_comes_even_if_nothing_moves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_module, "_SECONDS_BETWEEN_LINES", 0.01)
    set_up_logging("json", quiet=False, verbose=False)
    found: list[dict[str, Any]] = []
    progress = Progress(quiet=False, log_format="json")
    progress(0.25, "3 chunks", counts_of(RunReport(n_chunks=12, n_generated=3)))
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < 2 and time.monotonic() < deadline:
        found += [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    progress.close()
    set_up_logging("text", quiet=False, verbose=False)
    assert found[-1]["message"] == "25 %, 3 chunks"
    assert found[-1]["progress"]["share"] == 0.25
    assert (found[-1]["progress"]["n_chunks"], found[-1]["progress"]["n_generated"]) == (12, 3)


def test_no_heartbeat_comes_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_SECONDS_BETWEEN_LINES", 0.001)
    handler = logging.StreamHandler(log := io.StringIO())
    monkeypatch.setattr(logging.getLogger("qgbatch"), "handlers", [handler])
    Progress(quiet=False, log_format="text").close()
    before = log.getvalue()
    time.sleep(0.01)
    assert log.getvalue() == before


def test_verbose_says_what_was_decided(qgbatch: Qgbatch) -> None:
    words = ("-o", "q.csv", "--max-tokens", "64", "--target-tokens", "32", "--batch-tokens", "256")
    log = qgbatch("run", "tea.txt", *words, "-v", "--cache-dir", "kept").stderr
    for decision in (
        "qgbatch: debug: qgbatch " + package.__version__,
        "engine ctranslate2 on cpu in int8",
        "chunks of 32 tokens, at most 64",
        "batches of 256 padded tokens",
        "cache kept, at most 2GB",
    ):
        assert decision in log
    assert "debug" not in qgbatch("run", "tea.txt", *words, "--cache-dir", "kept").stderr
    assert "no cache" in qgbatch("run", "tea.txt", *words, "-v", "--no-cache").stderr
