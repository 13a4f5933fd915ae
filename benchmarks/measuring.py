"""Functions that the benchmarks share: interleaved rounds, processes with their peak memory, tables."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qgbatch.engines.cores import n_cores

SAMPLES = Path(__file__).parent.parent / "samples"
FAKE_RUN = """
import sys
from qgbatch.cli import main
from qgbatch.engines.fake import FakeEngine
main(sys.argv[1:], obj=FakeEngine(n_recorded=0).load)
"""
"""A program for ``python -c``: the command line of qgbatch with an engine that needs no model."""


def interleave(contenders: Mapping[str, Callable[[], float]], n_rounds: int) -> dict[str, list[float]]:
    """Return the result of each contender in each round.

    Each round runs all contenders and starts with another one, so that other load on the machine
    affects all contenders alike.
    """
    names = list(contenders)
    results: dict[str, list[float]] = {name: [] for name in names}
    for number in range(n_rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(contenders[name]())
    return results


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of a call in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Usage:
    """Time and memory of a process."""

    seconds: float
    """Wall time, start-up included."""
    cpu_seconds: float
    """CPU time over all cores, user and system."""
    system_seconds: float
    """The part of it that the system used."""
    page_faults: int
    """Pages that the system had to provide, without those that it read from a disk."""
    peak_mib: float
    """Peak resident memory."""


def run_python(*words: str) -> Usage:
    """Run ``python words...`` as a new process; its output is only printed if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: exit {process.returncode}\n{output}")
    return Usage(
        wall, usage.ru_utime + usage.ru_stime, usage.ru_stime, usage.ru_minflt, usage.ru_maxrss / 1024
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Format the median, the minimum and the maximum of values."""
    median = statistics.median(values)
    return f"{median:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def show(title: str, rows: Sequence[Mapping[str, Any]], **conditions: Any) -> None:
    """Print rows as a Markdown table, and again as one line of JSON with the machine and the conditions."""
    columns = list(rows[0])
    print(f"\n{title}\n")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(str(row[column]) for column in columns)} |")
    command = " ".join(["python", *sys.argv])
    record = {"title": title, "command": command, **_machine(), **conditions, "rows": list(rows)}
    print(f"\n{json.dumps(record)}", flush=True)


def _machine() -> dict[str, Any]:
    packages = ("torch", "transformers", "tokenizers", "ctranslate2")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "device": f"cpu, {_processor()}",
        "cores": n_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages if find_spec(name)},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")
