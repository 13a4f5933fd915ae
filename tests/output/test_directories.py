"""Output directories: what is created, what is refused, and what a failure leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgbatch.errors import OutputError
from qgbatch.output.directories import card_contains, prepare_directory, remove_empty


def test_missing_directories_are_created_for_all_outputs(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    created = prepare_directory(out, [out / "data" / "a.txt"], lambda _: False, "qgbatch test")
    assert created == [tmp_path / "new", out, out / "data"]
    (out / "kept.txt").touch()
    remove_empty(created)
    assert [path.name for path in out.iterdir()] == ["kept.txt"]


def test_a_foreign_file_is_named_and_nothing_is_created(tmp_path: Path) -> None:
    foreign = tmp_path / "a.txt"
    foreign.write_text("notes")
    outputs = [tmp_path / "missing.txt", foreign, tmp_path / "sub" / "b.txt"]
    with pytest.raises(OutputError, match=r"a\.txt exists, and qgbatch test did not write it"):
        prepare_directory(tmp_path, outputs, lambda _: False, "qgbatch test")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_our_own_files_are_accepted(tmp_path: Path) -> None:
    ours = tmp_path / "a.txt"
    ours.touch()
    assert prepare_directory(tmp_path, [ours], lambda path: path == ours, "qgbatch test") == []


@pytest.mark.parametrize("name", ["file", "file/out"])
def test_a_file_in_place_of_the_directory_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be used as the output directory"):
        prepare_directory(tmp_path / name, [], lambda _: True, "qgbatch test")


def test_a_card_is_recognized_by_a_sentence(tmp_path: Path) -> None:
    assert not card_contains(tmp_path, "Made by us")
    (tmp_path / "README.md").write_bytes(b"\xff # Title. Made by us.")
    assert card_contains(tmp_path, "Made by us")
