from __future__ import annotations

import pytest

from qgbatch.questions.dedupe import find_duplicates, question_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who wrote Faust?", "who  wrote “Faust” ?"),
        ("What is ½ of it?", "What is 1\N{FRACTION SLASH}2 of it?"),
        ("What is a well-known tea?", "What is a well known tea?"),
        ("Wer wohnt in der STRASSE?", "Wer wohnt in der Straße?"),
    ],
)
def test_keys_ignore_case_punctuation_width_and_spacing(one: str, other: str) -> None:
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("What is C#?", "What is C?"), ("What is C++?", "What is C?"), ("Is it 3.5 m?", "Is it 35 m?")],
)
def test_keys_keep_marks_that_change_a_word(one: str, other: str) -> None:
    assert question_key(one) != question_key(other)


def test_the_better_score_is_kept_and_the_first_on_a_tie() -> None:
    assert find_duplicates(["A?", "a?", "a ?"], [-2.0, -1.0, -1.0], "exact", 0.9) == {
        0: ("duplicate", 1),
        2: ("duplicate", 1),
    }


def test_near_finds_similar_questions() -> None:
    questions = ["In what year was the tower built?", "What year was the tower built in?", "Who built it?"]
    assert find_duplicates(questions, [-1.0, -2.0, -3.0], "near", 0.8) == {1: ("near_duplicate", 0)}
    assert find_duplicates(questions, [-1.0, -2.0, -3.0], "exact", 0.8) == {}


@pytest.mark.parametrize(
    "questions",
    [
        ["What happened in the city in 1914?", "What happened in the city in 1915?"],
        ["Is the mirror of it 3.5 m wide?", "Is the mirror of it 3.6 m wide?"],
        ["What is the largest city in Austria?", "What is the largest city in Australia?"],
        ["When was Julius Caesar born?", "Where was Julius Caesar born?"],
        ["Which country did sign the treaty?", "Which country did not sign the treaty?"],
        ["What is the boiling point of methanol?", "What is the boiling point of ethanol?"],
        ["Is it increased by the use of fertiliser?", "Is it decreased by the use of fertiliser?"],
    ],
)
def test_another_number_name_or_word_is_not_a_duplicate(questions: list[str]) -> None:
    assert find_duplicates(questions, [-1.0, -2.0], "near", 0.8) == {}


def test_none_drops_nothing() -> None:
    assert find_duplicates(["A?", "A?"], [0.0, 0.0], "none", 0.9) == {}


def test_a_repeated_near_duplicate_is_a_near_duplicate_again() -> None:
    questions = ["In what year was it built?", "What year was it built in?", "What year was it built in?"]
    assert find_duplicates(questions, [-1.0, -2.0, -3.0], "near", 0.8) == {
        1: ("near_duplicate", 0),
        2: ("near_duplicate", 0),
    }
