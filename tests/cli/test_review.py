"""``qgbatch review``: the decisions of a reader, applied to an output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from qgbatch.exports.table import QuestionTable
from qgbatch.questions.review import FORMAT, table_fingerprint
from tests.support.tables import ask, write

Qgbatch = Callable[..., Result]
TEXT = "Tea reached Europe in 1610. Dutch ships carried it. Bees dance."
QUESTIONS = ["When did tea reach Europe?", "Who carried it?", "What did they carry?"]


def make_rows() -> list[dict[str, Any]]:
    rows = ask(TEXT, "tea.txt", (0, 51, QUESTIONS), (52, 63, ["Who dances?"]))
    answers = ["1610", "Dutch ships", "Tea", "Bees"]
    return [
        {**row, "answer": answer, "answer_start_char": TEXT.index(answer), "shelf": "A"}
        for row, answer in zip(rows, answers, strict=True)
    ]


@pytest.fixture(params=[".parquet", ".csv", ".jsonl"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A table with a kept column, in every format."""
    return write(tmp_path / f"q{request.param}", make_rows())


def write_decisions(path: Path, rows: list[dict[str, Any]], *decisions: dict[str, str]) -> str:
    """Decisions about the first rows."""
    ids = [str(row["question_id"]) for row in rows]
    content = {
        "format": FORMAT,
        "table": "q.parquet",
        "fingerprint": table_fingerprint(ids),
        "decisions": dict(zip(ids, decisions, strict=False)),
    }
    path.write_text(json.dumps(content))
    return str(path)


def read(path: Path) -> list[dict[str, Any]]:
    return [dict(row) for row in QuestionTable(str(path)).rows(with_kept=True)]


KEEP, DROP = {"decision": "keep"}, {"decision": "drop", "reason": "unclear"}
EDIT = {"decision": "keep", "question": "What carried tea to Europe?", "answer": "ships"}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_the_output_has_the_kept_questions_with_their_edits(
    suffix: str, table: str, qgbatch: Qgbatch, tmp_path: Path
) -> None:
    rows = make_rows()
    decisions = write_decisions(tmp_path / "d.json", rows, KEEP, EDIT, DROP)
    result = qgbatch("review", table, decisions, "-o", tmp_path / f"out{suffix}")
    assert result.exit_code == 0, result.output
    kept, edited = read(tmp_path / f"out{suffix}")
    assert kept == {**rows[0], "review": "kept"}
    original = {"original_question": QUESTIONS[1], "original_answer": "Dutch ships"}
    texts = {"question": EDIT["question"], "answer": "ships", "answer_start_char": TEXT.index("ships")}
    assert edited == {**rows[1], **texts, **original, "review": "edited"}
    summary = " ".join(result.output.split())
    assert "questions 2 of 4 kept 2, 1 of them edited dropped 1: 1 unclear unread 1 (left out" in summary


def test_unread_questions_can_be_written_too(qgbatch: Qgbatch, tmp_path: Path) -> None:
    table = write(tmp_path / "q.jsonl", make_rows())
    decisions = write_decisions(tmp_path / "d.json", make_rows(), KEEP, DROP)
    result = qgbatch("review", table, decisions, "-o", tmp_path / "out.jsonl", "--with-unread")
    assert result.exit_code == 0, result.output
    assert [row.get("review") for row in read(tmp_path / "out.jsonl")] == ["kept", None, None]


def test_the_same_decisions_can_be_applied_again(qgbatch: Qgbatch, tmp_path: Path) -> None:
    table = write(tmp_path / "q.parquet", make_rows())
    decisions = write_decisions(tmp_path / "d.json", make_rows(), KEEP, EDIT, DROP)
    for given, output in ((table, "one.parquet"), (str(tmp_path / "one.parquet"), "two.parquet")):
        assert qgbatch("review", given, decisions, "-o", tmp_path / output).exit_code == 0
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_an_edit_can_be_taken_back(qgbatch: Qgbatch, tmp_path: Path) -> None:
    rows = make_rows()
    table = write(tmp_path / "q.parquet", rows)
    back = {"decision": "keep", "question": QUESTIONS[0], "answer": "1610"}
    first = write_decisions(tmp_path / "1.json", rows, {"decision": "keep", "answer": "In 1610"})
    second = write_decisions(tmp_path / "2.json", rows, back)
    assert qgbatch("review", table, first, "-o", tmp_path / "one.parquet").exit_code == 0
    (edited,) = read(tmp_path / "one.parquet")
    assert (edited["answer"], edited["original_answer"]) == ("In 1610", "1610")
    assert (
        qgbatch("review", tmp_path / "one.parquet", second, "-o", tmp_path / "two.parquet").exit_code == 0
    )
    assert read(tmp_path / "two.parquet") == [{**rows[0], "review": "kept"}]


def test_decisions_about_other_questions_are_counted(qgbatch: Qgbatch, tmp_path: Path) -> None:
    table = write(tmp_path / "q.jsonl", make_rows()[1:])
    decisions = write_decisions(tmp_path / "d.json", make_rows(), DROP, KEEP)
    result = qgbatch("review", table, decisions, "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 0
    assert "1 decisions about questions that the table does not have" in result.output
    assert "dropped    0\n" in result.output


def test_decisions_about_another_table_are_refused(qgbatch: Qgbatch, tmp_path: Path) -> None:
    other = ask("Ships sail.", "ships.txt", (0, 11, ["What sails?"]))
    table = write(tmp_path / "q.jsonl", make_rows())
    decisions = write_decisions(tmp_path / "d.json", [dict(row) for row in other], KEEP)
    result = qgbatch("review", table, decisions, "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 4
    for rows in (other, make_rows()):
        assert table_fingerprint(str(row["question_id"]) for row in rows) in result.output
    assert not (tmp_path / "out.jsonl").exists()


def test_a_table_in_which_nothing_is_kept_is_not_written(qgbatch: Qgbatch, tmp_path: Path) -> None:
    table = write(tmp_path / "q.jsonl", make_rows())
    decisions = write_decisions(tmp_path / "d.json", make_rows(), DROP)
    result = qgbatch("review", table, decisions, "-o", tmp_path / "out.jsonl")
    assert (result.exit_code, (tmp_path / "out.jsonl").exists()) == (4, False)
    assert "1 are dropped and 3 are unread" in result.output


def test_an_answer_needs_a_column(qgbatch: Qgbatch, tmp_path: Path) -> None:
    rows = [dict(row) for row in ask(TEXT, "tea.txt", (0, 51, QUESTIONS))]
    table, decisions = write(tmp_path / "q.jsonl", rows), write_decisions(tmp_path / "d.json", rows, EDIT)
    result = qgbatch("review", table, decisions, "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 4
    assert "no column 'answer'" in result.output


def test_an_input_is_not_replaced(qgbatch: Qgbatch, tmp_path: Path) -> None:
    table = write(tmp_path / "q.jsonl", make_rows())
    decisions = write_decisions(tmp_path / "d.json", make_rows(), KEEP)
    for output in (table, decisions):
        before = Path(output).read_bytes()
        assert qgbatch("review", table, decisions, "-o", output).exit_code in (2, 6)
        assert Path(output).read_bytes() == before
