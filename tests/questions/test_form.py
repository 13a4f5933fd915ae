"""Which questions are well formed, and which texts are prose."""

from __future__ import annotations

import pytest

from qgbatch.questions.form import is_english_prose, is_well_formed_english


@pytest.mark.parametrize(
    "question",
    [
        "Is honey sweet?",
        "Who's presence increased in Tibet?",
        "In what year was the Eddystone automated?",
        "How is the demand for coal different from the demand for oil?",
        "What is a \u201cmaser\u201d (in physics)?",
        "Isn't Paris the capital of France?",
        "Won\u2019t the glacier melt?",
        "What's osmosis?",
        "In Norse myth, is Odin blind?",
        "Who sang for Duran Duran?",
        'Who sang "New York, New York"?',
        "Which king had had his wife beheaded?",
        "Is the height of the Eiffel Tower greater than the height of the Eddystone?",
        'Who wrote "Quo Vadis?"',
        'What is "Who goes there?" in Latin?',
        'What is a 12" record?',
        "Which field holds **kwargs if n == 1?",
        "When the tower fell, who was inside?",
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
        "What is a )maser(?",
        "Is is honey sweet?",
        "What does SQLite SQLite SQLite store?",
        "What is the capital of the?",
        "What is the of the tower?",
        "Which the largest city in France?",
    ],
)
def test_malformed_questions_are_found(question: str) -> None:
    assert not is_well_formed_english(question)


@pytest.mark.parametrize(
    ("text", "is_prose"),
    [
        ("The lighthouse was automated in 1982, and its keepers left the rock by boat.", True),
        ("Too short to tell.", True),
        ("Die Bienen fliegen im Sommer weit \u00fcber die Felder und sammeln dort den Nektar.", False),
        ("def main(path): return open(path).read().split() if path else sys.stdin.read().split()", False),
        ("1990 12.5 13.1 | 1991 12.7 13.0 | 1992 12.9 13.4 | 1993 13.2 13.9 | 1994 14.1 14.2", False),
    ],
)
def test_english_prose_is_recognised(text: str, is_prose: bool) -> None:
    assert is_english_prose(text) is is_prose
