"""Texts of one character or piece of markup, again and again: chunking takes steps in proportion."""

from __future__ import annotations

import pytest

from qgbatch.chunking.chunker import ChunkLimits, chunk_document
from qgbatch.chunking.sentences import SentenceSplitter
from qgbatch.models.checkpoint import find_model
from qgbatch.models.tokenizer import load_tokenizer
from qgbatch.records import Document
from tests.conftest import MINI
from tests.support.steps import CHARACTERS, MARKUP, assert_calls_are_in_proportion

N_CHARS = 60_000
"""Several times what Punkt reads at once, for it is called for each such part."""
SPLITTER = SentenceSplitter("english")


@pytest.mark.parametrize("unit", CHARACTERS + MARKUP)
def test_calls_for_sentences_are_in_proportion_to_the_text(unit: str) -> None:
    assert_calls_are_in_proportion(lambda text: list(SPLITTER(text)), unit, N_CHARS)


@pytest.mark.parametrize(
    ("unit", "n_chars"),
    [
        *((unit, N_CHARS) for unit in [*"aZ0.!,;-\u200b\u8336\u0301", "a ", "a\n"]),
        *((unit, 8_000) for unit in ["a\n\n", "- a\n", "# a\n"]),  # a sentence per line
    ],
)
def test_calls_for_chunks_are_in_proportion_to_the_text(unit: str, n_chars: int) -> None:
    tokenizer = load_tokenizer(find_model(str(MINI)))
    limits = ChunkLimits(256, 192)

    def chunk(text: str) -> None:
        assert list(chunk_document(Document.from_text(text, "a.txt"), tokenizer, SPLITTER, limits))

    assert_calls_are_in_proportion(chunk, unit, n_chars)


def test_many_short_lines_are_split_into_sentences() -> None:
    assert list(SPLITTER("a\n" * 1_000_000))  # copies of all lines before each line would take minutes
