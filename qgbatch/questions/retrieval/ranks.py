"""Ranges of ranks in BM25, which say how hard it is to find the right passage of a question."""

from __future__ import annotations

from bisect import bisect_left

_LAST_RANKS = (1, 3, 10)
RANK_RANGES = ("1", "2-3", "4-10", "11 and more", "not found")
"""The names of the ranges, the easiest first."""


def rank_range(rank: int | None) -> str:
    """Return the name of the range of a rank; ``None`` is the rank of a passage that was not found.

    >>> rank_range(1), rank_range(4), rank_range(None)
    ('1', '4-10', 'not found')
    """
    return RANK_RANGES[-1 if rank is None else bisect_left(_LAST_RANKS, rank)]
