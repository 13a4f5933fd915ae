from __future__ import annotations

import json

import pytest

from qgbatch.questions.dedupe import find_duplicates, question_key
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who wrote Faust?", "who  wrote “Faust” ?"),
        ("What is ½ of it?", "What is 1\N{FRACTION SLASH}2 of it?"),
        ("What is tea?", "what is tea"),
        ("What is the \u2018best\u2019 tea?", 'What is the "best" tea?'),
        ("What is (green) tea, then?", "What is green tea then?"),
        ("What is tea \u2014 or coffee?", "What is tea - or coffee?"),
        ("What happened in 1914\u20131918?", "What happened in 1914-1918?"),
        ("Was it \u22125 degrees?", "Was it -5 degrees?"),
        ("\u00bfQu\u00e9 es el t\u00e9?", "Que\u0301 es el te\u0301?"),
        ("What is a well-known tea?", "What is a well known tea?"),
        ("Wer wohnt in der STRASSE?", "Wer wohnt in der Straße?"),
    ],
)
def test_keys_ignore_case_punctuation_width_and_spacing(one: str, other: str) -> None:
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C#", "C"), ("C++", "C"), ("C++", "C#"), ("A+", "A"), ("A+", "A-"), ("A\u2212", "A"),
        (".NET", "NET"), ("__init__", "init"), ("_x", "x"), ("--all", "all"),
        ("3.5 m", "35 m"), ("3.5 m", "3 5 m"), ("1.000 m", "1,000 m"), ("10:30", "10 30"), ("10-5", "10 5"),
        ("-5", "5"), ("\u22125", "5"), (".5", "5"), ("\u00b15", "5"), ("5!", "5"), ("5\u2032", "5\u2033"),
        ("$5", "5 %"), ("$5", "\u20ac5"), ("5 %", "5"), ("5 \u2030", "5"), ("\u00a7 5", "5"),
        ("10\u00b2", "102"), ("10\u2082", "102"), ("10\u00b2", "10\u2082"), ("1\u00bd", "11\u20442"),
        ("x \u2260 y", "x = y"), ("x != y", "x = y"), ("x := y", "x = y"),
        ("x -> y", "x > y"), ("x <- y", "x < y"), ("\u201c;\u201d", "\u201c,\u201d"), ("`;`", "`,`"),
        ("and/or", "and or"), ("R&D", "R D"), ("'!'", "'?'"),
    ],
)  # fmt: skip
def test_keys_keep_signs_and_marks_that_change_the_meaning(one: str, other: str) -> None:
    assert question_key(f"What is {one}?") != question_key(f"What is {other}?")
    assert question_key(f"What is {one} in it?") != question_key(f"What is {other} in it?")
    pair = [f"What is the meaning of {one} in this text?", f"What is the meaning of {other} in this text?"]
    assert find_duplicates(pair, [-1.0, -2.0], "near", 0.0) == {}


def test_the_better_score_is_kept_and_the_first_on_a_tie() -> None:
    assert find_duplicates(["A?", "a?", "a ?"], [-2.0, -1.0, -1.0], "exact", 0.9) == {
        0: ("duplicate", 1),
        2: ("duplicate", 1),
    }


def test_near_finds_similar_questions() -> None:
    questions = ["In what year was the tower built?", "What year was the tower built in?", "Who built it?"]
    assert find_duplicates(questions, [-1.0, -2.0, -3.0], "near", 0.8) == {1: ("near_duplicate", 0)}
    assert find_duplicates(questions, [-1.0, -2.0, -3.0], "exact", 0.8) == {}


# Labelled pairs; benchmarks/near_duplicates.py measures precision and recall on them.
PAIRS = json.loads((ROOT / "tests" / "cases" / "near_duplicates.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("pair", PAIRS["different"], ids=" / ".join)
def test_questions_with_different_answers_are_not_duplicates(pair: list[str]) -> None:
    assert find_duplicates(pair, [-1.0, -2.0], "near", 0.0) == {}


def test_most_pairs_that_only_differ_in_form_are_near_duplicates() -> None:
    found = [pair for pair in PAIRS["same"] if find_duplicates(pair, [-1.0, -2.0], "near", 0.9)]
    assert len(found) >= 25


def test_the_threshold_is_a_minimum_of_the_similarity() -> None:
    pair = ["Who led a ship of the fleet?", "Who led the ships of a fleet?"]
    assert find_duplicates(pair, [-1.0, -2.0], "near", 0.8) == {1: ("near_duplicate", 0)}
    assert find_duplicates(pair, [-1.0, -2.0], "near", 0.9) == {}


def test_none_drops_nothing() -> None:
    assert find_duplicates(["A?", "A?"], [0.0, 0.0], "none", 0.9) == {}


def test_a_repeated_near_duplicate_is_a_near_duplicate_again() -> None:
    questions = ["In what year was it built?", "What year was it built in?", "What year was it built in?"]
    assert find_duplicates(questions, [-1.0, -2.0, -3.0], "near", 0.8) == {
        1: ("near_duplicate", 0),
        2: ("near_duplicate", 0),
    }
