from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qgbatch.batching import make_batches


@given(lengths=st.lists(st.integers(1, 600)), batch_tokens=st.integers(1, 5000))
def test_every_row_is_in_exactly_one_bounded_batch(lengths: list[int], batch_tokens: int) -> None:
    batches = make_batches(lengths, batch_tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= batch_tokens
    heads = [lengths[batch[0]] for batch in batches]
    assert heads == sorted(heads, reverse=True)
