"""What an engine may use of a machine."""

from __future__ import annotations

import os

import pytest

from qgbatch.engines.devices import n_cores


@pytest.mark.parametrize(("limit", "cores"), [("1", 1), ("1000000", None), ("0", None), ("many", None)])
def test_omp_num_threads_lowers_the_number_of_cores(
    monkeypatch: pytest.MonkeyPatch, limit: str, cores: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert n_cores() == (cores or len(os.sched_getaffinity(0)))
