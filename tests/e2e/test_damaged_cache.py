"""A damaged, foreign or very small cache: the output is the same as without a cache."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from qgbatch.pipeline.sqlite_store import FILE_NAME, _checksum
from tests.support.runs import CachedRun, Qgbatch, cached_run, read_json

__all__ = ["cached_run"]


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def garble(path: Path) -> None:
    path.write_bytes(b"garbage" * 5000)


def garble_values(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'?"', b'!"'))


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE places (url, title)")


def add_trigger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON entries BEGIN SELECT 1; END")


def put_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def change_values(path: Path) -> None:
    """Store invalid values with a valid checksum: an id outside the vocabulary, a score that is NaN."""
    with closing(sqlite3.connect(path)) as connection:
        for key, value in connection.execute("SELECT key, value FROM entries").fetchall():
            invalid = b"[[0,9,0,99999999999]]" if value[8:10] == b"[[" else b'["eos",NaN,"\\ud800?"]'
            row = (_checksum(key, invalid) + invalid, key)
            connection.execute("UPDATE entries SET value = ? WHERE key = ?", row)
        connection.commit()


@pytest.mark.parametrize(
    ("damage", "warning"),
    [
        (truncate, "renamed to"),
        (garble, "renamed to"),
        (make_foreign, "renamed to"),
        (add_trigger, "renamed to"),
        (put_directory, "continues without a cache"),
        (garble_values, None),
        (change_values, None),
        (Path.unlink, None),
    ],
)
def test_a_damaged_cache_does_not_change_the_output(
    damage: Callable[[Path], None],
    warning: str | None,
    tmp_path: Path,
    cached_run: CachedRun,
    qgbatch: Qgbatch,
) -> None:
    damage(cached_run.cache / FILE_NAME)
    output, report = tmp_path / "q.jsonl", tmp_path / "r.json"
    words = [*cached_run.words, "-o", output, "--report", report, "--verify"]
    result = qgbatch(*words)
    assert result.exit_code == 0
    assert output.read_bytes() == cached_run.expected
    assert read_json(report)["n_generated"] > 0
    if warning:
        assert warning in result.stderr
    else:
        assert "warning" not in result.stderr
    is_rebuilt = damage is not put_directory
    again = qgbatch(*words)
    assert output.read_bytes() == cached_run.expected
    assert (read_json(report)["n_generated"] == 0) == is_rebuilt
    assert ("warning" not in again.stderr) == is_rebuilt


def test_a_cache_too_small_for_any_result_does_not_change_the_output(
    tmp_path: Path, cached_run: CachedRun, qgbatch: Qgbatch
) -> None:
    (cached_run.cache / FILE_NAME).unlink()
    output, report = tmp_path / "q.jsonl", tmp_path / "r.json"
    words = [
        *cached_run.words,
        "-o",
        output,
        "--report",
        report,
        "--cache-size",
        "1B",
        "--window-chunks",
        "4",
    ]
    for _ in range(2):
        assert qgbatch(*words).exit_code == 0
        assert output.read_bytes() == cached_run.expected
        assert read_json(report)["n_generated"] == cached_run.n_generations
    assert (cached_run.cache / FILE_NAME).stat().st_size < 50_000
