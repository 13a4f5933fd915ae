from __future__ import annotations

import json
from pathlib import Path

import pytest

from qgbatch.errors import InputError
from qgbatch.questions.review import FORMAT, Decision, read_decisions, table_fingerprint


def write(path: Path, decisions: object) -> Path:
    content = {"format": FORMAT, "table": "q.parquet", "fingerprint": "ab", "decisions": decisions}
    path.write_text(json.dumps(content))
    return path


def test_the_fingerprint_depends_on_which_questions_a_table_has() -> None:
    assert table_fingerprint(["q1", "q2"]) == table_fingerprint(["q2", "q1", "q1"])
    assert table_fingerprint(["q1", "q2"]) != table_fingerprint(["q1q2"])


def test_decisions_are_read_as_they_were_written(tmp_path: Path) -> None:
    given = {
        "q1": {"decision": "keep"},
        "q2": {"decision": "drop", "reason": "unclear"},
        "q3": {"decision": "keep", "question": "Who came?", "answer": ""},
    }
    read = read_decisions(write(tmp_path / "d.json", given))
    assert read.by_id["q2"] == Decision("drop", "unclear")
    assert [decision.is_edit for decision in read.by_id.values()] == [False, False, True]
    assert {question_id: decision.to_json() for question_id, decision in read.by_id.items()} == given
    assert (read.table, read.fingerprint) == ("q.parquet", "ab")


def test_an_edited_text_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "d.json", {"q1": {"decision": "keep", "question": " Who\n came? "}})
    assert read_decisions(path).by_id["q1"].question == "Who came?"


def test_the_hash_does_not_depend_on_the_order_of_the_decisions(tmp_path: Path) -> None:
    one, other = {"q1": {"decision": "keep"}}, {"q2": {"decision": "drop"}}
    first, second = (write(tmp_path / "d.json", each) for each in ({**one, **other}, {**other, **one}))
    assert read_decisions(first).sha256 == read_decisions(second).sha256
    assert read_decisions(first).sha256 != read_decisions(write(tmp_path / "d.json", one)).sha256


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ({"decision": "maybe"}, "q1: decision is neither keep nor drop"),
        ("keep", "q1: decision is neither keep nor drop"),
        ({"decision": ["keep"]}, "q1: decision is neither keep nor drop"),
        ({"decision": "drop", "reason": "ugly"}, "q1: reason is none of"),
        ({"decision": "keep", "question": " "}, "q1: the new question is empty"),
        ({"decision": "keep", "question": 1}, "q1: question is not text"),
        ({"decision": "keep", "answer": "\ud800"}, "q1: answer contains a lone surrogate at offset 0"),
        ({"decision": "drop", "answer": "Ann"}, "q1: both dropped and edited"),
    ],
)
def test_an_invalid_decision_is_named(decision: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_decisions(write(tmp_path / "d.json", {"q1": decision}))


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": "other"}', "[" * 100_000, json.dumps({"format": FORMAT})]
)
def test_another_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(InputError, match="not a file of decisions"):
        read_decisions(tmp_path / "d.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: No such file"):
        read_decisions(tmp_path / "none.json")
