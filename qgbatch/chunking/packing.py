"""Packs units of text into chunks at the lowest total cost.

This is optimal line breaking with tokens in place of letters. Each group of units costs
``(unused share of the budget) ** 2`` plus the cost of the cut after its last unit, and
dynamic programming finds the grouping with the lowest sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_UNITS_PER_FLUSH = 1024
"""Number of units after which the groups that can no longer change are yielded."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A span of text that packing does not cut: a sentence, or a piece of a long sentence."""

    start_char: int
    end_char: int
    n_tokens: int
    """At least 1, even for characters that produce no token."""
    cut_cost: float
    """Cost of ending a chunk after this unit, on the scale of ``(unused share) ** 2``."""
    hard_split: bool = False
    """Whether the unit is a piece of a sentence that does not fit into one chunk."""


def pack(units: Iterable[Unit], budget: int) -> Iterator[list[Unit]]:
    """Group consecutive units at the lowest total cost.

    Takes time linear in the number of units, because each unit is only compared with the
    units that fit into one group with it. Groups are yielded as soon as no later unit can
    change them, so memory stays bounded for an endless input.

    Args:
        units: Units in the order of the text.
        budget: Maximum number of tokens in a group. A single unit may exceed it and then
            forms a group by itself.

    Yields:
        Groups of consecutive units, in order. Every unit is in exactly one group.
    """
    pending: list[Unit] = []
    lowest_costs = [0.0]  # lowest_costs[n]: lowest cost of grouping pending[:n]
    last_starts = [0]  # last_starts[n]: index where the last group of that grouping starts
    for unit in units:
        pending.append(unit)
        cost, start = _best_last_group(pending, lowest_costs, budget)
        lowest_costs.append(cost + unit.cut_cost)
        last_starts.append(start)
        if len(pending) % _UNITS_PER_FLUSH == 0:
            n_final = _count_final_units(pending, last_starts, budget)
            yield from _groups(pending, last_starts, n_final)
            del pending[:n_final], lowest_costs[:n_final]
            last_starts = [max(0, start - n_final) for start in last_starts[n_final:]]
    yield from _groups(pending, last_starts, len(pending))


def _best_last_group(
    units: Sequence[Unit], lowest_costs: Sequence[float], budget: int
) -> tuple[float, int]:
    """Find the best group that ends with the last unit.

    Returns:
        The lowest cost of grouping all units, without the cost of the final cut, and the
        index at which the last group of that grouping starts.
    """
    n_tokens, lowest, start = 0, float("inf"), len(units) - 1
    for i in range(len(units) - 1, -1, -1):
        n_tokens += units[i].n_tokens
        if n_tokens > budget and i < len(units) - 1:
            break
        unused = max(0, budget - n_tokens) / budget
        cost = lowest_costs[i] + unused * unused
        if cost < lowest:
            lowest, start = cost, i
    return lowest, start


def _count_final_units(units: Sequence[Unit], last_starts: Sequence[int], budget: int) -> int:
    """Count the leading units whose grouping no later unit can change.

    The group that contains the next unit must start at one of the last few positions. Following
    the best grouping back from each of them leads to a cut that they all share. The units before
    the last shared cut are final.
    """
    positions, n_tokens = {len(units)}, 0
    for i in range(len(units) - 1, -1, -1):
        n_tokens += units[i].n_tokens
        if n_tokens >= budget:  # the next unit has at least one token
            break
        positions.add(i)
    while len(positions) > 1:
        last = max(positions)
        positions.remove(last)
        positions.add(last_starts[last])
    return positions.pop()


def _groups(units: Sequence[Unit], last_starts: Sequence[int], end: int) -> list[list[Unit]]:
    """Read the best grouping of ``units[:end]`` back from ``last_starts``."""
    groups = []
    while end:
        groups.append(list(units[last_starts[end] : end]))
        end = last_starts[end]
    return groups[::-1]
