from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgbatch.models.tokenizer_files import open_tokenizer
from qgbatch.questions.grounding import find_answer, is_informative
from tests.conftest import MINI

TEXT = "In May the \u201cold\u201d  queen\u2019s hive held 1\u2013200 bees. Caf\u00e9s. Bees like May."


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("May", "May"),
        ("the 'old' queen's hive".replace("'old'", '"old"'), "the \u201cold\u201d  queen\u2019s hive"),
        ("1-200 BEES.", "1\u2013200 bees"),
        ("Cafe\u0301s", "Caf\u00e9s"),
        ("200", "200"),
        ("CAF\u00c9S", "Caf\u00e9s"),
        ("bee", None),
        ("ay", None),
        ("...", None),
        ("", None),
    ],
)
def test_an_answer_is_found_as_whole_words(answer: str, found: str | None) -> None:
    place = find_answer(answer, "When?", TEXT)
    assert (TEXT[slice(*place)] if place else None) == found


@pytest.mark.parametrize(
    ("answer", "text", "found"),
    [
        ("3", "It grew by 3.5 million, or 3 %.", "3"),
        ("3", "It grew by 3.5 million.", None),
        ("5", "It grew by 3.5 million.", None),
        ("3.5", "It grew by 3.5. Nobody knew.", "3.5"),
        ("the U.S.", "He left the U.S. in May.", "the U.S."),
        ("the hive.", "He left the hive in May.", "the hive"),
        ("caf\u00e9", "The old cafe\u0301 is here.", "cafe\u0301"),
        (
            "photosynthesis",
            "Plants need photo\u00adsyn\u00adthe\u00adsis.",
            "photo\u00adsyn\u00adthe\u00adsis",
        ),
        ("2020", "It grew in 2019-2020.", "2020"),
    ],
)
def test_numbers_abbreviations_and_accents(answer: str, text: str, found: str | None) -> None:
    place = find_answer(answer, "What?", text)
    assert (text[slice(*place)] if place else None) == found


@pytest.mark.parametrize(
    ("answer", "text", "found"),
    [
        ("1", "In 1990 the first hive held 21 bees.", None),
        ("1", "In 1990 there was 1 hive.", "1"),
        ("the old hive", "He left the old\nhive.", "the old\nhive"),
        ("the old\nhive", "He left the  old hive.", "the  old hive"),
        ("caf\u00e9", "The old cafe\u0301s and the cafe\u0301.", "cafe\u0301"),
        ("cafe", "The old cafe\u0301 is here.", None),
        ("\ud55c\uad6d", "\u1112\u1161\u11ab\u1100\u116e\u11a8 1", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("\u0915", "\u0915\u093f \u0915", "\u0915"),  # the first word has a vowel sign
        ("cooperation", "Their coopera\u00adtion ended.", "coopera\u00adtion"),
        ("coopera", "Their coopera\u00adtion ended.", None),
        ("5", "It was -5 degrees.", None),
        ("5", "It was \u22125 degrees, then 5.", "5"),
        ("-5", "It was \u22125 degrees.", "\u22125"),
        ("-5", "Rooms 10-5 and -5.", "-5"),
        ("1920", "It lasted from 1914\u20131920.", "1920"),
        ("19", "The COVID-19 virus.", "19"),
        (".5", "It weighs 3.5 tons, or .5 more.", ".5"),
        ("5", "It weighs .5 tons.", None),
    ],
)
def test_a_part_of_a_word_or_number_is_not_found(answer: str, text: str, found: str | None) -> None:
    place = find_answer(answer, "What?", text)
    assert (text[slice(*place)] if place else None) == found
    assert place is None or place[1] == text.rindex(found or "") + len(found or "")


@pytest.mark.parametrize(
    "answer",
    [
        "\u00bd", "3\u00bd tons", "5 m\u00b2", "\ufb01rst lamp", "\uff11\uff19\uff15\uff13", "\u2116 5",
        "Louis \u2163", "a \u00b4 mark", "two\u200bwords", "\u00ababove\u00bb all", "\u201ebelow\u201d all",
        "6\u2032 high", "ill\u2010kept", "T\u2122 wagon", "\u210c mark", "2\u00a0km",
    ],
)  # fmt: skip
def test_an_answer_as_the_tokenizer_spells_it_becomes_the_text_of_the_chunk(answer: str) -> None:
    text = f"In all, it was {answer} and more."
    spelled = open_tokenizer(MINI).backend.normalizer.normalize_str(answer)
    place = find_answer(" ".join(spelled.split()), "What was it?", text)
    assert place
    assert text[slice(*place)] == answer.lstrip("\u00ab\u201e")


@pytest.mark.parametrize("answer", ["1/2 more", "1\u20442 more", "\u00bd more"])
def test_a_fraction_is_found_however_it_is_written(answer: str) -> None:
    text = "It weighs 4 tons or \u00bd more."
    assert find_answer(answer, "What?", text) == (20, 26)


@pytest.mark.parametrize("answer", ["2", "1", "1/"])
def test_a_part_of_a_character_is_no_answer(answer: str) -> None:
    assert find_answer(answer, "What?", "He ate \u00bd of it.") is None


def test_an_answer_does_not_span_two_paragraphs() -> None:
    assert (
        find_answer(
            "Sea-Floor Spreading Harry Hess", "Who sailed?", "Sea-Floor Spreading\n\nHarry Hess sailed."
        )
        is None
    )
    assert find_answer("Harry Hess", "Who sailed?", "A ship\nof Harry\nHess sailed.") == (10, 20)


def test_of_several_places_the_one_near_the_words_of_the_question_is_found() -> None:
    text = f"Anna left in May. {'Nothing else happened. ' * 10}The hive was founded in May."
    assert find_answer("May", "When was the hive founded?", text) == (len(text) - 4, len(text) - 1)
    assert find_answer("May", "When did Anna leave?", text) == (13, 16)


@given(st.text(max_size=40), st.text(max_size=10))
def test_places_are_inside_the_text(text: str, answer: str) -> None:
    place = find_answer(answer, "Who?", text)
    assert place is None or 0 <= place[0] < place[1] <= len(text)


@pytest.mark.parametrize(
    ("answer", "informative"),
    [
        ("Lima", True),
        ("the capital", False),
        ("of", False),
        ("Lima is the capital of Peru, a country in", False),
    ],
)
def test_an_answer_says_something_new_but_not_everything(answer: str, informative: bool) -> None:
    text = "Lima is the capital of Peru, a country in the west of South America."
    assert is_informative(answer, "What is the capital of Peru?", text) is informative
