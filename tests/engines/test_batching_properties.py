from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qgbatch.engines.batching import MAX_PADDING, BatchBudget, make_batches, padded_length

inputs = st.lists(st.integers(1, 600))


@given(lengths=inputs, batch_tokens=st.integers(1, 5000))
def test_every_row_is_in_exactly_one_bounded_batch(lengths: list[int], batch_tokens: int) -> None:
    batches = make_batches(lengths, BatchBudget(batch_tokens))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= batch_tokens
    heads = [lengths[batch[0]] for batch in batches]
    assert heads == sorted(heads, reverse=True)


@given(lengths=inputs, batch_tokens=st.integers(1, 5000))
def test_fixed_padding_gives_batches_with_one_padded_length(lengths: list[int], batch_tokens: int) -> None:
    batches = make_batches(lengths, BatchBudget(batch_tokens), fixed_padding=True)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        [padded] = {padded_length(lengths[index]) for index in batch}
        shortest = min(lengths[index] for index in batch)
        assert padded_length(padded) == padded
        assert 0 <= padded - shortest <= MAX_PADDING * shortest
        assert len(batch) == 1 or len(batch) * padded <= batch_tokens


@given(lengths=inputs, batch_tokens=st.integers(1, 5000), fixed=st.booleans(), data=st.data())
def test_a_resumed_run_continues_with_the_same_batches(
    lengths: list[int], batch_tokens: int, fixed: bool, data: st.DataObject
) -> None:
    batches = make_batches(lengths, BatchBudget(batch_tokens), fixed_padding=fixed)
    n_done = data.draw(st.integers(0, len(batches)))
    left = sorted(index for batch in batches[n_done:] for index in batch)
    again = make_batches([lengths[index] for index in left], BatchBudget(batch_tokens), fixed_padding=fixed)
    assert [[left[index] for index in batch] for batch in again] == batches[n_done:]
