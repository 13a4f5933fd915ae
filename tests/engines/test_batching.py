from __future__ import annotations

from qgbatch.engines.batching import BatchBudget, make_batches


def test_batches_are_longest_first_and_bounded() -> None:
    assert make_batches([10, 50, 20, 50, 10], BatchBudget(100)) == [[1, 3], [2, 0, 4]]


def test_a_row_over_the_budget_forms_its_own_batch() -> None:
    assert make_batches([500, 10], BatchBudget(100)) == [[0], [1]]


def test_no_rows_give_no_batches() -> None:
    assert make_batches([], BatchBudget(100)) == []
