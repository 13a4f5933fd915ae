"""Units -> groups that fit into a chunk, at the least cost of all ways to cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_UNITS_AT_ONCE = 1024
"""Between looks for what is settled."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of text that is never cut: a sentence, or a part of one that is too long."""

    start_char: int
    end_char: int
    n_tokens: int
    """At least 1, though some characters take no token at all."""
    cut_cost: float
    """Of ending a chunk behind it, against ``(unused share of the target) ** 2`` for the chunk's size."""
    hard_split: bool = False


def pack(units: Iterable[Unit], budget: int) -> Iterator[list[Unit]]:
    """Group units at the least cost.

    A group has at most ``budget`` tokens, or is one unit. Linear in the units: each
    looks back over those that fit into one chunk with it. Groups come as soon as nothing
    that follows can change them, which takes some chunks more.
    """
    open_units: list[Unit] = []
    best = [0.0]  # best[j]: least cost of the units up to open_units[:j]
    starts = [0]  # starts[j]: where the last group of that way begins
    for unit in units:
        open_units.append(unit)
        cost, start = _best_last_group(open_units, best, budget)
        best.append(cost + unit.cut_cost)
        starts.append(start)
        if len(open_units) % _UNITS_AT_ONCE == 0:
            settled = _settled_cut(open_units, starts, budget)
            yield from _groups(open_units, starts, settled)
            del open_units[:settled], best[:settled]
            starts = [max(0, start - settled) for start in starts[settled:]]
    yield from _groups(open_units, starts, len(open_units))


def _best_last_group(units: Sequence[Unit], best: Sequence[float], budget: int) -> tuple[float, int]:
    """Cost of all the units without the last cut, and where the last group begins for that."""
    n_tokens, least, start = 0, float("inf"), len(units) - 1
    for i in range(len(units) - 1, -1, -1):
        n_tokens += units[i].n_tokens
        if n_tokens > budget and i < len(units) - 1:
            break
        unused = max(0, budget - n_tokens) / budget
        cost = best[i] + unused * unused
        if cost < least:
            least, start = cost, i
    return least, start


def _settled_cut(units: Sequence[Unit], starts: Sequence[int], budget: int) -> int:
    """The last cut that is on every way that may yet become the best."""
    ends, n_tokens = {len(units)}, 0
    for i in range(len(units) - 1, -1, -1):
        n_tokens += units[i].n_tokens
        if n_tokens >= budget:  # the next unit has a token, too
            break
        ends.add(i)
    while len(ends) > 1:
        last = max(ends)
        ends.remove(last)
        ends.add(starts[last])
    return ends.pop()


def _groups(units: Sequence[Unit], starts: Sequence[int], end: int) -> list[list[Unit]]:
    """The groups of the best way to cut ``units[:end]``."""
    groups = []
    while end:
        groups.append(list(units[starts[end] : end]))
        end = starts[end]
    return groups[::-1]
