"""The text before a chunk: the last heading and the last sentences, as far as they fit."""

from __future__ import annotations

import pytest

from qgbatch.chunking.sentences import SentenceSplitter
from qgbatch.chunking.text_before import MAX_CHARS, MAX_WORDS, TextBefore

TEXT = """# The hive

Bees live in a hive. It has\none queen.

## Honey

They make honey. It keeps for years."""


def find(text: str, start_char: int) -> str:
    text_before = TextBefore(text, SentenceSplitter("english"))
    list(text_before.split_sentences(text))
    return text_before.find(start_char)


@pytest.mark.parametrize(
    ("start", "before"),
    [
        ("# The hive", ""),
        ("Bees live", "The hive."),
        ("It has", "The hive. Bees live in a hive."),
        ("## Honey", "The hive. Bees live in a hive. It has one queen."),
        ("They make", "Honey."),
        ("It keeps", "Honey. They make honey."),
    ],
)
def test_the_last_heading_and_the_sentences_after_it(start: str, before: str) -> None:
    assert find(TEXT, TEXT.index(start)) == before


def test_only_whole_sentences_that_fit() -> None:
    sentences = [f"{'word ' * 19}end{index}. " for index in range(4)]
    text = "".join(sentences) + "Next one."
    assert find(text, text.index("Next")).split() == "".join(sentences[2:]).split()
    assert MAX_WORDS < 60


def test_text_without_spaces_is_left_out() -> None:
    text = "x" * (MAX_CHARS + 1) + ". Next one."
    assert find(text, text.index("Next")) == ""


def test_a_long_sentence_is_left_out() -> None:
    text = "word " * (MAX_WORDS + 1) + "end. Next one."
    assert find(text, text.index("Next")) == ""
