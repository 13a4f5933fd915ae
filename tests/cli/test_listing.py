"""How often ``qgbatch run`` lists its inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.readers.paths import walk


@pytest.mark.parametrize("words", [["--dry-run"], ["--report", "r.json", "--failures", "f.jsonl"]])
def test_inputs_are_listed_once(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qgbatch: Callable[..., Result]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("docs/a.txt").touch()
    walked = []

    def count(top: str, skipped: Counter[str]) -> object:
        walked.append(top)
        return walk(top, skipped)

    monkeypatch.setattr("qgbatch.readers.listing.walk", count)
    result = qgbatch("run", "docs", "-o", "q.csv", *words)
    assert "docs/a.txt: the document is empty" in result.stderr
    assert walked == ["docs"]
