"""Measures runs that share a machine, and numbers of workers under the processor quota of a container.

    python benchmarks/sharing.py [--documents 20] [--rounds 5] [--group DIRECTORY]

Whole runs of ``small`` with an empty cache and a converted model; the rounds are interleaved. Two runs at
the same time should take twice as long as one. ``--group`` names a control group with a quota; runs in it
are then measured with each number of workers. For a quota of one and a half cores, as root (version 1)::

    mkdir /sys/fs/cgroup/cpu/limited
    echo 150000 > /sys/fs/cgroup/cpu/limited/cpu.cfs_quota_us
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corpus import make_documents
from measuring import interleave, run_python, show, spread

from qgbatch.engines.cores import n_cores

RUN = """
import os, sys
from pathlib import Path
group, n_workers = sys.argv.pop(1), int(sys.argv.pop(1))
if group:
    Path(group, "cgroup.procs").write_text(str(os.getpid()))
from qgbatch.cli import main
if n_workers:
    from qgbatch.engines import ctranslate2
    ctranslate2.n_cores = lambda: n_workers
main()
"""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--group", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make_documents(place / "docs", arguments.documents)

        def run(number: int, *, group: str = "", n_workers: int = 0) -> float:
            words = ["run", str(place / "docs"), "-o", str(place / f"{number}.jsonl"), "-q", "--no-cache"]
            words += ["--cache-dir", str(place / "cache")]
            return run_python("-c", RUN, group, str(n_workers), *words).seconds

        def both() -> float:
            with ThreadPoolExecutor(2) as pool:
                return max(pool.map(run, (0, 1)))

        def limited(n_workers: int) -> Callable[[], float]:
            return lambda: run(0, group=arguments.group, n_workers=n_workers)

        run(0)  # converts the model
        contenders: dict[str, Callable[[], float]] = {"one run": lambda: run(0), "two at once": both}
        if arguments.group:
            contenders["in the group, default"] = limited(0)
            contenders |= {
                f"in the group, workers: {number}": limited(number) for number in range(1, n_cores() + 1)
            }
        seconds = interleave(contenders, arguments.rounds)
    base = statistics.median(seconds["one run"])
    rows = [
        {
            "": key,
            "seconds, median (min to max)": spread(values),
            "vs. one run": f"{statistics.median(values) / base:.2f}",
        }
        for key, values in seconds.items()
    ]
    show(f"{arguments.documents} documents, small", rows, rounds=arguments.rounds, precision="int8")


if __name__ == "__main__":
    main()
