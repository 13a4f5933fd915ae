"""A run with a model that writes answers and has a ranker, from its chunks to the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import qgbatch
from qgbatch import FileSettings, Settings
from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import SettingsError
from qgbatch.output.rows import output_columns
from tests.conftest import MINI

TEXT = """# Bees

Bees live in hives that one queen rules. The workers collect nectar from all of the flowers of the field.

Honey keeps for many years because it holds little water. The keeper of the hive takes only some of it.

The queen of the hive is the mother of all of the workers. She lays two thousand eggs on a day.

In winter the bees stay in the hive and eat what they have stored. They keep warm by shivering all together.
"""
CODE = "def main(path): return open(path).read().split() if path else sys.stdin.read().split()\n"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "bees.md"
    path.write_text(TEXT)
    return path


def run(document: Path, output: Path, engine: FakeEngine, settings: Settings) -> qgbatch.RunReport:
    files = FileSettings(with_context=True)
    return qgbatch.run([str(document)], str(output), settings, files=files, load_engine=engine.load)


def read(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_rows_have_answers_that_stand_in_the_text(
    answering_model: str, document: Path, tmp_path: Path
) -> None:
    report = run(
        document,
        tmp_path / "q.jsonl",
        FakeEngine(),
        Settings(model=answering_model, min_score=0.0, target_tokens=256),
    )
    rows = read(tmp_path / "q.jsonl")
    assert len(rows) > 1
    assert {*rows[0]} == {*output_columns(FileSettings(with_context=True), with_answers=True)}
    for row in rows:
        start = row["answer_start_char"] - row["start_char"]
        assert row["context"][start:].startswith(row["answer"])
        assert 0.0 < row["answer_score"] <= 1.0
        assert 0.0 < row["score"] < 1.0
    assert report.n_raw == report.n_written + report.dropped.total()


def test_the_ranker_decides_the_default_minimum(
    answering_model: str, document: Path, tmp_path: Path
) -> None:
    def dropped(**settings: Any) -> int:
        report = run(
            document, tmp_path / "q.jsonl", FakeEngine(), Settings(model=answering_model, **settings)
        )
        assert all(row["score"] >= settings.get("min_score", 0.4) for row in read(tmp_path / "q.jsonl"))
        return report.dropped["low_score"]

    assert dropped() == dropped(min_score=0.4) > 0
    assert dropped(min_score=0.0) == 0


def test_a_second_run_takes_the_pairs_from_the_cache(
    answering_model: str, document: Path, tmp_path: Path
) -> None:
    settings = Settings(model=answering_model, min_score=0.0)
    run(document, tmp_path / "first.jsonl", FakeEngine(), settings)
    again = FakeEngine()
    run(document, tmp_path / "second.jsonl", again, settings)
    assert not again.batches
    assert (tmp_path / "first.jsonl").read_bytes() == (tmp_path / "second.jsonl").read_bytes()


def test_the_model_reads_the_heading_before_a_chunk(
    answering_model: str, document: Path, tmp_path: Path
) -> None:
    engine = FakeEngine()
    run(document, tmp_path / "q.jsonl", engine, Settings(model=answering_model, target_tokens=48))
    texts = [engine._tokenizer.decode(ids) for ids in engine.inputs]
    later = [text for text in texts if "Honey keeps" in text]
    assert later
    assert all("Bees." in text for text in later)


def test_text_that_is_not_prose_gives_no_questions(answering_model: str, tmp_path: Path) -> None:
    path = tmp_path / "code.txt"
    path.write_text(CODE)
    report = run(path, tmp_path / "q.jsonl", FakeEngine(), Settings(model=answering_model, min_score=0.0))
    assert report.n_written == 0
    assert set(report.dropped) == {"not_prose"}


def test_a_probability_is_no_minimum_of_log_probabilities(
    document: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(model=str(MINI), min_score=0.5)
    report = run(document, tmp_path / "q.jsonl", FakeEngine(), settings)
    assert "min_score=0.5 has no effect" in caplog.text
    assert report.dropped["low_score"] == 0


def test_a_minimum_score_of_answers_must_fit_the_model(document: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not score answers"):
        run(document, tmp_path / "q.jsonl", FakeEngine(), Settings(model=str(MINI), min_answer_score=0.5))
