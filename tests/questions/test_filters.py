"""What each filter drops, and what it lets pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from qgbatch.questions.filters import (
    drop_alternatives,
    filter_questions,
    grounding,
    is_english_prose,
    is_standalone,
    is_well_formed_english,
    limit_per_chunk,
)
from qgbatch.records import Chunk, Document, Question
from qgbatch.settings import Settings

TEXT = "The Eddystone lighthouse was automated in 1982. Its keepers left by boat."


def asked(*questions: str, score: float = -0.5, chunk_index: int = 0) -> list[Question]:
    document = Document.from_text(TEXT, "lighthouses.txt")
    chunk = Chunk(document, chunk_index, 0, len(TEXT), (), False)
    return [Question(question, index, score, chunk) for index, question in enumerate(questions)]


@pytest.mark.parametrize(
    "question",
    [
        "Is honey sweet?",
        "Who's presence increased in Tibet?",
        "In what year was the Eddystone automated?",
        "How is the demand for coal different from the demand for oil?",
        "What is a \u201cmaser\u201d (in physics)?",
    ],
)
def test_well_formed_questions_pass(question: str) -> None:
    assert is_well_formed_english(question)


@pytest.mark.parametrize(
    "question",
    [
        "What?",
        "What receivers?",
        "Name the last king of Rome?",
        "Who is X? What is Y?",
        "Who asked that??",
        "Who built built the tower?",
        "What attracted attention as soon as soon as soon as it was there?",
        "What is the name of the name of the tower?",
        'Could it be "several large plates?',
        "What is a maser (in physics?",
    ],
)
def test_malformed_questions_are_found(question: str) -> None:
    assert not is_well_formed_english(question)


@pytest.mark.parametrize(
    "question",
    [
        "When was Marie Curie born?",
        "What did Marie Curie call her discovery?",
        "When James Cook died, where was he?",
        "How do bees build their hives?",
        "How long does it take to boil an egg?",
        "Why is it important to sleep?",
        "What is the author of a blog called?",
        "What happens to those who lie?",
        "What can you do against rust?",
        "Who wrote the text of the treaty?",
    ],
)
def test_standalone_questions_pass(question: str) -> None:
    assert is_standalone(question)


@pytest.mark.parametrize(
    "question",
    [
        "When was she born?",
        "What city did he move to?",
        "What was his name?",
        "When did this happen?",
        "Are these birds extinct?",
        "According to the passage, who won?",
        "What does the author mean?",
        "What is the main idea of this paper?",
        "What was mentioned?",
        "Which of the following is a metal?",
    ],
)
def test_questions_that_need_their_text_are_found(question: str) -> None:
    assert not is_standalone(question)


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


def test_words_are_compared_unchanged_in_a_language_without_stemmer() -> None:
    assert grounding("Kdo postavil majáky?", "Maják postavil Smeaton.", "czech") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("settings", "question", "reason"),
    [
        (Settings(well_formed=True), "What keepers?", "malformed"),
        (Settings(standalone=True), "How did they leave?", "not_standalone"),
        (Settings(min_grounding=0.5), "Who discovered radium?", "not_grounded"),
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


@pytest.mark.parametrize(
    ("text", "is_prose"),
    [
        (TEXT, True),
        ("Too short to tell.", True),
        ("Die Bienen fliegen im Sommer weit \u00fcber die Felder und sammeln dort den Nektar.", False),
        ("def main(path): return open(path).read().split() if path else sys.stdin.read().split()", False),
        ("1990 12.5 13.1 | 1991 12.7 13.0 | 1992 12.9 13.4 | 1993 13.2 13.9 | 1994 14.1 14.2", False),
    ],
)
def test_english_prose_is_recognised(text: str, is_prose: bool) -> None:
    assert is_english_prose(text) is is_prose


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
