"""``qgbatch doctor``: it finds what would stop a run, and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.cli.doctor import doctor as doctor_command
from qgbatch.cli.run import run as run_command
from qgbatch.engines.cores import n_cores
from qgbatch.output.atomic import lock_output, open_output
from qgbatch.questions.retrieval.passage_index import PassageIndex
from tests.conftest import MINI
from tests.support.answering import make_answer_model

Qgbatch = Callable[..., Result]
Findings = dict[str, dict[str, str]]

FAST = ("--num-beams", "1", "--max-new-tokens", "16")
CHECKS = [
    "versions", "temporary", "device", "engine", "torch", "ctranslate2", "sentences", "model", "hub",
    "tokenizer", "weights", "answer", "cache",
]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with an old output and a directory."""
    (tmp_path / "q.csv").write_bytes(b"old")
    (tmp_path / "docs.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def doctor(here: Path, qgbatch: Qgbatch) -> Callable[..., tuple[int, Findings]]:
    """Run the command with fast settings and return its exit code and findings."""

    def invoke(*words: str) -> tuple[int, Findings]:
        result = qgbatch("doctor", "--log-format", "json", *FAST, *words)
        findings = [json.loads(line) for line in result.stdout.splitlines()]
        assert all(finding.keys() == {"check", "status", "finding", "hint"} for finding in findings)
        assert all(bool(finding["hint"]) == (finding["status"] != "ok") for finding in findings)
        return result.exit_code, {finding["check"]: finding for finding in findings}

    return invoke


Doctor = Callable[..., tuple[int, Findings]]


def _not_ok(findings: Findings) -> dict[str, str]:
    return {name: finding["status"] for name, finding in findings.items() if finding["status"] != "ok"}


def test_passages_that_cannot_be_ranked_are_a_warning(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PassageIndex, "is_available", lambda: False)
    exit_code, findings = doctor("--passages", "p.csv")
    assert (exit_code, _not_ok(findings)) == (0, {"passages": "warning"})


def test_all_checks_of_a_good_installation_are_ok(doctor: Doctor) -> None:
    words = ("--passages", "p.csv", "--report", "r.json", "--failures", "f.jsonl")
    exit_code, findings = doctor("-o", "q.csv", *words)
    assert (exit_code, _not_ok(findings)) == (0, {})
    assert list(findings) == [*CHECKS, "output", "passages", "report", "failures"]
    assert "?" in findings["answer"]["finding"]
    assert f"torch {version('torch')}" in findings["versions"]["finding"]
    assert f"{n_cores()} cores" in findings["device"]["finding"]
    assert "not needed" in findings["hub"]["finding"]


def test_outputs_are_unchanged_and_no_file_is_left(here: Path, doctor: Doctor) -> None:
    doctor("-o", "q.csv", "--report", "r.json", "--failures", "docs.csv")
    assert sorted(path.name for path in here.iterdir()) == ["docs.csv", "q.csv"]
    assert (here / "q.csv").read_bytes() == b"old"
    assert list((here / "docs.csv").iterdir()) == []


def test_text_has_one_line_per_check_and_quiet_hides_ok(here: Path, qgbatch: Qgbatch) -> None:
    loud = qgbatch("doctor", *FAST, "--report", "docs.csv")
    lines = loud.stdout.splitlines()
    assert [line.split()[1] for line in lines] == [*CHECKS, "report"]
    assert [line.split()[0] for line in lines] == ["ok"] * len(CHECKS) + ["failed"]
    quiet = qgbatch("doctor", *FAST, "--report", "docs.csv", "-q")
    assert quiet.stdout.splitlines() == lines[-1:]
    assert "docs.csv: is a directory. Name a file in it." in quiet.stdout


def test_damaged_weights_exit_5_and_the_other_checks_run(here: Path, doctor: Doctor) -> None:
    shutil.copytree(MINI, here / "cut")
    os.truncate(here / "cut" / "model.safetensors", 100_000)
    exit_code, findings = doctor("--model", "cut", "-o", "q.csv")
    assert exit_code == 5
    assert _not_ok(findings) == {"weights": "failed", "answer": "skipped"}
    assert "weights" in findings["answer"]["finding"]
    assert list(findings) == [*CHECKS, "output"]


@pytest.mark.parametrize(
    ("words", "exit_code", "check", "reason"),
    [
        (["--device", "tpu"], 2, "device", "--device tpu"),
        (["--engine", "torch", "--compute-type", "int8"], 2, "engine", "--compute-type"),
        (["--max-tokens", "3"], 2, "tokenizer", "--max-tokens 3"),
        (["-o", "q.xlsx"], 2, "output", "--output q.xlsx"),
        (["--model", "./no-such-model"], 5, "model", "./no-such-model"),
        (["-o", "nowhere/q.csv"], 6, "output", "nowhere is not a directory"),
        (["-o", "docs.csv"], 6, "output", "is a directory"),
        (["--review-with", "docs.csv"], 4, "decisions", "docs.csv: Is a directory"),
        (["--report", "nowhere/r.json"], 6, "report", "nowhere is not a directory"),
        (["--passages", "nowhere/p.csv"], 6, "passages", "nowhere is not a directory"),
        (
            ["--passages", "p.txt"],
            2,
            "passages",
            "--passages p.txt: not a file that passages can be written",
        ),
        (["--device", "tpu", "-o", "docs.csv"], 2, "output", "is a directory"),
    ],
)
def test_a_problem_that_stops_a_run_fails_with_the_same_exit_code(
    doctor: Doctor, words: list[str], exit_code: int, check: str, reason: str
) -> None:
    found_code, findings = doctor(*words)
    assert found_code == exit_code
    assert findings[check]["status"] == "failed"
    assert reason in findings[check]["finding"]


def test_checks_that_need_a_failed_check_are_skipped(doctor: Doctor) -> None:
    _, findings = doctor("--device", "tpu")
    assert _not_ok(findings) == {
        "device": "failed",
        "engine": "skipped",
        "weights": "skipped",
        "answer": "skipped",
    }


def test_a_file_in_place_of_the_cache_directory_is_a_warning(here: Path, doctor: Doctor) -> None:
    exit_code, findings = doctor("--cache-dir", "q.csv")
    assert exit_code == 0
    assert _not_ok(findings) == {"weights": "warning", "cache": "warning"}
    assert (here / "q.csv").read_bytes() == b"old"


def test_a_foreign_cache_file_is_one_warning_that_the_log_does_not_repeat(
    cache_home: Path, here: Path, qgbatch: Qgbatch
) -> None:
    (here / "cache").mkdir()
    (here / "cache" / "ctranslate2").symlink_to(cache_home / "qgbatch" / "ctranslate2")
    (here / "cache" / "results-1.sqlite3").write_text("no database at all")
    result = qgbatch("doctor", *FAST, "-q", "--cache-dir", "cache")
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [["warning", "cache"]]
    assert "renamed to" in result.stdout
    assert result.stderr == ""


def test_the_cache_is_described_and_no_entry_is_evicted(
    here: Path, qgbatch: Qgbatch, doctor: Doctor
) -> None:
    (here / "a.txt").write_text("Bees live in hives.")
    assert qgbatch("run", "a.txt", "-o", "-", *FAST).exit_code == 0
    _, findings = doctor("--cache-size", "1KB")
    assert "2 entries" in findings["cache"]["finding"]
    assert "of 0.0 MB" in findings["cache"]["finding"]
    _, findings = doctor("--cache-size", "1KB")
    assert "2 entries" in findings["cache"]["finding"]
    _, findings = doctor("--no-cache")
    assert "--no-cache" in findings["cache"]["finding"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write any file")
def test_a_read_only_cache_is_a_warning(here: Path, doctor: Doctor) -> None:
    doctor("--cache-dir", "cache")
    (here / "cache" / "results-1.sqlite3").chmod(0o400)
    exit_code, findings = doctor("--cache-dir", "cache")
    assert (exit_code, _not_ok(findings)) == (0, {"cache": "warning"})


def test_an_output_that_another_run_writes_is_a_warning(here: Path, doctor: Doctor) -> None:
    with open_output("q.csv") as stream:
        exit_code, findings = doctor("-o", "q.csv")
        stream.write(b"new")
    assert (exit_code, _not_ok(findings)) == (0, {"output": "warning"})
    assert (here / "q.csv").read_bytes() == b"new"


def test_a_distributed_run_that_is_at_work_keeps_its_files(here: Path, doctor: Doctor) -> None:
    counter = here / "parts" / ".parts" / "0123456789abcdef.attempts"
    counter.parent.mkdir(parents=True)
    counter.write_bytes(b"|")
    with lock_output(here / "parts", 0.0):
        exit_code, findings = doctor("-o", "parts", "--runner", "ray")
    assert (exit_code, _not_ok(findings)) == (0, {"output": "warning"})
    assert counter.exists()


def test_control_characters_in_file_names_are_escaped(here: Path, qgbatch: Qgbatch) -> None:
    (here / "\x1b[31mred\x9b.csv").mkdir()
    result = qgbatch("doctor", *FAST, "-q", "-o", "\x1b[31mred\x9b.csv")
    assert "\x1b" not in result.stdout
    assert r"\x1b[31mred\x9b.csv: is a directory." in result.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_block(here: Path, doctor: Doctor) -> None:
    os.mkfifo("pipe")
    exit_code, findings = doctor("-o", "pipe", "--format", "csv", "--report", "pipe")
    assert (exit_code, _not_ok(findings)) == (0, {})
    assert "pipe or device" in findings["output"]["finding"]


@pytest.mark.parametrize(
    ("engine", "exit_code", "status"), [("auto", 5, "failed"), ("torch", 0, "warning")]
)
def test_a_broken_engine_fails_only_if_the_run_uses_it(
    monkeypatch: pytest.MonkeyPatch, doctor: Doctor, engine: str, exit_code: int, status: str
) -> None:
    monkeypatch.setitem(sys.modules, "qgbatch.engines.ctranslate2", None)
    found_code, findings = doctor("--engine", engine, "--device", "cpu")
    assert found_code == exit_code
    assert findings["ctranslate2"]["status"] == status
    assert findings["answer"]["status"] == ("skipped" if exit_code else "ok")


def test_a_broken_package_of_the_output_format_exits_5(
    monkeypatch: pytest.MonkeyPatch, doctor: Doctor
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    exit_code, findings = doctor("-o", "q.parquet")
    assert (exit_code, _not_ok(findings)) == (5, {"output": "failed"})
    assert "pyarrow" in findings["output"]["finding"]


def test_a_missing_temporary_directory_exits_6(
    here: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(here / "nowhere"))
    exit_code, findings = doctor()
    assert exit_code == 6
    assert _not_ok(findings) == {"temporary": "failed", "weights": "skipped", "answer": "skipped"}


@pytest.mark.parametrize(
    ("found", "exit_code", "status", "reason"),
    [
        ("2.8.1+cpu", 0, "warning", "torch 2.8.1+cpu is older than"),
        (PackageNotFoundError("torch"), 5, "failed", "not installed: torch"),
        (RuntimeError("odd"), 1, "failed", "RuntimeError: odd"),
    ],
)
def test_an_outdated_or_missing_package_stops_no_other_check(
    monkeypatch: pytest.MonkeyPatch,
    doctor: Doctor,
    found: str | Exception,
    exit_code: int,
    status: str,
    reason: str,
) -> None:
    def version_of(name: str) -> str:
        if name == "torch" and isinstance(found, Exception):
            raise found
        return str(found) if name == "torch" else version(name)

    monkeypatch.setattr("qgbatch.pipeline.doctor.component_checks.version", version_of)
    found_code, findings = doctor()
    assert (found_code, _not_ok(findings)) == (exit_code, {"versions": status})
    assert reason in findings["versions"]["finding"]


def test_a_configuration_file_of_run_is_accepted_and_its_outputs_are_checked(
    here: Path, doctor: Doctor
) -> None:
    (here / "c.toml").write_text(
        'output = "q.csv"\nreport = "nowhere/r.json"\nfiles-from = "list"\ninputs = "nowhere"\n'
    )
    exit_code, findings = doctor("--config", "c.toml")
    assert (exit_code, _not_ok(findings)) == (6, {"report": "failed"})
    assert "q.csv" in findings["output"]["finding"]


def test_doctor_has_every_parameter_of_run() -> None:
    """So a configuration file of run is also one of doctor."""
    names = [{param.name for param in command.params} for command in (run_command, doctor_command)]
    assert names[0] == names[1] != set()


def test_ray_and_the_answer_model_are_checked(here: Path, doctor: Doctor, tmp_path: Path) -> None:
    model = make_answer_model(tmp_path / "answers", "bert")
    exit_code, findings = doctor("--runner", "ray", "-o", "parts", "--answers", str(model))
    assert (exit_code, _not_ok(findings)) == (0, {})
    assert "can be written" in findings["output"]["finding"]
    assert not Path("parts").exists()
    assert str(model) in findings["answers"]["finding"]
    assert findings["ray"]["finding"]
