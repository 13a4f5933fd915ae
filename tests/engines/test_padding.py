from __future__ import annotations

import torch

from qgbatch.engines.padding import pad_rows


def test_rows_are_padded_on_the_right_to_the_longest_row() -> None:
    padded = pad_rows([[5, 6, 7], [8]], -100)
    assert padded.dtype == torch.int64
    assert padded.tolist() == [[5, 6, 7], [8, -100, -100]]


def test_booleans_stay_booleans() -> None:
    padded = pad_rows([[True], [False, True]], False)
    assert padded.dtype == torch.bool
    assert padded.tolist() == [[True, False], [False, True]]
