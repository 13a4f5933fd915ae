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
        "Smith et al. (2010) and Eqs. (1) and (2) say so.",
        "The class threading.Thread is used.",
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


def test_a_stop_without_a_space_ends_a_sentence() -> None:
    assert split("They lived in the town.These few went away.A boat came!They left.") == [
        "They lived in the town.", "These few went away.", "A boat came!", "They left.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sentences",
    [
        ["\u5854\u5f88\u9ad8\u3002", "\u706f\u4eae\u4e86\uff01", "\u662f\u5417\uff1f"],
        ["\u300c\u9060\u3044\u3002\u300d\u3068\u8a00\u3063\u305f\u3002", "\u706f\u304c\u3042\u308b\u3002"],
        ["\u092f\u0939 \u0939\u0948\u0964 ", "\u0935\u0939 \u0925\u093e\u0964"],
        ["\u0647\u0644 \u0643\u0627\u0646\u061f ", "\u0646\u0639\u0645."],
    ],
    ids=["Chinese", "Japanese", "Hindi", "Arabic"],
)
def test_stops_of_other_scripts_end_sentences(sentences: list[str]) -> None:
    assert split("".join(sentences)) == [sentence.strip() for sentence in sentences]


def test_a_form_feed_inside_a_sentence_does_not_end_it() -> None:
    assert split("The well was\n\n\fdug by hand.\n\fIt is deep") == [
        "The well was\n\n\fdug by hand.", "It is deep",
    ]  # fmt: skip


def test_the_turns_of_a_transcript_are_sentences() -> None:
    turns = ["[00:01] Hello there", "(1:02:03) Yes", "00:00:05 Well", "ANNA: So it is", "DR. B 2: Hm"]
    assert split("\n".join(turns)) == turns


@pytest.mark.parametrize("title", ["Tea\n===", "Tea", "The old well"])
def test_a_title_does_not_run_into_the_line_below_it(title: str) -> None:
    line = "It is hot and mild, and it comes from the leaves of a plant."
    sentences = list(SentenceSplitter("english")(f"{title}\n{line}"))
    assert split(f"{title}\n{line}") == [title, line]
    assert [sentence.is_heading for sentence in sentences] == [True, False]


def test_a_short_first_line_that_goes_on_is_no_title() -> None:
    text = "He went to the\nUnited States of America by ship in winter."
    assert split(text) == [text]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("INTRODUCTION\nThe empire fell in 476.", ["INTRODUCTION"]),
        ("THE FALL\nOF ROME\nThe empire fell in 476.", ["THE FALL", "OF ROME"]),
        ("It was old.\nRESULTS\nThe empire fell in 476.", ["RESULTS"]),
        ("1. Introduction\nThe empire fell in 476.", ["1. Introduction"]),
        ("It was old.\n2.1 Old towns\nThe empire fell in 476.", ["2.1 Old towns"]),
        ("IV. The Fall\nThe empire fell in 476.", ["IV. The Fall"]),
    ],
)
def test_a_title_in_capitals_or_with_a_number_does_not_run_into_the_next_line(
    text: str, titles: list[str]
) -> None:
    sentences = list(SentenceSplitter("english")(text))
    assert [text[s.start_char : s.end_char] for s in sentences if s.is_heading] == titles
    assert split(text)[-1] == "The empire fell in 476."


@pytest.mark.parametrize(
    "text",
    [
        "The old boat went over the wide water to\nROME\nThe next day.",
        "It rose in the\nSMALL\nTOWN\nof Ulm",
        "1) The old town hall of the\nRomans was built of brick and of clay by a mason.",
        "1) He saw the old town hall near the River\nRhine and went home.",
        "A boat was on the bay\nThat morning in the sun\nIt turned without a sound\nAnd then was gone",
        "1914 was the year of change\nNobody knew it then or later on",
        "WE MET IN ROME\nAND WENT TO ULM\nBY BOAT",
    ],
)
def test_wrapped_prose_and_verse_are_not_cut_at_lines(text: str) -> None:
    assert split(text) == [text]
