"""``qgbatch report``: a page of a run's questions, or why there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.errors import ExitCode
from qgbatch.exports.table import QuestionTable
from qgbatch.questions.review import FORMAT, table_fingerprint
from tests.support.runs import GREEDY
from tests.support.tables import ask, write

Qgbatch = Callable[..., Result]
TEXT = "Tea is a drink. It is hot."


@pytest.fixture
def questions(tmp_path: Path) -> str:
    (tmp_path / "tea.txt").write_text(TEXT)
    rows = [
        *ask(TEXT, str(tmp_path / "tea.txt"), (0, 15, ["What is tea?"])),
        *ask(TEXT, "gone.txt", (0, 15, ["What is gone?"])),
    ]
    return write(tmp_path / "q.parquet", rows)


def test_a_page_is_written(qgbatch: Qgbatch, questions: str, tmp_path: Path) -> None:
    result = qgbatch("report", questions, "-o", tmp_path / "page.html")
    assert (result.exit_code, result.stdout) == (ExitCode.OK, "")
    assert "warning: 1 of 2 documents are missing" in result.stderr
    assert "only their passages" in result.stderr
    assert result.stderr.splitlines()[2:] == [
        "  questions  2",
        "  documents  2 (1 with their whole text)",
        f"  output     {tmp_path / 'page.html'}",
    ]
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def write_decisions(path: Path, *ids: str) -> Path:
    decisions = {id_: {"decision": "keep"} for id_ in ids}
    values = {"format": FORMAT, "table": "old.parquet", "fingerprint": "a" * 64, "decisions": decisions}
    path.write_text(json.dumps(values))
    return path


def test_a_page_begins_with_decisions(qgbatch: Qgbatch, questions: str, tmp_path: Path) -> None:
    """The page has all of them, also those about other questions, so that none is lost."""
    (known, _) = (str(row["question_id"]) for row in QuestionTable(questions).rows())
    path = write_decisions(tmp_path / "d.json", known, "q" + "e" * 24)
    result = qgbatch("report", questions, "--review-with", path, "-o", tmp_path / "page.html")
    assert result.exit_code == ExitCode.OK
    assert "  decisions  2 (1 about questions that the table does not have)" in result.stderr.splitlines()
    for id_ in (known, "q" + "e" * 24):
        assert f'"{id_}":{{"decision":"keep"}}' in (tmp_path / "page.html").read_text()


def test_decisions_about_another_table_are_refused(
    qgbatch: Qgbatch, questions: str, tmp_path: Path
) -> None:
    path = write_decisions(tmp_path / "d.json", "q" + "e" * 24)
    result = qgbatch("report", questions, "--review-with", path, "-o", tmp_path / "page.html")
    assert result.exit_code == ExitCode.NO_INPUT
    ids = [str(row["question_id"]) for row in QuestionTable(questions).rows()]
    for fingerprint in ("a" * 64, table_fingerprint(ids)):
        assert fingerprint in result.stderr
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("name", ["q.parquet", "q.csv"])
def test_a_text_in_another_encoding_is_shown(name: str, qgbatch: Qgbatch, tmp_path: Path) -> None:
    (tmp_path / "cafe.txt").write_bytes("Café owners open early.".encode("cp1252"))
    report = ("--report", tmp_path / "run.json")
    result = qgbatch(
        "run", tmp_path / "cafe.txt", "-o", tmp_path / name, "--encoding", "cp1252", *report, *GREEDY
    )
    assert result.exit_code == ExitCode.OK, result.output
    words = ("--run-report", tmp_path / "run.json", "-o", tmp_path / "page.html")
    result = qgbatch("report", tmp_path / name, *words)
    assert "1 (1 with their whole text)" in result.stderr
    assert "Café owners open early." in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (["nowhere.parquet"], ExitCode.NO_INPUT, "nowhere.parquet: no such file"),
        (
            ["{q}", "--run-report", "{q}"],
            ExitCode.NO_INPUT,
            "not a report of qgbatch run",
        ),
        (["{q}", "--review-with", "{q}"], ExitCode.NO_INPUT, "not a file of decisions"),
        (["{q}", "--run-report", "no.json"], ExitCode.NO_INPUT, "no.json: No such file or directory"),
        (["{q}", "-o", "no/page.html"], ExitCode.OUTPUT, "no/page.html"),
        (["{q}", "-o", "{q}"], ExitCode.USAGE, "is not an HTML file"),
        ([], ExitCode.USAGE, "Missing argument 'QUESTIONS'"),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str], exit_code: ExitCode, message: str, qgbatch: Qgbatch, questions: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")
    result = qgbatch("report", "-o", page, *(word.format(q=questions) for word in words))
    assert result.exit_code == exit_code
    assert message in result.stderr
    assert page.read_text() == "old"
