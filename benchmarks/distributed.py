"""Measures the cost of ``--runner ray`` compared with a local run, and the gain of more workers.

    python benchmarks/distributed.py [--documents 50] [--rounds 2]

Runs ``qgbatch run`` as a new process, start-up included, over generated documents without a
cache: locally and on Ray, with both cores for one process and with one core per process. Rounds
are interleaved. "While generating" excludes the start and the end of a run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from corpus import make_documents
from measuring import interleave, run_python, show, spread

CONTENDERS: dict[str, tuple[list[str], str]] = {
    "local, two cores": ([], "2"),
    "Ray, one worker with two cores": (["--runner", "ray", "--num-workers", "1"], "2"),
    "local, one core": ([], "1"),
    "Ray, one worker with one core": (["--runner", "ray", "--num-workers", "1"], "1"),
    "Ray, two workers with one core each": (["--runner", "ray", "--num-workers", "2"], "1"),
}
"""Additional words of each command line, and the number of threads per process."""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    n_chunks = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make_documents(place / "docs", arguments.documents)

        def contender(name: str) -> Callable[[], float]:
            words, threads = CONTENDERS[name]

            def run() -> float:
                nonlocal n_chunks
                report, output = place / "report.json", place / ("parts" if words else "q.parquet")
                shutil.rmtree(place / "parts", ignore_errors=True)
                os.environ["OMP_NUM_THREADS"] = threads
                command = ["-m", "qgbatch", "run", str(place / "docs"), "-o", str(output), "--no-cache"]
                took = run_python(*command, "-q", "--report", str(report), *words).seconds
                counts = json.loads(report.read_text(encoding="utf-8"))
                n_chunks = counts["n_chunks"]
                generating = counts["seconds"]["generate"] / counts["workers"]
                rates[name].append(counts["n_generated"] / generating)
                return took

            return run

        seconds = interleave({name: contender(name) for name in CONTENDERS}, arguments.rounds)
    rows = [
        {
            "": name,
            "seconds, median (min to max)": spread(seconds[name], 1),
            "chunks/s of all": f"{n_chunks / statistics.median(seconds[name]):.1f}",
            "chunks/s while generating": spread(rates[name], 1),
        }
        for name in CONTENDERS
    ]
    title = f"{arguments.documents:,} documents, {n_chunks:,} chunks, small"
    show(title, rows, rounds=arguments.rounds, precision="int8")


if __name__ == "__main__":
    main()
