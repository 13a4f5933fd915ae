"""Measures the cost of the cache in a first run, and the time of a rerun over an unchanged corpus.

    python benchmarks/rerun.py [DIRECTORY] [--documents 200] [--rounds 2] [--fake-engine]

Runs ``qgbatch run`` as a new process, start-up included, over a directory of text files or over
generated documents: with an empty cache, without a cache, and again with the full cache. Rounds
are interleaved and start with each contender in turn; the table shows medians. With --fake-engine,
words of the chunks take the place of what the model writes: then a corpus of any size is ready in minutes,
and the first run only says how long everything except the model takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from corpus import make_documents
from measuring import FAKE_RUN, interleave, run_python, show, spread


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--fake-engine", action="store_true")
    arguments = parser.parse_args()
    in_cache: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        cache, report = place / "cache", place / "report.json"
        docs = arguments.directory or place / "docs"
        if not arguments.directory:
            make_documents(docs, arguments.documents)

        def run(source: Path, *words: str) -> float:
            module = ["-c", FAKE_RUN] if arguments.fake_engine else ["-m", "qgbatch"]
            command = [*module, "run", str(source), "-o", str(place / "q.parquet"), "-q"]
            return run_python(*command, "--cache-dir", str(cache), "--report", str(report), *words).seconds

        def first_run() -> float:
            for path in cache.glob("results-*"):  # the converted model stays
                path.unlink()
            took = run(docs)
            in_cache.append(counts()["seconds"]["cache"])
            return took

        def counts() -> dict[str, Any]:
            record: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
            return record

        first_run()
        in_cache.clear()
        seconds = interleave(
            {
                "first run": first_run,
                "without a cache": lambda: run(docs, "--no-cache"),
                "rerun": lambda: run(docs),
            },
            arguments.rounds,
        )
        size = sum(path.stat().st_size for path in cache.glob("results-*"))
        n_documents, n_chunks = counts()["n_documents"], counts()["n_chunks"]
    seconds["part of the first run spent in the cache"] = in_cache
    base = statistics.median(seconds["first run"])
    rows = [
        {
            "": key,
            "seconds, median (min to max)": spread(values),
            "vs. the first run": f"{statistics.median(values) / base:.2%}",
        }
        for key, values in seconds.items()
    ]
    model = "a fake engine" if arguments.fake_engine else "small"
    title = f"{n_documents:,} documents, {n_chunks:,} chunks, {model}; the cache takes {size / 1e6:.1f} MB"
    show(title, rows, rounds=arguments.rounds, precision="int8")


if __name__ == "__main__":
    main()
