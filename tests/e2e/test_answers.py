"""``--answers``: each question with the part of its chunk that an extractive model takes for the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from qgbatch.errors import ExitCode
from tests.conftest import MINI, SAMPLES
from tests.support.answering import make_answer_model
from tests.support.runs import GREEDY, Qgbatch, read_json

LIGHTHOUSES = SAMPLES / "lighthouses.txt"


@pytest.fixture(scope="module")
def answer_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_answer_model(tmp_path_factory.mktemp("answers"), "bert")


def test_each_answer_stands_in_its_document(qgbatch: Qgbatch, answer_model: Path, tmp_path: Path) -> None:
    words = [LIGHTHOUSES, *GREEDY, "--answers", answer_model, "--with-context"]
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    assert qgbatch("run", *words, "-o", first).exit_code == ExitCode.OK
    rows = pd.read_parquet(first)
    text = LIGHTHOUSES.read_text(encoding="utf-8")
    for row in rows.to_dict("records"):
        start = row["answer_start_char"]
        assert row["start_char"] <= start <= row["end_char"]
        assert text[start : start + len(row["answer"])] == row["answer"]
        assert 0 <= row["answer_score"] <= 1
    assert (rows["answer"].str.len() > 0).any()
    assert qgbatch("run", *words, "-o", second).exit_code == ExitCode.OK  # from the cache
    assert second.read_bytes() == first.read_bytes()
    result = qgbatch("export", first, "--to", "squad", "-o", tmp_path / "squad")
    assert result.exit_code == ExitCode.OK
    squad = json.loads((tmp_path / "squad" / "squad.json").read_text(encoding="utf-8"))
    answered = [qa for p in squad["data"][0]["paragraphs"] for qa in p["qas"] if qa["answers"]]
    assert len(answered) == len(rows)


def test_what_is_not_answered_well_is_dropped_and_counted(
    qgbatch: Qgbatch, answer_model: Path, tmp_path: Path
) -> None:
    words = [LIGHTHOUSES, *GREEDY, "--answers", answer_model]
    every, some, report = tmp_path / "all.csv", tmp_path / "some.csv", tmp_path / "report.json"
    qgbatch("run", *words, "-o", every)
    scores = pd.read_csv(every)["answer_score"]
    least = float(scores.median())
    qgbatch("run", *words, "-o", some, "--min-answer-score", least, "--report", report)
    assert len(pd.read_csv(some)) == (scores >= least).sum() < len(scores)
    counts = read_json(report)
    assert counts["dropped"]["unanswered"] == (scores < least).sum()
    assert counts["n_raw"] == counts["n_written"] + sum(counts["dropped"].values())


def test_a_model_of_another_kind_is_refused_before_a_document_is_read(
    qgbatch: Qgbatch, tmp_path: Path
) -> None:
    words = ["run", LIGHTHOUSES, "-o", tmp_path / "q.csv"]
    result = qgbatch(*words, "--answers", MINI)
    assert result.exit_code == ExitCode.MODEL
    assert "Answers come from models of type" in result.stderr
    result = qgbatch(*words, "--min-answer-score", "0.5")
    assert result.exit_code == ExitCode.USAGE
    assert "--min-answer-score: small does not score answers" in result.stderr
