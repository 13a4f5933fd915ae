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
    st.sampled_from(["eos", "length"]),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, max_examples=25)
@given(kept=st.dictionaries(inputs, generations, max_size=5))
def test_what_is_kept_comes_back(kept: dict[tuple[int, ...], DecodedGeneration]) -> None:
    with tempfile.TemporaryDirectory() as directory, closing(SqliteStore(Path(directory), 10**9)) as store:
        cache = Cache(store, {}, {}, {})
        cache.keep(kept)
        assert cache.generations(list(kept)) == kept


@given(value=st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_value_breaks_the_reading(value: bytes) -> None:
    for chunk in _parse_chunks(DOCUMENT, 0, value) or []:
        assert 0 <= chunk.start_char < chunk.end_char <= len(DOCUMENT.text)
        assert min(chunk.input_ids) >= 0
        assert max(chunk.input_ids) < 2**31
    generation = _parse_generation(value)
    if generation is not None:
        "".join(piece or "" for piece in generation.pieces).encode()
        assert generation.score == generation.score
