"""``qgbatch cache``."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from tests.conftest import invoke

Qgbatch = Callable[..., Result]

FAST = ("--num-beams", "1", "--max-new-tokens", "16")


def test_an_empty_cache_is_not_made_to_be_shown(tmp_path: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("cache", "info", "--cache-dir", tmp_path / "cache")
    assert result.exit_code == 0
    assert "results    0 entries" in result.stdout
    assert not (tmp_path / "cache").exists()


def test_results_and_converted_models_are_shown_and_cleared(tmp_path: Path, qgbatch: Qgbatch) -> None:
    (tmp_path / "a.txt").write_text("Bees live in hives.")
    cache = ("--cache-dir", tmp_path / "cache")
    invoke("run", tmp_path / "a.txt", "-o", tmp_path / "q.csv", *FAST, *cache)
    shown = qgbatch("cache", "info", *cache).stdout
    assert "results    2 entries" in shown  # the document's chunks, and one generation
    assert "models     1 converted" in shown
    cleared = qgbatch("cache", "clear", *cache)
    assert cleared.exit_code == 0
    assert "results    0 entries" in cleared.stdout
    assert "models     0 converted" in cleared.stdout


def test_the_directory_is_private_even_if_it_is_first_made_for_a_model(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Bees live in hives.")
    words = ("--cache-dir", tmp_path / "cache", "--no-cache")
    invoke("run", tmp_path / "a.txt", "-o", tmp_path / "q.csv", *FAST, *words)
    assert (tmp_path / "cache" / "ctranslate2").is_dir()
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_an_unknown_size_exits_2(tmp_path: Path, qgbatch: Qgbatch) -> None:
    for size in ("many", "-1GB", "1", "1e9B", "\uff12GB"):
        result = qgbatch("run", tmp_path, "-o", tmp_path / "q.csv", "--cache-size", size)
        assert result.exit_code == 2
        assert "is not a valid size" in result.stderr


def test_a_directory_of_someone_else_is_not_cleared(tmp_path: Path, qgbatch: Qgbatch) -> None:
    (tmp_path / "ctranslate2" / "my-model").mkdir(parents=True)
    (tmp_path / "ctranslate2" / "my-model" / "model.bin").write_bytes(b"12 bytes here")
    shown = qgbatch("cache", "info", "--cache-dir", tmp_path).stdout
    assert "models     0 converted, 0.0 MB" in shown
    assert qgbatch("cache", "clear", "--cache-dir", tmp_path).exit_code == 0
    assert (tmp_path / "ctranslate2" / "my-model" / "model.bin").exists()
