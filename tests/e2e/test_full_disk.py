"""Disks that are full or read-only: a run goes on without its cache, or leaves the old output."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from qgbatch.pipeline.sqlite_store import FILE_NAME
from tests.support.runs import OLD, CachedRun, Qgbatch, cached_run, make_cache, names, no_file_larger_than

__all__ = ["cached_run"]

OUTPUT = 6
TINY = 4096
"""Less than the results, the output and the rows that wait for it."""

Mount = Callable[[str], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a file system in memory with these options; skips where that is not allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount_it(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"cannot mount: {error}")
        return disk

    yield mount_it
    if disk.is_mount():
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@dataclass(frozen=True)
class TinyPlace:
    """A directory where nothing larger than ``TINY`` can be written while :meth:`in_force`."""

    path: Path
    is_disk: bool

    def in_force(self) -> AbstractContextManager[None]:
        """Only around the command: a limit is also one of the file that pytest may print to."""
        return nullcontext() if self.is_disk else no_file_larger_than(TINY)


@pytest.fixture(params=["limit", "disk"])
def tiny_place(request: pytest.FixtureRequest, tmp_path: Path, cached_run: CachedRun) -> TinyPlace:
    """A place that is full soon, once there is a run to repeat."""
    if request.param == "disk":
        return TinyPlace(request.getfixturevalue("mount")(f"size={TINY}"), True)
    return TinyPlace(tmp_path, False)


def test_a_full_disk_leaves_the_old_output(
    tiny_place: TinyPlace, cached_run: CachedRun, qgbatch: Qgbatch
) -> None:
    output = tiny_place.path / "q.jsonl"
    output.write_bytes(OLD)
    with tiny_place.in_force():
        result = qgbatch(*cached_run.words, "--with-context", "-o", output)
    assert result.exit_code == OUTPUT
    assert f"{output}: cannot be written" in result.stderr
    assert "Traceback" not in result.stderr
    assert output.read_bytes() == OLD
    assert [name for name in names(tiny_place.path) if "q.jsonl" in name] == ["q.jsonl"]


def test_a_full_temporary_directory_is_told_and_leaves_the_old_output(
    cached_run: CachedRun,
    tiny_place: TinyPlace,
    tmp_path_factory: pytest.TempPathFactory,
    qgbatch: Qgbatch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tiny_place.path))
    output = tmp_path_factory.mktemp("elsewhere") / "q.jsonl"
    output.write_bytes(OLD)
    words = ["--with-context", "--dedupe-scope", "corpus", "-o", output]
    with tiny_place.in_force():
        result = qgbatch(*cached_run.words, *words)
    assert result.exit_code == OUTPUT
    assert f"{tiny_place.path}: cannot be written" in result.stderr
    assert "Traceback" not in result.stderr
    assert output.read_bytes() == OLD
    assert names(output.parent) == ["q.jsonl"]


def test_a_cache_on_a_full_disk_is_done_without(
    cached_run: CachedRun, tiny_place: TinyPlace, cache_home: Path, qgbatch: Qgbatch
) -> None:
    cache = make_cache(tiny_place.path / "cache", cache_home)
    # To standard output, as the limit is for all files.
    with tiny_place.in_force():
        result = qgbatch(*cached_run.words, "-o", "-", "--cache-dir", cache)
    assert result.exit_code == 0
    assert result.stdout_bytes == cached_run.expected
    (warning,) = [line for line in result.stderr.splitlines() if "warning" in line]
    assert f"{cache / FILE_NAME} cannot be used" in warning


@pytest.mark.parametrize("holds_results", [True, False])
def test_a_read_only_cache_is_done_without(
    holds_results: bool,
    tmp_path: Path,
    cache_home: Path,
    cached_run: CachedRun,
    qgbatch: Qgbatch,
    mount: Mount,
) -> None:
    disk = mount("size=1m")
    cache = make_cache(disk / "cache", cache_home)
    if holds_results:
        (cache / FILE_NAME).write_bytes((cached_run.cache / FILE_NAME).read_bytes())
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    result = qgbatch(*cached_run.words, "-o", tmp_path / "q.jsonl", "--cache-dir", cache)
    assert result.exit_code == 0
    assert "going on without a cache" in result.stderr
    assert (tmp_path / "q.jsonl").read_bytes() == cached_run.expected


def test_a_cache_that_cannot_be_made_is_done_without(
    tmp_path: Path, cached_run: CachedRun, qgbatch: Qgbatch
) -> None:
    (tmp_path / "file").touch()
    result = qgbatch(
        *cached_run.words, "-o", tmp_path / "q.jsonl", "--cache-dir", tmp_path / "file" / "cache"
    )
    assert result.exit_code == 0
    assert "going on without a cache" in result.stderr
    assert (tmp_path / "q.jsonl").read_bytes() == cached_run.expected
