from __future__ import annotations

import pytest

from qgbatch.training.sampling import StepSampler

LENGTHS = [(7 * index % 50, index % 3) for index in range(100)]


def steps(sampler: StepSampler, size: int = 8) -> list[list[int]]:
    order = list(sampler)
    return [order[start : start + size] for start in range(0, len(order), size)]


def make(*, group_by_length: bool, seed: int = 42) -> StepSampler:
    return StepSampler(LENGTHS, 8, seed, group_by_length=group_by_length)


def test_grouping_sorts_inside_a_step_and_moves_no_example_to_another() -> None:
    plain, grouped = steps(make(group_by_length=False)), steps(make(group_by_length=True))
    assert [set(step) for step in grouped] == [set(step) for step in plain]
    assert grouped != plain
    for step in grouped:
        lengths = [LENGTHS[index] for index in step]
        assert lengths == sorted(lengths, reverse=True)


def test_an_epoch_has_whole_steps_and_no_example_twice() -> None:
    order = list(make(group_by_length=True))
    assert len(order) == len(make(group_by_length=True)) == len(set(order)) == 96


def test_each_epoch_has_its_own_order_and_gives_it_again() -> None:
    sampler = make(group_by_length=False)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    assert set(second) != set(first)  # others are left out
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(make(group_by_length=False, seed=7)) != first


@pytest.mark.parametrize("n_examples", [1, 5, 8])
def test_fewer_examples_than_a_step_are_one_step(n_examples: int) -> None:
    sampler = StepSampler(LENGTHS[:n_examples], 8, 42, group_by_length=True)
    assert sorted(sampler) == list(range(n_examples))
    assert len(sampler) == n_examples
