"""The same question about the same text, several times in a document: each row has an id of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import qgbatch
from qgbatch import CacheSettings, Settings
from qgbatch.engines.fake import FakeEngine

TEXT = "Bees live in hives and the rivers of the north carry sand to all of the seas."
OTHER = "The tower on the rock was built of granite in the year after the great storm of the south."


def rows(tmp_path: Path, text: str, **settings: Any) -> list[dict[str, Any]]:
    (tmp_path / "a.txt").write_text(text)
    qgbatch.run(
        [tmp_path / "a.txt"],
        tmp_path / "q.jsonl",
        Settings(engine="ctranslate2", target_tokens=32, **settings),
        cache=CacheSettings(cache=False),
        load_engine=FakeEngine().load,
    )
    return [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "settings",
    [{"dedupe": "none"}, {"dedupe": "none", "dedupe_scope": "corpus"}, {"dedupe_scope": "chunk"}],
)
def test_no_two_rows_have_the_same_id(tmp_path: Path, settings: dict[str, Any]) -> None:
    written = rows(tmp_path, f"{TEXT}\n\n{OTHER}\n\n{TEXT}\n", **settings)
    questions = [(row["question"], row["start_char"]) for row in written]
    ids = [row["question_id"] for row in written]
    assert len({question for question, _ in questions}) < len(questions)  # some are repeated
    assert len(set(ids)) == len(ids)


def test_a_repeated_question_keeps_its_id_when_text_is_added(tmp_path: Path) -> None:
    before = [row["question_id"] for row in rows(tmp_path, f"{TEXT}\n", dedupe="none")]
    after = rows(tmp_path, f"{OTHER}\n\n{TEXT}\n", dedupe="none")
    assert sum("-" in question_id for question_id in before) == 1  # the fake engine repeats one question
    assert before == [row["question_id"] for row in after if row["start_char"]]


@pytest.mark.parametrize("scope", ["document", "corpus"])
def test_a_question_that_is_kept_once_has_no_number(tmp_path: Path, scope: Any) -> None:
    written = rows(tmp_path, f"{TEXT}\n\n{OTHER}\n\n{TEXT}\n", dedupe_scope=scope)
    assert not any("-" in row["question_id"] for row in written)
