from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from qgbatch.errors import ModelError
from qgbatch.questions.ranker import FEATURES, Ranker, load_ranker
from qgbatch.records import Chunk, Document, PairScore, Question

BEFORE = "Ida had the idea. "
TEXT = "Anna Bond founded the hive in May 1902, because the old hive was full."
AFTER = " In July the bees left that hive."
GOOD = {"weights": {"answer_log_probability": 2, "starts_who": 1.5}, "intercept": 0.5, "min_score": 0.4}


def ask(question: str, answer: str = "Anna Bond", answer_score: float = 1.0) -> Question:
    text = BEFORE + TEXT + AFTER
    chunk = Chunk(Document.from_text(text, "a.txt"), 0, len(BEFORE), len(text), (1,), False)
    pair_score = PairScore(-0.5, math.log(answer_score) if answer_score else -math.inf, -1.5, -0.75)
    return Question(question, 0, -1.0, chunk, answer, text.find(answer), answer_score, pair_score)


def write(directory: Path, values: Any) -> Path:
    (directory / "ranker.json").write_text(json.dumps(values))
    return directory


def test_the_score_is_the_logistic_function_of_the_weighted_features(tmp_path: Path) -> None:
    ranker = load_ranker(write(tmp_path, GOOD))
    assert ranker
    assert ranker.score(ask("Who founded the hive?", answer_score=0.5)) == round(
        1 / (1 + math.exp(-(0.5 + 1.5 + 2 * math.log(0.5)))), 4
    )
    assert ranker.min_score == 0.4


def test_a_checkpoint_needs_no_ranker(tmp_path: Path) -> None:
    assert load_ranker(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "question", "answer", "expected"),
    [
        ("question_words", "Who founded the old hive?", "Anna Bond", 0.5),
        ("answer_words", "Who founded it?", "Anna Bond", 0.2),
        ("content_words", "Who founded the hive?", "Anna Bond", 0.2),
        ("copied_share", "Who founded the hive?", "Anna Bond", 0.75),
        ("known_share", "Who founded the city?", "Anna Bond", 0.5),
        ("repeated_share", "Who was Anna?", "Anna Bond", 0.5),
        ("has_pronoun", "Who founded it?", "Anna Bond", 1.0),
        ("has_name", "When did Anna found the hive?", "May 1902", 1.0),
        ("has_name", "When was the hive founded?", "May 1902", 0.0),
        ("answer_has_digit", "When?", "May 1902", 1.0),
        ("answer_has_name", "Why?", "the old hive was full", 0.0),
        ("is_standalone", "When did she found the hive?", "May 1902", 0.0),
        ("is_well_formed", "Anna founded the hive when?", "May 1902", 1.0),
        ("starts_how_many", "How many hives were full?", "1902", 1.0),
        ("starts_how", "How many hives were full?", "1902", 0.0),
        ("starts_how", "How full was the hive?", "old", 1.0),
        ("question_log_probability", "Who?", "Anna Bond", -0.5),
        ("question_low", "Who?", "Anna Bond", -1.5),
        ("answer_low", "Who?", "Anna Bond", -0.75),
        ("log_probability_sum", "Who founded the old hive?", "Anna Bond", -0.25),
        ("names_not_in_chunk", "When did Anna Bond meet Ida in 1907?", "May 1902", 2.0),
        ("names_not_in_chunk", "When did Bond's hive open?", "May 1902", 0.0),
        ("unknown_names", "When did Anna Bond meet Ida in 1907?", "May 1902", 1.0),
        ("sentence_share", "Who founded the hive?", "Anna Bond", 1.0),
        ("sentence_share", "Who sold the hive?", "Anna Bond", 0.5),
        ("sentence_share", "Who founded the hive?", "the bees", 0.5),
    ],
)
def test_features(name: str, question: str, answer: str, expected: float) -> None:
    assert FEATURES[name](ask(question, answer)) == pytest.approx(expected)


def test_all_features_are_finite_for_an_empty_question() -> None:
    assert all(math.isfinite(feature(ask("?", "", 0.0))) for feature in FEATURES.values())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": {}, "intercept": 0.0}, "needs weights, intercept and min_score"),
        (GOOD | {"weights": [1]}, "needs weights"),
        (GOOD | {"weights": {"length": 1.0}}, "unknown feature 'length'"),
        (GOOD | {"weights": {"starts_who": "1"}}, "starts_who is '1'"),
        (GOOD | {"intercept": 1e9}, "intercept is 1000000000.0"),
        (GOOD | {"min_score": float("nan")}, "min_score is nan"),
        (GOOD | {"min_score": True}, "min_score is True"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, values: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_ranker(write(tmp_path, values))


def test_scores_are_probabilities() -> None:
    extreme = Ranker({"answer_log_probability": 1_000.0}, -1_000.0, 0.5)
    assert extreme.score(ask("Who?", answer_score=0.0)) == 0.0
