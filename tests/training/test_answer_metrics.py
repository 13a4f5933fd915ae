"""Metrics of answers: known values."""

from __future__ import annotations

import pytest

from qgbatch.training.answer_metrics import score_answers
from qgbatch.training.metrics import METRICS
from qgbatch.training.paragraphs import Paragraph, QuestionAnswer

BRIDGE = Paragraph(
    "Ann Lee built the old\nbridge in 1910.",
    (QuestionAnswer("Who built the bridge?", "Ann Lee"), QuestionAnswer("When was it built?", "in 1910")),
)


def scores(*pairs: QuestionAnswer, n_dropped: int = 0) -> dict[str, float]:
    return score_answers([pairs], [BRIDGE], n_dropped)


def test_the_references_themselves_get_the_best_scores() -> None:
    expected = {"answered": 1, "answer_in_text": 1, "answer_exact": 1, "answer_f1": 1}
    assert scores(*BRIDGE.pairs) == expected
    assert expected.keys() <= METRICS.keys()


@pytest.mark.parametrize(
    ("answer", "exact", "f1"),
    [
        ("the ANN, Lee!", 1, 1),
        ("Ann", 0, 2 / 3),
        ("Ann Lee Ann", 0, 4 / 5),
        ("Anna", 0, 0),
        ("the", 0, 0),
        (None, 0, 0),
    ],
)
def test_answers_are_compared_by_words_without_articles_case_and_punctuation(
    answer: str | None, exact: float, f1: float
) -> None:
    figures = scores(QuestionAnswer("Who built the bridge?", answer))
    assert figures["answer_exact"] == exact
    assert figures["answer_f1"] == pytest.approx(f1)


def test_only_answers_of_questions_that_match_a_reference_are_compared() -> None:
    other, ours = QuestionAnswer("How old is Ann?", "1910"), QuestionAnswer("Who built the bridge?", "1910")
    assert scores(other) == {"answered": 1, "answer_in_text": 1}
    assert scores(other, ours)["answer_exact"] == 0
    similar = QuestionAnswer("Who built a bridge?", "1910")  # its reference is paired with the equal one
    assert scores(similar, BRIDGE.pairs[0])["answer_exact"] == 1
    unanswered = Paragraph(BRIDGE.context, (QuestionAnswer("Who built the bridge?"),))
    assert "answer_exact" not in score_answers([[ours]], [unanswered], 0)


def test_answers_in_the_text_may_cross_a_line_break() -> None:
    there, elsewhere = QuestionAnswer("What?", "old bridge"), QuestionAnswer("What?", "new bridge")
    assert scores(there, elsewhere)["answer_in_text"] == 1 / 2


def test_questions_that_were_dropped_without_an_answer_count_as_unanswered() -> None:
    assert scores(BRIDGE.pairs[0], n_dropped=3)["answered"] == 1 / 4
    assert scores(n_dropped=2) == scores() == {"answered": 0}
    assert scores(QuestionAnswer("Who?")) == {"answered": 0}
