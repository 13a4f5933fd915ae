"""Packing is tested with an encoder whose tokens are easy to count: one a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest

from qgbatch.chunking.chunker import ChunkLimits, chunk_document
from qgbatch.chunking.sentences import Sentence, SentenceSplitter
from qgbatch.errors import DocumentError, SettingsError
from qgbatch.records import Chunk, Document
from tests.conftest import SAMPLES


class WordEncoder:
    """Two tokens of prompt, one for each word; a word with capitals only takes ten."""

    n_prompt_tokens = 2
    reads_text_before = False

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(self.token_ends(text)) for text in texts]

    def token_ends(self, text: str) -> list[int]:
        ends = []
        for word in re.finditer(r"\S+", text):
            ends.extend([word.end()] * (10 if word[0].isupper() else 1))
        return ends

    def unknown_share(self, text: str) -> float:
        return 0.0

    def encode(self, texts: Sequence[str], before: Sequence[str] = ()) -> list[tuple[int, ...]]:
        n_before = self.count_tokens(before) if before else [0] * len(texts)
        n_inside = self.count_tokens(texts)
        return [(0,) * (a + b + self.n_prompt_tokens) for a, b in zip(n_before, n_inside, strict=True)]


def chunk(text: str, *, target: int, bound: int = 100) -> list[Chunk]:
    document = Document.from_text(text, "a.txt")
    splitter = SentenceSplitter("english")
    return list(chunk_document(document, WordEncoder(), splitter, ChunkLimits(bound, target)))


def sentence(n_words: int) -> str:
    return " ".join(["She", *["walks"] * (n_words - 2), "home."])


def sizes(chunks: Sequence[Chunk]) -> list[int]:
    return [len(chunk.input_ids) - WordEncoder.n_prompt_tokens for chunk in chunks]


def test_sentences_are_packed_up_to_the_target() -> None:
    assert sizes(chunk(" ".join([sentence(10)] * 6), target=32)) == [30, 30]


def test_the_last_chunk_is_not_tiny() -> None:
    assert sizes(chunk(" ".join([sentence(10)] * 4), target=32)) == [20, 20]


def test_a_nearby_paragraph_break_is_preferred() -> None:
    text = f"{sentence(10)} {sentence(10)}\n\n{sentence(10)} {sentence(10)} {sentence(10)}"
    assert sizes(chunk(text, target=32)) == [20, 30]


def test_a_heading_stays_with_the_text_after_it() -> None:
    text = f"{sentence(10)} {sentence(10)}\n\nTitle\n\n{sentence(10)} {sentence(10)}"
    assert [c.text.split()[0] for c in chunk(text, target=26)] == ["She", "Title"]


def test_a_sentence_between_target_and_limit_stays_whole() -> None:
    (only,) = chunk(sentence(40), target=20)
    assert (len(only.input_ids), only.hard_split) == (42, False)


def test_a_sentence_over_the_limit_is_cut_at_clauses_and_flagged() -> None:
    text = f"{sentence(10)} " + ", ".join(["on she went and never looked back"] * 40) + f". {sentence(10)}"
    chunks = chunk(text, target=30)
    flagged = [c for c in chunks if c.hard_split]
    assert len(flagged) > 5
    assert all(c.text.endswith((",", ".")) for c in flagged)
    assert max(sizes(chunks)) <= 28
    assert not chunks[0].hard_split
    assert not chunks[-1].hard_split


def test_text_without_spaces_is_cut() -> None:
    letters = "".join(chr(97 + i % 26) for i in range(100_000))
    encoder_like = LetterEncoder()
    document = Document.from_text(letters, "a.txt")
    chunks = list(chunk_document(document, encoder_like, whole_text, ChunkLimits(40, 40)))
    assert "".join(c.text for c in chunks) == letters
    assert all(len(c.input_ids) <= 40 and c.hard_split for c in chunks)


class LetterEncoder(WordEncoder):
    """One token for each character."""

    def token_ends(self, text: str) -> list[int]:
        return list(range(1, len(text) + 1))


def whole_text(text: str) -> Iterator[Sentence]:
    yield Sentence(0, len(text))


class OptimisticEncoder(WordEncoder):
    """Counts half of what encoding gives, as a tokenizer may whose counts do not add up."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [count // 2 for count in super().count_tokens(texts)]


