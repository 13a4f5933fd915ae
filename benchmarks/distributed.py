"""What ``--runner ray`` costs beside a local run, and what more workers give.

    python benchmarks/distributed.py [--documents 200] [--rounds 2]

Runs ``qgbatch run`` as a process of its own, start-up included, over made documents without a
cache: here and on Ray, with both cores for one process and with one core each. Rounds are
interleaved. "While generating" leaves out what starts and ends the run.
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
"""What each adds to the command line, and the threads of a process."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=200)
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
    title = f"{arguments.documents:,} documents, {n_chunks:,} chunks, mini"
    show(title, rows, rounds=arguments.rounds, precision="int8")


if __name__ == "__main__":
    main()
