"""Property tests: stored results are read back, and no stored value breaks the reader."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from qgbatch.pipeline.cache import Cache, _parse_chunks, _parse_generation
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.records import DecodedGeneration, Document
from tests.support.strategies import texts

DOCUMENT = Document.from_text("Text. " * 9, "a.txt")
inputs = st.lists(st.integers(0, 2**31 - 1), min_size=1).map(tuple)
scores = st.floats(max_value=0.0, allow_nan=False)
generations = st.builds(
    DecodedGeneration,
    st.lists(st.none() | texts).map(tuple),
    scores,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, max_examples=25)
@given(stored=st.dictionaries(inputs, generations, max_size=5))
def test_stored_generations_are_read_back(stored: dict[tuple[int, ...], DecodedGeneration]) -> None:
    with tempfile.TemporaryDirectory() as directory, closing(SqliteStore(Path(directory), 10**9)) as store:
        cache = Cache(store, {}, {}, {})
        cache.put_generations(stored)
        assert cache.get_generations(list(stored)) == stored


@given(value=st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_value_is_parsed_to_a_valid_result_or_none(value: bytes) -> None:
    for chunk in _parse_chunks(DOCUMENT, 0, value) or []:
        assert 0 <= chunk.start_char < chunk.end_char <= len(DOCUMENT.text)
        assert min(chunk.input_ids) >= 0
        assert max(chunk.input_ids) < 2**31
    generation = _parse_generation(value)
    if generation is not None:
        "".join(piece or "" for piece in generation.pieces).encode()
        assert generation.score == generation.score
