from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgbatch.chunking import packing
from qgbatch.chunking.packing import Unit, pack

units = st.lists(
    st.builds(
        Unit,
        start_char=st.integers(),
        end_char=st.integers(),
        n_tokens=st.integers(1, 12),
        cut_cost=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    ),
    max_size=60,
)


@given(units=units, budget=st.integers(1, 30), units_per_flush=st.integers(1, 20))
def test_flushing_early_does_not_change_the_groups(
    units: list[Unit], budget: int, units_per_flush: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "_UNITS_PER_FLUSH", units_per_flush)
        groups = list(pack(units, budget))
    assert groups == list(pack(units, budget))
    assert [unit for group in groups for unit in group] == units
    assert all(len(group) == 1 or sum(unit.n_tokens for unit in group) <= budget for group in groups)
    assert cost_of(groups, budget) == pytest.approx(lowest_cost(units, budget))


def cost_of(groups: list[list[Unit]], budget: int) -> float:
    sizes = [sum(unit.n_tokens for unit in group) for group in groups]
    return sum((max(0, budget - size) / budget) ** 2 for size in sizes) + sum(
        group[-1].cut_cost for group in groups
    )


def lowest_cost(units: list[Unit], budget: int) -> float:
    """By trying all costs, shortest prefixes first."""
    least = [0.0]
    for end in range(1, len(units) + 1):
        costs = [
            least[start] + cost_of([units[start:end]], budget)
            for start in range(end)
            if end - start == 1 or sum(unit.n_tokens for unit in units[start:end]) <= budget
        ]
        least.append(min(costs))
    return least[-1]


def test_groups_are_yielded_while_units_still_arrive() -> None:
    taken = 0

    def endless() -> Iterator[Unit]:
        nonlocal taken
        while True:
            taken += 1
            yield Unit(taken, taken, 10, 0.1)

    groups = pack(endless(), 35)
    assert [len(next(groups)) for _ in range(200)] == [3] * 200
    assert taken < 3000
