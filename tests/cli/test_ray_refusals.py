"""``--runner ray``: what it cannot do is said before a cluster is looked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.errors import ExitCode

Qgbatch = Callable[..., Result]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["tea.txt", "-o", "-"], ExitCode.USAGE, "does not write to standard output"),
        (["tea.txt", "-o", "memory://out"], ExitCode.USAGE, "a directory that all workers share"),
        (["-", "-o", "out"], ExitCode.USAGE, "does not read standard input"),
        (["tea.txt", "-o", "out", "--format", "csv"], ExitCode.USAGE, "does not write csv"),
        (
            ["tea.txt", "-o", "out", "--dedupe", "near", "--dedupe-scope", "corpus"],
            ExitCode.USAGE,
            "only exact duplicates across documents",
        ),
        (["tea.txt", "-o", "out", "--model", "./none"], ExitCode.MODEL, "./none"),
        (["tea.txt", "-o", "tea.txt"], ExitCode.OUTPUT, "is an input"),
    ],
)
def test_what_cannot_be_is_refused(
    qgbatch: Qgbatch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: ExitCode,
    message: str,
) -> None:
    (tmp_path / "tea.txt").write_text("Tea is made of leaves.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = qgbatch("run", *words, "--runner", "ray", "--ray-address", "127.0.0.1:1")
    assert result.exit_code == code
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_output_of_someone_else_is_left_alone(
    qgbatch: Qgbatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tea.txt").write_text("Tea is made of leaves.", encoding="utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.parquet").write_bytes(b"PAR1")
    result = qgbatch("run", "tea.txt", "-o", "out", "--runner", "ray")
    assert result.exit_code == ExitCode.OUTPUT
    assert "mine.parquet" in result.stderr
