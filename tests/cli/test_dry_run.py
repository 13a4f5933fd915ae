"""``qgbatch run --dry-run``."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.engines.ctranslate2 import CTranslate2Engine
from qgbatch.pipeline import dry_run
from tests.conftest import MINI, SAMPLES

Qgbatch = Callable[..., Result]

FAST = ("--num-beams", "1", "--max-new-tokens", "16")


def lines(result: Result) -> dict[str, str]:
    """The printed table."""
    return {m[1]: m[2] for m in re.finditer(r"^ +([a-z ]+?) {2,}(.*)$", result.stdout, re.MULTILINE)}


def test_a_dry_run_counts_without_the_model_and_writes_nothing(
    tmp_path: Path, qgbatch: Qgbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CTranslate2Engine, "__init__", None)  # loading it would raise
    report = tmp_path / "r.json"
    result = qgbatch("run", SAMPLES, "-o", tmp_path / "q.csv", "--report", report, "--dry-run", *FAST)
    assert result.exit_code == 0
    counts = lines(result)
    assert counts["documents"] == "7"
    assert counts["to do"] == counts["chunks"].split(" (")[0] + " chunks"
    assert re.fullmatch(r"about \d:\d\d:\d\d", counts["time"])
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_a_run_will_do(tmp_path: Path, qgbatch: Qgbatch) -> None:
    known, new = SAMPLES / "tea.md", SAMPLES / "lighthouses.txt"
    words = ("-o", tmp_path / "q.csv", *FAST)
    qgbatch("run", known, *words)
    before = lines(qgbatch("run", known, new, new, *words, "--dry-run"))
    after = qgbatch("run", known, new, *words, "--log-format", "json")
    n_to_do, n_reused = int(before["to do"].split()[0]), int(before["reused"].split()[0])
    assert f'"n_generated": {n_to_do}, "n_reused": {n_reused}' in after.stderr
    assert n_to_do > 0 < n_reused


def test_a_dry_run_names_what_cannot_be_read(tmp_path: Path, qgbatch: Qgbatch) -> None:
    (tmp_path / "empty.txt").touch()
    inputs = (tmp_path / "empty.txt", SAMPLES / "tea.md")
    result = qgbatch("run", *inputs, "-o", tmp_path / "q.csv", "--dry-run")
    assert result.exit_code == 3
    assert "empty.txt: the document is empty" in result.stderr
    assert lines(result)["failed"] == "1"


def test_a_dry_run_reads_no_weights_that_the_run_does_not_read(tmp_path: Path, qgbatch: Qgbatch) -> None:
    model = shutil.copytree(MINI, tmp_path / "model")
    (model / "adapter.safetensors").symlink_to("missing")
    result = qgbatch("run", SAMPLES / "tea.md", "-o", tmp_path / "q.csv", "--model", model, "--dry-run")
    assert result.exit_code == 0, result.output
    assert lines(result)["time"].startswith("about ")


def test_a_dry_run_names_weights_that_cannot_be_read(
    tmp_path: Path, qgbatch: Qgbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, framework: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(dry_run, "safe_open", refuse)
    result = qgbatch("run", SAMPLES / "tea.md", "-o", tmp_path / "q.csv", "--model", MINI, "--dry-run")
    assert result.exit_code == 5
    assert "model.safetensors: cannot be read (" in result.stderr
    assert "Permission denied" in result.stderr


def test_a_dry_run_finds_damaged_weights(tmp_path: Path, qgbatch: Qgbatch) -> None:
    model = shutil.copytree(MINI, tmp_path / "model")
    os.truncate(model / "model.safetensors", 1_000)
    result = qgbatch("run", SAMPLES / "tea.md", "-o", tmp_path / "q.csv", "--model", model, "--dry-run")
    assert result.exit_code == 5
    assert "model.safetensors: damaged" in result.stderr
