"""Atomic replacement of files, and standard output."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import IO, get_args

import pytest

from qgbatch.errors import LockedError, OutputError
from qgbatch.output.atomic import open_output, replace_file
from qgbatch.settings import Format

FORMATS: tuple[Format, ...] = get_args(Format)


def test_a_file_is_replaced_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with open_output(str(target)) as stream:
        stream.write(b"new")
        stream.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def write_and_raise(stream: IO[bytes], error: type[BaseException]) -> None:
    stream.write(b"incompl")
    stream.flush()
    raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, "old"])
def test_an_error_in_the_block_changes_nothing(
    error: type[BaseException], old: str | None, tmp_path: Path
) -> None:
    target = tmp_path / "a.csv"
    if old:
        target.write_text(old)
    with pytest.raises(error), replace_file(target) as stream:
        write_and_raise(stream, error)
    assert [path.read_text() for path in tmp_path.iterdir()] == ([old] if old else [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is a directory"),
        ("no/a.csv", "no is not a directory"),
        ("file/a.csv", "file is not a directory"),
        ("x" * 300, "name too long"),
    ],
)
def test_a_path_that_cannot_be_written_is_an_output_error(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"{tmp_path / name}: .*{message}"), replace_file(tmp_path / name):
        pass


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "latest.csv"
    link.symlink_to("real/a.csv")
    for content in [b"old", b"new"]:
        with replace_file(link) as stream:
            stream.write(content)
    assert link.is_symlink()
    assert (tmp_path / "real" / "a.csv").read_bytes() == b"new"


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from qgbatch.errors import OutputError
from qgbatch.output.atomic import replace_file
from qgbatch.output.rows import COLUMNS
from qgbatch.output.writers import open_writer

row = {name: 7 if kind == "int64" else 0.5 if kind == "float64" else "x" for name, kind in COLUMNS.items()}
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    with replace_file(Path(sys.argv[1])) as stream:
        with open_writer(stream, sys.argv[2], None, COLUMNS) as writer:
            for _ in range(1000):
                writer.write(row)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk_does_not_change_the_old_file(file_format: Format, tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    command = [sys.executable, "-c", FILL_THE_DISK, str(target), file_format]
    message = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert message.startswith(f"{target}: cannot be written (File too large)")
    assert "free space" in message
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replace_file(tmp_path / "a") as stream:
            stream.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_an_incomplete_file_is_no_more_readable_than_the_one_it_replaces(mode: int, tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.touch(mode)
    target.chmod(mode)
    with replace_file(target) as stream:
        stream.write(b"new")
        (partial,) = set(tmp_path.iterdir()) - {target}
        assert stat.S_IMODE(partial.stat().st_mode) & ~mode == 0
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_file_url_is_the_file_itself(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with open_output(target.as_uri()) as stream:
        stream.write(b"new")
        stream.flush()
        assert target.read_text() == "old"
        with pytest.raises(LockedError), open_output(str(target)):
            pass
    assert target.read_text() == "new"


def test_a_dash_writes_to_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with open_output("-") as stream:
        stream.write(b"row\n")
    assert capsysbinary.readouterr().out == b"row\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_standard_output_is_an_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(full))
        with pytest.raises(OutputError), open_output("-") as stream:
            stream.write(b"row\n")
