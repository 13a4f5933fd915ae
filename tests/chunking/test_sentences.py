from __future__ import annotations

import pytest

from qgbatch.chunking.sentences import BUFFER_CHARS, SentenceSplitter


def split(text: str) -> list[str]:
    return [text[s.start_char : s.end_char] for s in SentenceSplitter("english")(text)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. J. R. Okafor came at 5 a.m. on Monday.",
        "It costs 3.50, i.e. less than a coffee.",
        "See No. 5 and Fig. 3 on pp. 12-14.",
        "The U.S. army left in Jan. 1920.",
        "She waited... and then she left.",
    ],
)
def test_an_abbreviation_does_not_end_a_sentence(sentence: str) -> None:
    assert split(f"{sentence} Another sentence follows.") == [sentence, "Another sentence follows."]


def test_a_no_that_is_an_answer_ends_a_sentence() -> None:
    assert split("He said no. Five of them left.") == ["He said no.", "Five of them left."]


def test_wrapped_lines_do_not_end_a_sentence() -> None:
    assert split("One sentence that\ngoes on here. Two.") == ["One sentence that\ngoes on here.", "Two."]


def test_blank_lines_list_items_and_headings_end_one() -> None:
    text = "# Title\nIntro without a stop\n\nA list:\n- one\n- two\n1. three\nTail\n\n \t\nEnd"
    assert split(text) == [
        "# Title", "Intro without a stop", "A list:", "- one", "- two", "1. three\nTail", "End",
    ]  # fmt: skip


def test_places_to_cut_are_told_apart() -> None:
    text = "A Title\n\nOne. Two.\n\nThree."
    sentences = list(SentenceSplitter("english")(text))
    assert [s.is_heading for s in sentences] == [True, False, False, False]
    assert [s.ends_paragraph for s in sentences] == [False, False, True, True]


def test_a_book_in_one_paragraph_is_split_everywhere() -> None:
    # Longer than what Punkt sees at once, and than nltk bears in one piece.
    n_sentences = 3 * BUFFER_CHARS // 20
    sentences = split("This is a sentence. " * n_sentences)
    assert sentences == ["This is a sentence."] * n_sentences


@pytest.mark.parametrize("text", ["word " * 20_000, "x" * 50_000, "!? " * 20_000, " " * 30_000 + "end"])
def test_hostile_text_keeps_every_character(text: str) -> None:
    assert "".join("".join(split(text)).split()) == "".join(text.split())


def test_the_language_decides() -> None:
    text = "Er kam ca. um neun. Dann ging er."
    german = [text[s.start_char : s.end_char] for s in SentenceSplitter("german")(text)]
    assert german == ["Er kam ca. um neun.", "Dann ging er."]
