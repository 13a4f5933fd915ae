from __future__ import annotations

import os
from pathlib import Path

import pytest

from qgbatch.engines import cores
from qgbatch.engines.cores import n_cores

V2, V1 = "0::/box/inner\n", "4:memory:/box\n3:cpu,cpuacct:/box\n"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with eight cores and no control groups."""
    monkeypatch.setattr(cores, "_ROOT", tmp_path)
    monkeypatch.setattr(cores, "_n_affine_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path


def test_the_affinity_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    assert cores._n_affine_cores() == 3


def test_without_limits_all_cores_are_used() -> None:
    assert n_cores() == 8


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        (V2, {"box/inner/cpu.max": "max 100000"}, 8),
        (V2, {"box/inner/cpu.max": "150000 100000"}, 2),
        (V2, {"box/inner/cpu.max": "max 100000", "box/cpu.max": "300000 100000"}, 3),
        (V2, {"cpu.max": "400000 100000"}, 4),  # a container sees its group as the root
        (V2, {"box/inner/cpu.max": "1000 100000"}, 1),
        (V2, {"box/inner/cpu.max": "garbage"}, 8),
        (V1, {"cpu/box/cpu.cfs_quota_us": "-1", "cpu/box/cpu.cfs_period_us": "100000"}, 8),
        (V1, {"cpu/box/cpu.cfs_quota_us": "250000", "cpu/box/cpu.cfs_period_us": "100000"}, 3),
    ],
)
def test_the_quota_of_a_container_is_a_limit(
    groups: str, files: dict[str, str], expected: int, machine: Path
) -> None:
    (machine / "proc/self").mkdir(parents=True)
    (machine / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = machine / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    assert n_cores() == expected


@pytest.mark.parametrize(("value", "expected"), [("2", 2), ("0", 8), ("", 8), ("x", 8), ("99", 8)])
def test_omp_num_threads_is_a_limit(value: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert n_cores() == expected
