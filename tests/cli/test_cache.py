"""``qgbatch cache``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Qgbatch = Callable[..., Result]

FAST = ("--num-beams", "1", "--max-new-tokens", "16")


def test_an_empty_cache_is_not_made_to_be_shown(tmp_path: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("cache", "info", "--cache-dir", tmp_path / "cache")
    assert result.exit_code == 0
    assert "results    0 entries" in result.stdout
    assert not (tmp_path / "cache").exists()


def test_what_a_run_keeps_is_shown_and_cleared(tmp_path: Path, qgbatch: Qgbatch) -> None:
    (tmp_path / "a.txt").write_text("Bees live in hives.")
    cache = ("--cache-dir", tmp_path / "cache")
    qgbatch("run", tmp_path / "a.txt", "-o", tmp_path / "q.csv", *FAST, *cache)
    shown = qgbatch("cache", "info", *cache).stdout
    assert "results    2 entries" in shown  # the document's chunks, and one generation
    assert "models     1 converted" in shown
    cleared = qgbatch("cache", "clear", *cache)
    assert cleared.exit_code == 0
    assert "results    0 entries" in cleared.stdout
    assert "models     0 converted" in cleared.stdout


def test_an_unknown_size_exits_2(tmp_path: Path, qgbatch: Qgbatch) -> None:
    for size in ("many", "-1GB", "1", "1e9B", "\uff12GB"):
        result = qgbatch("run", tmp_path, "-o", tmp_path / "q.csv", "--cache-size", size)
        assert result.exit_code == 2
        assert "is not a valid size" in result.stderr
