"""What the cache costs a first run, and what a rerun over an unchanged corpus takes.

    python benchmarks/rerun.py [DIRECTORY] [--documents 1000] [--rounds 2]

Runs ``qgbatch run`` as a process of its own, start-up included, over a directory of text
files, or over that many variations of paragraphs of ``samples/``: with an empty cache,
without one, and again with the full one. Rounds are interleaved and begin with each in
turn; the table has medians.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent.parent / "samples"


def make_documents(directory: Path, n_documents: int) -> None:
    """Documents of three paragraphs of ``samples/``, each with a number in it that no other has."""
    draw = random.Random(5)
    paragraphs = [
        paragraph
        for path in sorted(SAMPLES.glob("*.txt"))
        for paragraph in path.read_text(encoding="utf-8").split("\n\n")
        if len(paragraph) > 400
    ]
    directory.mkdir()
    for number in range(n_documents):
        drawn = draw.sample(paragraphs, 3)
        text = "\n\n".join(p.replace(". ", f". In case {number}, ") for p in drawn)
        (directory / f"{number}.txt").write_text(text, encoding="utf-8")


def run(docs: Path, place: Path, *words: str) -> tuple[float, dict[str, Any]]:
    """Wall seconds of a run, and its report."""
    report = place / "report.json"
    command = [sys.executable, "-m", "qgbatch", "run", str(docs), "-o", str(place / "q.parquet")]
    start = time.perf_counter()
    subprocess.run([*command, "--report", str(report), "-q", *words], check=True)
    return time.perf_counter() - start, json.loads(report.read_text(encoding="utf-8"))


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {"first run": [], "without a cache": [], "rerun": []}
    in_cache: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        docs = arguments.directory or place / "docs"
        if not arguments.directory:
            make_documents(docs, arguments.documents)
        run(SAMPLES, place, "--cache-dir", str(place / "warm"))  # what is read is in memory
        for number in range(arguments.rounds):
            cache = ("--cache-dir", str(place / f"cache{number}"))
            run(SAMPLES / "tea.md", place, *cache)  # the model is converted
            kinds = ["without a cache", "first run", "rerun"]
            for kind in kinds if number % 2 == 0 else [*kinds[1:], kinds[0]]:
                wall, report = run(docs, place, *cache, *(["--no-cache"] if kind == kinds[0] else []))
                seconds[kind].append(wall)
                if kind == "first run":
                    in_cache.append(report["seconds"]["cache"])
            size = sum(path.stat().st_size for path in (place / f"cache{number}").glob("results-*"))
    print(
        f"{report['n_documents']:,} documents, {report['n_chunks']:,} chunks, mini, "
        f"{arguments.rounds} rounds; the cache takes {size / 1e6:.1f} MB.\n"
    )
    print("| | seconds, median (min to max) | of the first run |\n|---|---|---|")
    base = statistics.median(seconds["first run"])
    for kind, values in [*seconds.items(), ("first run, inside the cache", in_cache)]:
        median = statistics.median(values)
        print(f"| {kind} | {median:.2f} ({min(values):.2f} to {max(values):.2f}) | {median / base:.2%} |")


if __name__ == "__main__":
    main()
