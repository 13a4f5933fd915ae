"""An output is never an input, whatever either of them is called."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from qgbatch.errors import OutputError
from qgbatch.readers.conflicts import check_output_conflicts
from qgbatch.readers.listing import list_inputs


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "docs" / "a.txt"
    path.parent.mkdir()
    path.write_text("Bees live in hives.")
    return path


def test_a_file_url_names_the_file(document: Path) -> None:
    names = [str(document), document.as_uri(), f"local://{document}", f"FILE://{document}"]
    for name in names:
        for other in names:
            with pytest.raises(OutputError, match="is an input and would be overwritten"):
                check_output_conflicts(list_inputs([name]), [other])


def test_a_file_url_names_the_directory_and_the_pattern(document: Path) -> None:
    directory = document.parent
    for argument in (directory.as_uri(), f"{directory.as_uri()}/*.txt"):
        for output in (directory / "q.txt", (directory / "q.txt").as_uri()):
            with pytest.raises(OutputError, match="the next run would read it"):
                check_output_conflicts(list_inputs([argument]), [str(output)])


def test_one_output_has_one_use(document: Path) -> None:
    output = document.with_name("q.csv")
    with pytest.raises(OutputError, match="the same file"):
        check_output_conflicts(list_inputs([str(document)]), [str(output), output.as_uri()])


def test_a_file_is_read_once_and_has_its_path_as_source(document: Path) -> None:
    listing = list_inputs([document.as_uri(), str(document), document.parent.as_uri()])
    assert listing.items == [str(document)]
    assert listing.skipped == {"named twice": 2}


def test_other_protocols_have_aliases_too() -> None:
    fsspec.filesystem("memory").pipe_file("/shelf/a.txt", b"Bees live in hives.")
    listing = list_inputs(["memory://shelf/a.txt", "memory:///shelf/a.txt"])
    assert listing.skipped == {"named twice": 1}
    with pytest.raises(OutputError, match="is an input"):
        check_output_conflicts(listing, ["memory:///shelf/a.txt"])
    with pytest.raises(OutputError, match="the next run would read it"):
        check_output_conflicts(list_inputs(["memory://shelf"]), ["memory:///shelf/b.txt"])
