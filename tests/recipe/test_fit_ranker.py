"""``fit_ranker.py`` learns from marks which questions readers find good."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import fit_ranker
import pytest

from qgbatch.questions.ranker import FEATURES, load_ranker
from tests.recipe.conftest import Step


def mark(n: int, question: str, answer_log_probability: float, *marks: str) -> dict[str, Any]:
    return {
        "text_before": "",
        "text": f"The lighthouse of town {n} was opened in {1800 + n}. Clara Voss designed it.",
        "question": question, "answer": str(1800 + n), "question_log_probability": -0.5 - n % 3 / 10,
        "answer_log_probability": answer_log_probability, "question_low": -1.0, "answer_low": -0.2,
        "marks": list(marks),
    }  # fmt: skip


def make_marks(good: str, weak: str) -> list[dict[str, Any]]:
    rows = []
    for n in range(40):
        rows.append(mark(n, f"When was the lighthouse of town {n} opened?", -0.2 - n % 4 / 10, good, weak))
        rows.append(mark(n, "When was it opened by them?", -3.0 - n % 4 / 10, "bad", "bad"))
    return rows


def test_the_result_ranks_questions(step: Step, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marks = tmp_path / "marks.jsonl.xz"
    with lzma.open(marks, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in make_marks("good", "weak"))
    step(fit_ranker.main, "--marks", marks, "--min-score", 0.4, "--out", tmp_path / "ranker.json")
    ranker = load_ranker(tmp_path)
    assert ranker is not None
    assert ranker.min_score == 0.4
    assert ranker.weights["answer_log_probability"] > 0 > ranker.weights["has_pronoun"]
    assert "starts_when" not in ranker.weights  # constant in these marks
    assert ranker.weights.keys() < FEATURES.keys()
    good, bad = (
        fit_ranker.make_question(mark(99, question, log_probability))
        for question, log_probability in (
            ("When was the mill of town 99 opened?", -0.3),
            ("Did they do it?", -3.2),
        )
    )
    assert ranker.score(bad) < 0.1 < 0.3 < ranker.score(good) < 0.6  # half of the readers said good
    printed = capsys.readouterr().out
    assert "80 questions, 0.25 good, 0.50 bad, AUC 1.000" in printed
    assert "best  50%" in printed


def test_weak_marks_count_as_much_as_asked(step: Step, tmp_path: Path) -> None:
    marks = tmp_path / "marks.jsonl"
    marks.write_text("".join(json.dumps(row) + "\n" for row in make_marks("good", "weak")))
    scores = []
    for weak in (0, 0.5, 1):
        words = ("--marks", marks, "--min-score", 0.4, "--weak", weak, "--out", tmp_path / "ranker.json")
        step(fit_ranker.main, *words)
        ranker = load_ranker(tmp_path)
        assert ranker is not None
        scores.append(ranker.score(fit_ranker.make_question(make_marks("good", "weak")[0])))
    assert scores == [pytest.approx(share, abs=0.08) for share in (0.5, 0.75, 1.0)]
