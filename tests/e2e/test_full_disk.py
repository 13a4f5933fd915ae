"""Full and read-only disks: a run continues without its cache, and never damages the old output."""

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
"""In bytes; smaller than the cache, the output and the temporary file of rows."""

Mount = Callable[[str], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a file system in memory; the test is skipped if that is not allowed."""
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
class FullDirectory:
    """A directory where no file larger than ``TINY`` can be written inside :meth:`limit`."""

    path: Path
    is_disk: bool

    def limit(self) -> AbstractContextManager[None]:
        """Apply the limit. Use it only around the command, because it also affects pytest's own files."""
        return nullcontext() if self.is_disk else no_file_larger_than(TINY)


@pytest.fixture(params=["limit", "disk"])
def full_directory(request: pytest.FixtureRequest, tmp_path: Path, cached_run: CachedRun) -> FullDirectory:
    """A directory on a small disk, or with a limit of the file size; made after the run to repeat."""
    if request.param == "disk":
        return FullDirectory(request.getfixturevalue("mount")(f"size={TINY}"), True)
    return FullDirectory(tmp_path, False)


def test_a_full_disk_does_not_change_the_old_output(
    full_directory: FullDirectory, cached_run: CachedRun, qgbatch: Qgbatch
) -> None:
    output = full_directory.path / "q.jsonl"
    output.write_bytes(OLD)
    with full_directory.limit():
        result = qgbatch(*cached_run.words, "--with-context", "-o", output)
    assert result.exit_code == OUTPUT
    assert f"{output}: cannot be written" in result.stderr
    assert "Traceback" not in result.stderr
    assert output.read_bytes() == OLD
    assert [name for name in names(full_directory.path) if "q.jsonl" in name] == ["q.jsonl"]


def test_a_full_temporary_directory_is_an_error_and_does_not_change_the_old_output(
    cached_run: CachedRun,
    full_directory: FullDirectory,
    tmp_path_factory: pytest.TempPathFactory,
    qgbatch: Qgbatch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(full_directory.path))
    output = tmp_path_factory.mktemp("elsewhere") / "q.jsonl"
    output.write_bytes(OLD)
    words = ["--with-context", "--dedupe-scope", "corpus", "-o", output]
    with full_directory.limit():
        result = qgbatch(*cached_run.words, *words)
    assert result.exit_code == OUTPUT
    assert f"{full_directory.path}: cannot be written" in result.stderr
    assert "Traceback" not in result.stderr
    assert output.read_bytes() == OLD
    assert names(output.parent) == ["q.jsonl"]


def test_a_run_continues_without_a_cache_on_a_full_disk(
    cached_run: CachedRun, full_directory: FullDirectory, cache_home: Path, qgbatch: Qgbatch
) -> None:
    cache = make_cache(full_directory.path / "cache", cache_home)
    # The limit applies to all files, so the output goes to standard output.
    with full_directory.limit():
        result = qgbatch(*cached_run.words, "-o", "-", "--cache-dir", cache)
    assert result.exit_code == 0
    assert result.stdout_bytes == cached_run.expected
    (warning,) = [line for line in result.stderr.splitlines() if "warning" in line]
    assert f"{cache / FILE_NAME} cannot be used" in warning


@pytest.mark.parametrize("holds_results", [True, False])
def test_a_run_continues_without_a_read_only_cache(
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
    assert "continues without a cache" in result.stderr
    assert (tmp_path / "q.jsonl").read_bytes() == cached_run.expected


def test_a_run_continues_without_a_cache_that_cannot_be_created(
    tmp_path: Path, cached_run: CachedRun, qgbatch: Qgbatch
) -> None:
    (tmp_path / "file").touch()
    result = qgbatch(
        *cached_run.words, "-o", tmp_path / "q.jsonl", "--cache-dir", tmp_path / "file" / "cache"
    )
    assert result.exit_code == 0
    assert "continues without a cache" in result.stderr
    assert (tmp_path / "q.jsonl").read_bytes() == cached_run.expected
