"""What is left out of documents: in the summary, the report and the failures, and in the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.errors import ExitCode
from tests.support.documents import make_epub, without_member

Qgbatch = Callable[..., Result]

TEXT = "<p>Bees live in hives. They make honey from the nectar of flowers.</p>"
BOOK = without_member(make_epub({"a.xhtml": f"{TEXT}<img/><img/>", "b.xhtml": TEXT}), "book/b.xhtml")
MESSAGE = "book.epub: chapter book/b.xhtml is left out: it cannot be read (the file does not contain it)."


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory has a book that lacks a chapter, and a page with a table."""
    monkeypatch.chdir(tmp_path)
    Path("book.epub").write_bytes(BOOK)
    Path("page.html").write_text(f"{TEXT}<table><tr><th>a<td>1</table>")


def test_a_document_with_an_unread_part_is_used_and_the_part_is_named(qgbatch: Qgbatch) -> None:
    words = ("-o", "q.jsonl", "--report", "r.json", "--failures", "f.jsonl")
    result = qgbatch("run", "book.epub", "page.html", *words)
    assert result.exit_code == ExitCode.PARTIAL
    assert f"qgbatch: warning: {MESSAGE}" in result.stderr
    assert "  documents  2\n  failed     0\n" in result.stderr
    assert "  left out   2 pictures, 1 table, 1 unreadable part\n" in result.stderr
    assert {json.loads(row)["source"] for row in Path("q.jsonl").read_text().splitlines()} == {
        "book.epub",
        "page.html",
    }
    report = json.loads(Path("r.json").read_text())
    assert report["omitted"] == {"pictures": 2, "unreadable_parts": 1, "tables": 1}
    (failure,) = map(json.loads, Path("f.jsonl").read_text().splitlines())
    assert failure == {"source": "book.epub", "stage": "part", "error": "DocumentError", "message": MESSAGE}


def test_a_dry_run_names_it_too(qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "book.epub", "page.html", "-o", "q.jsonl", "--dry-run")
    assert result.exit_code == ExitCode.PARTIAL
    assert MESSAGE in result.stderr
    assert "  documents  2\n" in result.stdout
    assert "  left out   2 pictures, 1 table, 1 unreadable part\n" in result.stdout


def test_fail_fast_stops_at_an_unread_part(qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "book.epub", "page.html", "-o", "q.jsonl", "--fail-fast")
    assert result.exit_code == ExitCode.PARTIAL
    assert MESSAGE in result.stderr
    assert not Path("q.jsonl").exists()


def test_nothing_is_said_if_nothing_is_left_out(qgbatch: Qgbatch) -> None:
    Path("page.html").write_text(TEXT)
    result = qgbatch("run", "page.html", "-o", "q.jsonl")
    assert result.exit_code == ExitCode.OK
    assert "left out" not in result.stderr
