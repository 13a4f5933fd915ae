"""Metrics of questions: known values, and properties of the scores."""

from __future__ import annotations

import pytest

from qgbatch.training.metrics import METRICS, score_overlap, score_sets, score_variety

REFERENCES = [
    ["Who built the bridge?", "When was it opened?"],
    ["What is made in the town?", "How long is the canal?", "Why was the railway closed?"],
]


def test_the_references_themselves_get_the_best_scores() -> None:
    assert score_overlap(REFERENCES, REFERENCES) == pytest.approx(
        {"rouge1": 1, "rouge2": 1, "rougeL": 1, "bleu4": 100}
    )
    in_another_order = [list(reversed(questions)) for questions in REFERENCES]
    assert score_sets(in_another_order, REFERENCES) == pytest.approx(
        {"set_precision": 1, "set_recall": 1, "set_f1": 1}
    )


def test_no_questions_score_zero() -> None:
    nothing: list[list[str]] = [[], []]
    assert set(score_overlap(nothing, REFERENCES).values()) == {0.0}
    assert set(score_sets(nothing, REFERENCES).values()) == {0.0}
    assert score_variety(nothing, REFERENCES)["distinct_2"] == 0


def test_each_reference_is_matched_once() -> None:
    # Two copies of one question cover one of two references: the other copy matches the
    # second reference by "was", one of four words in each.
    asked = [["When was it opened?", "When was it opened?"]]
    references = [["When was it opened?", "Where was Ann born?"]]
    matched = 1 + 1 / 4
    assert score_sets(asked, references) == pytest.approx(
        {"set_precision": matched / 2, "set_recall": matched / 2, "set_f1": matched / 2}
    )


def test_the_pairing_is_optimal_rather_than_greedy() -> None:
    # ROUGE-L of words a to f: the greedy pairing would take (1, 1) first and leave (2, 2) nothing.
    asked = [["one two three four", "one two"]]
    references = [["one two three", "three four nine"]]
    # pairs: 1-1 6/7, 1-2 4/7, 2-1 4/5, 2-2 0; best is 1-2 and 2-1
    best = 4 / 7 + 4 / 5
    assert score_sets(asked, references)["set_f1"] == pytest.approx(best / 2)


def test_sets_are_means_over_paragraphs() -> None:
    asked = [["Who built the bridge?"], ["What is made in the town?"]]
    scores = score_sets(asked, REFERENCES)
    overlap = 0.0  # the one question of a paragraph is paired with its equal
    assert scores["set_precision"] == pytest.approx(1 + overlap)
    assert scores["set_recall"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert scores["set_f1"] == pytest.approx((2 / 3 + 2 / 4) / 2)


def test_variety() -> None:
    asked = [["Who built it?", "Who built that?"], ["Who built it?"]]
    # pairs: (who built) 3 times, (built it?) twice, (built that?) once
    assert score_variety(asked, REFERENCES) == pytest.approx(
        {"questions_per_paragraph": 1.5, "references_per_paragraph": 2.5, "distinct_2": 3 / 6}
    )


def test_every_metric_has_a_description() -> None:
    scores = score_overlap(REFERENCES, REFERENCES) | score_sets(REFERENCES, REFERENCES)
    assert (scores | score_variety(REFERENCES, REFERENCES)).keys() <= METRICS.keys()
