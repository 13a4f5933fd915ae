"""The kinds of answers, and the words that tell an answer from others of its kind."""

from __future__ import annotations

import pytest

from qgbatch.exports.answer_kinds import distinctive_words, kind_of, names_of_things, words_of

WHO = "Who flew over the old city?"


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("When?", "1801", "1999"),
        ("In which year did it begin?", "1801", "1999"),
        ("Since when?", "May 1801", "May 1999"),
        ("How far?", "About 1,200 km", "about 9000 km"),
        ("What share?", "7.5%", "9%"),
        (WHO, "Ann Bee", "Joe Wasp"),
        ("With whom did Ann cross the sea?", "Joe Wasp", "Louis XIV"),
        ("Which river crosses the old city?", "Isle", "River Aare"),
    ],
)
def test_answers_of_the_same_kind(question: str, one: str, other: str) -> None:
    assert kind_of(question, one) == kind_of(question, other) is not None


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("How far?", "1200 km", "1200 miles"),
        ("How far?", "1200 km", "120 km"),
        ("How far?", "1200 km", "about 1200 km"),
        ("How far?", "1200 km", "1801"),
        (WHO, "Ann Bee", "Ann"),
        (WHO, "Ann", "1801"),
    ],
)
def test_answers_of_different_kinds(question: str, one: str, other: str) -> None:
    assert None is not kind_of(question, one) != kind_of(question, other) is not None


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("When did it begin?", "How many bees began it?", "1801"),
        ("When did it begin?", "What is the number of bees?", "1801"),
        ("Which city has old bees?", "Which river has old bees?", "Bern"),
        ("Which city has old bees?", "Who are the three old bees?", "Bern"),
    ],
)
def test_questions_that_ask_for_different_kinds(one: str, other: str, answer: str) -> None:
    assert None is not kind_of(one, answer) != kind_of(other, answer) is not None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (WHO, "a bee"),
        (WHO, "Ann and Joe"),
        (WHO, "Isle of"),
        (WHO, ""),
        (WHO, "The Bees"),
        (WHO, "Danish Vikings"),
        (WHO, "Mughal Emperors"),
        (WHO, "Bee Electric"),
        (WHO, "University of Bern"),
        (WHO, "BBC"),
        ("Who flew?", "Ann"),
        ("Where is the old city of bees?", "Bern"),
        ("What flew over the old city?", "Ann"),
        ("Which of the old cities has bees?", "Bern"),
        ("Which famous city has old bees?", "Bern"),
        ("Which British city has old bees?", "Bath"),
        ("When?", "between 1801 and 1802"),
        ("How far?", "1" * 100),
    ],
)
def test_answers_without_a_kind(question: str, answer: str) -> None:
    assert kind_of(question, answer) is None


@pytest.mark.parametrize(
    ("question", "answer", "words"),
    [
        (WHO, "Joe A. van Wasp", {"joe", "wasp"}),
        (WHO, "Beyonc\u00e9", {"beyonce"}),
        ("Which river is it?", "River Aare", {"aare"}),
        ("When?", "May 1801", {"1801"}),
        ("How far?", "about 1,200.5 km", {"1200.5"}),
        (WHO, "J. F. D.", set()),
    ],
)
def test_distinctive_words(question: str, answer: str, words: set[str]) -> None:
    assert distinctive_words(question, answer) == words


def test_words_of_a_text() -> None:
    assert words_of("In 1,000 BC, Ann\u2019s caf\u00e9 cost 2.5%.") == {
        "in", "1000", "bc", "ann", "s", "cafe", "cost", "2.5",
    }  # fmt: skip


def test_names_of_things() -> None:
    text = "The Jin came to Bern. In Old Bern (near Thun) the bees met Joe, at Ann's."
    assert names_of_things(text) == {"Jin", "Old", "Old Bern", "Thun", "Ann's"}
