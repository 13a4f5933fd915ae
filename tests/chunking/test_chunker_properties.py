from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from qgbatch.chunking.chunker import ChunkLimits, chunk_document
from qgbatch.chunking.sentences import SentenceSplitter
from qgbatch.models.checkpoint import find_model
from qgbatch.models.tokenizer import PromptTokenizer, load_tokenizer
from qgbatch.records import Chunk, Document
from tests.conftest import MINI
from tests.support.strategies import documents


@cache
def tokenizer() -> PromptTokenizer:
    return load_tokenizer(find_model(str(MINI)))


@cache
def splitter() -> SentenceSplitter:
    return SentenceSplitter("english")


def chunk(text: str, limits: ChunkLimits) -> list[Chunk]:
    return list(chunk_document(Document.from_text(text, "a.txt"), tokenizer(), splitter(), limits))


limits = st.tuples(st.integers(40, 512), st.integers(8, 600)).map(lambda t: ChunkLimits(*t))


@settings(deadline=None, max_examples=150)
@given(text=documents, limits=limits)
def test_the_chunking_contract_holds_on_any_text(text: str, limits: ChunkLimits) -> None:
    chunks = chunk(text, limits)
    covered: set[int] = set()
    previous_end = 0
    for index, made in enumerate(chunks):
        assert made.chunk_index == index
        assert made.start_char >= previous_end, "chunks overlap or are out of order"
        assert text[made.start_char : made.end_char] == made.text
        assert made.text == made.text.strip() != ""
        assert len(made.input_ids) <= limits.max_tokens
        assert made.input_ids == tokenizer().encode([made.text])[0]
        covered.update(range(made.start_char, made.end_char))
        previous_end = made.end_char
    lost = [char for position, char in enumerate(text) if position not in covered and not char.isspace()]
    assert not lost


@settings(deadline=None, max_examples=50)
@given(text=documents, limits=limits)
def test_chunking_is_repeatable(text: str, limits: ChunkLimits) -> None:
    first, second = chunk(text, limits), chunk(text, limits)
    assert [c.input_ids for c in first] == [c.input_ids for c in second]
