"""Directories and patterns -> paths: to any depth, in order, past links and what cannot be read."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qgbatch.readers.paths import match, walk
from tests.support.hostile import deep_directory, without_rights


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, in which anyone may look around."""
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A directory with too many levels below it, and the file in there."""
    top = tmp_path_factory.mktemp("deep")
    with deep_directory(top, b"x") as file:
        yield top, file


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def close(path: str) -> None:
    Path(path).chmod(0)


def test_a_directory_comes_before_what_is_below_it_and_all_is_sorted() -> None:
    make("d/b/2", "d/b/1", "d/z", "d/c", "d/b/a/3", "d/a.b/4")
    assert list(walk("d", Counter())) == [
        ("d", ["c", "z"]), ("d/a.b", ["4"]), ("d/b", ["1", "2"]), ("d/b/a", ["3"]),
    ]  # fmt: skip


def test_hidden_names_and_linked_directories_are_counted_and_left_out() -> None:
    make("d/a", "d/.b", "d/.c/e")
    Path("d/up").symlink_to("..")
    Path("d/file").symlink_to("a")
    Path("d/nowhere").symlink_to("nowhere")
    skipped: Counter[str] = Counter()
    assert list(walk("d", skipped)) == [("d", ["a", "file", "nowhere"])]
    assert skipped == {"hidden": 2, "linked directory": 1}


@pytest.mark.parametrize(("harm", "reason"), [(close, errno.EACCES), (shutil.rmtree, errno.ENOENT)])
def test_a_directory_that_cannot_be_read_any_more_is_named_and_the_others_are_read(
    harm: Callable[[str], None], reason: int
) -> None:
    make("d/1", "d/a/2", "d/b/3")
    found = walk("d", Counter())
    assert next(found) == ("d", ["1"])
    harm("d/a")
    with without_rights():
        error = next(found)
    assert isinstance(error, OSError)
    assert (error.errno, error.filename) == (reason, "d/a")
    assert list(found) == [("d/b", ["3"])]


def test_a_deep_directory_is_read_as_far_as_the_system_reads(deep: tuple[Path, str]) -> None:
    top, file = deep
    with contextlib.chdir(top):
        *found, error = walk("d", Counter())
    assert len(found) == 2_048
    assert [f"{each[0]}/{each[1][0]}" for each in found if isinstance(each, tuple) and each[1]] == [file]
    assert isinstance(error, OSError)
    assert error.errno == errno.ENAMETOOLONG


def test_a_pattern_finds_what_is_deep(deep: tuple[Path, str]) -> None:
    top, file = deep
    with contextlib.chdir(top):
        paths, errors = match("**/*.txt", Counter())
    assert paths == [file]
    assert [error.errno for error in errors] == [errno.ENAMETOOLONG]


@pytest.mark.parametrize(
    "pattern",
    [
        "*", "*.txt", "./*", "d/*", "d//*.txt", "*/", "d/*/", "*/*.txt", "*/e/*.txt", "d/?/[fg].txt",
        "[!d]*", ".*", "*/.*", "d/[.]h", "*/../*.txt", "[[]x].txt", "none/*", "b.txt/*", "*/none",
        "*/b.txt",
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", "/"])
def test_a_pattern_finds_what_glob_finds(folder: Path, pattern: str, start: str) -> None:
    make("b.txt", "d/e/f.txt", "d/e/g.txt", "c.md", "a.txt", "[x].txt")
    make("d/b.txt", ".h/a.txt", "d/.h", "e/b.txt")
    if start:
        pattern = f"{folder}/{pattern}"
    expected = sorted(os.path.normpath(path) for path in glob.glob(pattern))
    assert sorted(os.path.normpath(path) for path in match(pattern, Counter())[0]) == expected


@pytest.mark.parametrize(
    "pattern", ["**", "**/*", "d/**", "**/e/**", "**/*.txt", "**/e/*.txt", "**/**/f.txt"]
)
def test_two_stars_find_the_files_that_glob_finds(pattern: str) -> None:
    make("b.txt", "d/e/f.txt", "d/e/g/e/h.txt", "c.md", ".h/a.txt", "d/.h", "e/b.txt")
    expected = {path for path in glob.glob(pattern, recursive=True) if Path(path).is_file()}
    assert match(pattern, Counter())[0] == sorted(expected)


def test_two_stars_follow_no_links() -> None:
    make("d/a.txt")
    for name in ("x", "y"):  # two ways round a circle: 2 ** 40 paths before the system says stop
        Path("d", name).symlink_to(".")
    skipped: Counter[str] = Counter()
    assert match("d/**/*.txt", skipped) == (["d/a.txt"], [])
    assert skipped == {"linked directory": 2}


@pytest.mark.parametrize("pattern", ["d/*/*.txt", "d/**/*.txt", "d/a/*.txt"])
def test_a_directory_that_a_pattern_may_not_search_is_named(pattern: str) -> None:
    make("d/a/1.txt", "d/b/2.txt")
    close("d/a")
    with without_rights():
        paths, errors = match(pattern, Counter())
    assert paths == ([] if "/a/" in pattern else ["d/b/2.txt"])
    assert [(error.errno, error.filename.rstrip("/")) for error in errors] == [(errno.EACCES, "d/a")]
