"""Finds out how many cores this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def n_cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    ``taskset``, the quota of a container (rounded up) and ``OMP_NUM_THREADS`` can lower it.
    """
    limits = [float(_n_affine_cores()), *_quotas()]
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdecimal() and int(limit):
        limits.append(float(limit))
    return max(1, math.ceil(min(limits)))


def _n_affine_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    """The quotas of the control groups of this process, in cores; Linux only."""
    try:
        groups = (_ROOT / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for group in groups:
        _, controllers, path = group.split(":", 2)
        home = _ROOT / "sys/fs/cgroup"
        if "cpu" in controllers.split(","):  # version 1
            home /= "cpu"
        elif controllers:
            continue
        group_directory = home / path.lstrip("/")  # in a container, it may only be seen as the home
        for directory in (group_directory, *group_directory.parents):
            if directory == home or home in directory.parents:
                yield from _quota(directory)


def _quota(directory: Path) -> Iterator[float]:
    """The quota of a control group, if it has one."""
    try:
        if (directory / "cpu.max").exists():  # version 2
            quota, period = (directory / "cpu.max").read_text().split()
        else:
            quota = (directory / "cpu.cfs_quota_us").read_text()
            period = (directory / "cpu.cfs_period_us").read_text()
        if float(quota) > 0 and float(period) > 0:
            yield float(quota) / float(period)
    except (OSError, ValueError):  # "max", or no quota
        return
