"""Measures the start-up time of whole processes, from ``--version`` to a cached rerun.

    python benchmarks/startup.py [--rounds 5]

Runs over ``samples/``. "Again" means that all results are in the cache; "first" means that only
the converted model is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from measuring import SAMPLES, interleave, run_python, show, spread


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        full, empty = str(place / "full"), place / "empty"

        def run(source: Path, output: str, cache: str) -> float:
            words = ["-m", "qgbatch", "run", str(source), "-o", str(place / output), "-q"]
            return run_python(*words, "--cache-dir", cache).seconds

        def first_run() -> float:
            for path in empty.glob("results-*"):
                path.unlink()
            return run(SAMPLES / "tea.md", "first.jsonl", str(empty))

        contenders: dict[str, Callable[[], float]] = {
            "`python -c pass`": lambda: run_python("-c", "pass").seconds,
            "`qgbatch --version`": lambda: run_python("-m", "qgbatch", "--version").seconds,
            "`qgbatch run --help`": lambda: run_python("-m", "qgbatch", "run", "--help").seconds,
            "one document, first": first_run,
            "samples/ again, to JSONL": lambda: run(SAMPLES, "again.jsonl", full),
            "samples/ again, to Parquet": lambda: run(SAMPLES, "again.parquet", full),
        }
        run(SAMPLES, "again.parquet", full)
        first_run()
        seconds = interleave(contenders, arguments.rounds)
    rows = [{"": key, "seconds, median (min to max)": spread(values)} for key, values in seconds.items()]
    show("Start-up, small", rows, rounds=arguments.rounds, precision="int8")


if __name__ == "__main__":
    main()
