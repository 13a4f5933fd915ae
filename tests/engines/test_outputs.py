"""How several outputs for one chunk are combined."""

from __future__ import annotations

import pytest

from qgbatch.engines.base import SpecialIds, make_generation, merge_generations, with_pair_scores
from qgbatch.records import PairScore

SPECIAL = SpecialIds(0, 1, 2, frozenset({3}), frozenset({4}))
SCORE = PairScore(-0.5, -0.5, -0.5, -0.5)


def test_each_output_keeps_what_the_limit_cut_off() -> None:
    outputs = [make_generation(ids, -1.0, SPECIAL) for ids in ([7, 3, 8], [7, 3, 9, 1], [5])]
    merged = merge_generations(outputs)
    assert merged.pieces == ((7,), (8,), (7,), (9,), (5,))
    assert merged.truncated == (1, 4)
    assert merged.score == pytest.approx((-1 / 3 - 1 / 4 - 1) / 3)


def test_a_pair_that_another_output_has_whole_is_not_cut_off() -> None:
    outputs = [make_generation(ids, -1.0, SPECIAL) for ids in ([7, 4, 8], [7, 4, 8, 3, 6, 4, 5, 1], [6, 4])]
    merged = with_pair_scores(outputs, {(7, 4, 8): SCORE, (6, 4, 5): SCORE})
    assert merged.pieces == ((7, 4, 8), (6, 4, 5), (6, 4))
    assert merged.truncated == (2,)
    assert merged.pair_scores == (SCORE, SCORE, None)
