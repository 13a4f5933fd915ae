"""A bug in a reader: the document fails, the run goes on, and -v shows the traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.readers import reading
from qgbatch.readers.content import Content, read_content


@pytest.fixture
def broken_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A reader with a bug that shows only in b.txt."""

    def fail(path: str, media_types: Collection[str]) -> Content:
        if path == "b.txt":
            raise IndexError("list index out of range")
        return read_content(path, media_types)

    monkeypatch.setattr(reading, "read_content", fail)
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("Bees live in hives. They make honey.")
    Path("b.txt").write_text("Tea is hot.")


@pytest.mark.usefixtures("broken_reader")
@pytest.mark.parametrize("words", [["-v"], []])
def test_a_bug_in_a_reader_fails_one_document_and_leaves_a_trace(
    words: list[str], qgbatch: Callable[..., Result]
) -> None:
    words = [*words, "--num-beams", "1", "--max-new-tokens", "8", "--failures", "f.jsonl"]
    result = qgbatch("run", "a.txt", "b.txt", "-o", "q.csv", *words)
    assert result.exit_code == 3
    failure = json.loads(Path("f.jsonl").read_text())
    assert failure["error"] == "IndexError"
    assert failure["message"].startswith("b.txt: unexpected IndexError: list index out of range. ")
    assert ("Traceback" in result.stderr) == ("-v" in words)
    assert (", in fail" in result.stderr) == ("-v" in words)