def test_the_limit_holds_for_the_final_ids_even_if_counts_are_wrong() -> None:
    document = Document.from_text(" ".join([sentence(10)] * 20), "a.txt")
    splitter = SentenceSplitter("english")
    chunks = list(chunk_document(document, OptimisticEncoder(), splitter, ChunkLimits(50, 50)))
    assert all(len(c.input_ids) <= 50 for c in chunks)
    assert " ".join(c.text for c in chunks) == document.text


class HugeEncoder(WordEncoder):
    def encode(self, texts: Sequence[str], before: Sequence[str] = ()) -> list[tuple[int, ...]]:
        return [(0,) * 200 for _ in texts]


def test_a_character_that_cannot_fit_is_an_error() -> None:
    with pytest.raises(DocumentError, match=r"U\+0061 at offset 0.* takes 200 tokens"):
        list(
            chunk_document(Document.from_text("a", "a.txt"), HugeEncoder(), whole_text, ChunkLimits(50, 50))
        )


@pytest.mark.parametrize(("bound", "target", "option"), [(33, 33, "max_tokens"), (512, 2, "target_tokens")])
def test_limits_without_space_for_text_are_refused(bound: int, target: int, option: str) -> None:
    with pytest.raises(SettingsError, match=f"{option}.*prompt takes 2 tokens"):
        ChunkLimits(bound, target).check(n_prompt_tokens=2)


def test_an_edit_changes_few_chunks() -> None:
    text = (SAMPLES / "plate-tectonics.txt").read_text(encoding="utf-8")
    middle = text.index(". ", len(text) // 2) + 2
    before = {c.text for c in chunk(text, target=50)}
    after = {c.text for c in chunk(f"{text[:middle]}A new sentence. {text[middle:]}", target=50)}
    assert len(before) > 80
    assert 1 <= len(after - before) <= 3


def test_characters_without_tokens_count_as_one_token() -> None:
    # Zero-width characters take no token in T5's vocabulary; each is a paragraph here.
    document = Document.from_text("\u200b\n\n" * 3000, "a.txt")
    splitter = SentenceSplitter("english")
    chunks = list(chunk_document(document, SilentEncoder(), splitter, ChunkLimits(100, 60)))
    assert len(chunks) > 50


class SilentEncoder(WordEncoder):
    def token_ends(self, text: str) -> list[int]:
        return []


class ReadingEncoder(WordEncoder):
    """Also reads the text before a chunk."""

    reads_text_before = True


def test_the_input_contains_the_text_before_the_chunk_if_it_fits() -> None:
    text = " ".join([sentence(4)] * 5)
    document, splitter = Document.from_text(text, "a.txt"), SentenceSplitter("english")

    def lengths(max_tokens: int) -> list[int]:
        limits = ChunkLimits(max_tokens, 6)
        return [len(c.input_ids) for c in chunk_document(document, ReadingEncoder(), splitter, limits)]

    assert lengths(100) == [6, 10, 14, 18, 22]
    assert lengths(15) == [6, 10, 14, 6, 6]


class CharEncoder(WordEncoder):
    """A token for each character."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def token_ends(self, text: str) -> list[int]:
        return list(range(1, len(text) + 1))

    def encode(self, texts: Sequence[str], before: Sequence[str] = ()) -> list[tuple[int, ...]]:
        return [(0,) * (len(text) + self.n_prompt_tokens) for text in texts]


def test_a_long_chinese_sentence_is_cut_at_a_comma() -> None:
    document = Document.from_text("\u706f\u5854\u5f88\u9ad8\u5f88\u4eae\uff0c" * 20, "a")
    chunks = chunk_document(document, CharEncoder(), SentenceSplitter("english"), ChunkLimits(34, 34))
    assert {chunk.text[-1] for chunk in chunks} == {"\uff0c"}
