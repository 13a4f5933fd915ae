"""What each filter drops, and what it lets pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qgbatch.questions.filters import (
    drop_alternatives,
    filter_questions,
    grounding,
    limit_per_chunk,
)
from qgbatch.questions.form import is_well_formed_english
from qgbatch.questions.standalone import is_standalone
from qgbatch.records import Chunk, Document, Question
from qgbatch.settings import Settings

LABELLED = Path(__file__).parent.parent / "cases" / "filters"
TEXT = "The Eddystone lighthouse was automated in 1982. Its keepers left by boat."


def asked(*questions: str, score: float = -0.5, chunk_index: int = 0) -> list[Question]:
    document = Document.from_text(TEXT, "lighthouses.txt")
    chunk = Chunk(document, chunk_index, 0, len(TEXT), (), False)
    return [Question(question, index, score, chunk) for index, question in enumerate(questions)]


@pytest.mark.parametrize(
    ("question", "share"),
    [
        ("When was the Eddystone automated?", 1.0),
        ("Which keeper left?", 1.0),
        ("Who automated the lighthouse of Alexandria?", 2 / 3),
        ("Who discovered radium?", 0.0),
        ("Who was he?", 0.0),
    ],
)
def test_grounding_is_the_share_of_words_in_the_text(question: str, share: float) -> None:
    assert grounding(question, TEXT, "english") == pytest.approx(share)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Who owned the caf\u00e9 M\u00fcller?", "Ann ran the cafe\u0301 Mu\u0308ller and owned it."),
        ("Who owned the cafe Muller?", "Ann owned the caf\u00e9 M\u00fcller."),
        ("Which official signed?", "The of\ufb01cial signed it."),
        ("What does photosynthesis need?", "Photo\u00adsyn\u00adthe\u00adsis needs light."),
        ("What does the aqueduct bring?", "The aque\u00ad\nduct brings water."),
        ("What grew in 2019-2020?", "Trade grew in 2019\u20132020."),
        ("What grew in 2020?", "Trade grew in 2019-2020."),
        ("What grew in 2019-2020?", "From 2019 to 2020, trade grew."),
        ("Which textbook was handmade?", "A text-book was hand-made."),
        ("Which text-book was hand\u2011made?", "A textbook was handmade."),
        ("What boils, H2O?", "H\u2082O boils."),
        ("What did the US sign?", "The U.S. signed a treaty."),
        ("Where do 1250000 live?", "There live 1,250,000 people."),
        ("Isn't radium rare?", "Radium is rare."),
    ],
)
def test_a_word_is_found_however_the_text_writes_it(question: str, text: str) -> None:
    assert grounding(question, text, "english") == 1.0


@pytest.mark.parametrize(
    ("question", "text"),
    [("Who won in 2019?", "In 2018 and in 20 19."), ("What costs 511?", "It was $5.11.")],
)
def test_numbers_are_not_joined(question: str, text: str) -> None:
    assert grounding(question, text, "english") == 0.0


def test_words_are_compared_unchanged_in_a_language_without_stemmer() -> None:
    assert grounding("Kdo postavil majáky?", "Maják postavil Smeaton.", "czech") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("settings", "question", "reason"),
    [
        (Settings(well_formed=True), "What keepers?", "malformed"),
        (Settings(standalone=True), "How did they leave?", "not_standalone"),
        (Settings(min_grounding=0.5), "Who discovered radium?", "not_grounded"),
        (Settings(max_copied_words=3), "When did its keepers left by?", "copied"),
    ],
)
def test_a_drop_is_counted_with_its_reason(settings: Settings, question: str, reason: str) -> None:
    good = asked("When was the Eddystone automated?", score=-0.4)
    dropped: Counter[str] = Counter()
    assert filter_questions([*good, *asked(question)], settings, None, dropped) == good
    assert dropped == {reason: 1}


def test_scores_below_the_minimum_are_dropped() -> None:
    good = asked("When was the Eddystone automated?", score=-0.4)
    dropped: Counter[str] = Counter()
    assert filter_questions([*good, *asked("Who left?", score=-0.41)], Settings(), -0.4, dropped) == good
    assert dropped == {"low_score": 1}


def test_improbable_answers_are_dropped() -> None:
    sure, unsure = (replace(asked("Who left?")[0], answer="Ann", answer_score=s) for s in (0.5, 0.49))
    dropped: Counter[str] = Counter()
    assert filter_questions([sure, unsure], Settings(min_answer_score=0.5), None, dropped) == [sure]
    assert dropped == {"unanswered": 1}


def test_the_best_question_for_each_answer_of_a_chunk_is_kept() -> None:
    worse, best, other, unanswered = asked(
        "When was it automated?", "When was the Eddystone automated?", "Who?", "Why?"
    )
    worse = replace(worse, score=0.4, answer="in 1982", answer_start_char=39)
    best = replace(best, score=0.6, answer="1982", answer_start_char=42)
    other = replace(other, score=0.2, answer="keepers", answer_start_char=52)
    [elsewhere] = asked("When was the Eddystone automated?", chunk_index=1)
    elsewhere = replace(elsewhere, score=0.1, answer="1982", answer_start_char=42)
    dropped: Counter[str] = Counter()
    questions = [worse, best, other, elsewhere, unanswered]
    assert drop_alternatives(questions, dropped) == [best, other, elsewhere, unanswered]
    assert dropped == {"same_answer": 1}


def test_nothing_is_dropped_by_default() -> None:
    questions = asked("What?", "Who was he?", score=-9.0)
    assert filter_questions(questions, Settings(), None, Counter()) == questions


def test_only_the_best_questions_of_each_chunk_are_kept() -> None:
    first, second, best = asked("A?", "B?", "C?")
    one = [first, second, replace(best, score=-0.1)]
    one = [replace(question, chunk=first.chunk) for question in one]
    other = asked("D?", chunk_index=1)
    dropped: Counter[str] = Counter()
    kept = limit_per_chunk([*one, *other], 2, dropped)
    assert [question.question for question in kept] == ["A?", "C?", "D?"]
    assert dropped == {"too_many": 1}


@pytest.mark.parametrize("part", ["development", "held-out"])
@pytest.mark.parametrize(
    ("name", "keeps"),
    [
        ("well_formed", lambda row: is_well_formed_english(row["question"])),
        ("standalone", lambda row: is_standalone(row["question"])),
        ("grounding", lambda row: grounding(row["question"], row["text"], "english") >= 0.5),
    ],
)
def test_filters_agree_with_labels(name: str, keeps: Callable[[dict[str, Any]], bool], part: str) -> None:
    """``python benchmarks/filters.py --show PART`` lists the mistakes; docs/settings.md has the figures."""
    lines = (LABELLED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["part"] == part]
    dropped = [row for row in rows if not keeps(row)]
    n_bad, n_found = (sum(not row["good"] for row in found) for found in (rows, dropped))
    assert n_found / len(dropped) > 0.9
    assert n_found / n_bad > 0.9
