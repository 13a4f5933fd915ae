"""Measures time and peak memory of runs over corpora that grow tenfold.

    python benchmarks/scale.py [--documents 10 100 1000 10000 100000] [--rounds 1] [--picture FILE.svg]

Runs ``qgbatch run`` as a new process, start-up included, over short documents of one chunk: with an empty
cache, again with the full one, and with an empty cache and ``--dedupe-scope corpus``. Words of the chunks
take the place of what the model writes, because its time only depends on the number of chunks.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpus import make_short_documents
from measuring import FAKE_RUN, Usage, run_python, show, spread

FIRST, AGAIN, CORPUS = "first run", "rerun", "first run, duplicates of the corpus"
UNTIL_STORED_S = 3
"""Seconds. The rows of a file are only stored if its last change is at least two seconds old."""


def main() -> None:
    """Measure, print the table and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[10**n for n in range(1, 6)])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    measured: dict[tuple[int, str], list[Usage]] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for n_documents in arguments.documents:
            docs = place / f"{n_documents}"
            make_short_documents(docs, n_documents)
            time.sleep(UNTIL_STORED_S)
            for _ in range(arguments.rounds):
                for contender, usage in measure(docs, place).items():
                    measured.setdefault((n_documents, contender), []).append(usage)
    rows = [
        {
            "documents": f"{n_documents:,}",
            "": contender,
            "seconds, median (min to max)": spread([usage.seconds for usage in usages], 1),
            "ms per document": f"{1000 * median_seconds(usages) / n_documents:.2f}",
            "peak MiB": round(max(usage.peak_mib for usage in usages)),
        }
        for (n_documents, contender), usages in measured.items()
    ]
    show("Runs over growing corpora, a fake engine", rows, rounds=arguments.rounds)
    if arguments.picture:
        draw(measured, arguments.picture)


def measure(docs: Path, place: Path) -> dict[str, Usage]:
    """Run over documents, first with an empty cache."""

    def run(*words: str) -> Usage:
        out = str(place / "q.parquet")
        return run_python("-c", FAKE_RUN, "run", str(docs), "-o", out, "-q", "--min-score", "0", *words)

    with tempfile.TemporaryDirectory(dir=place) as cache, tempfile.TemporaryDirectory(dir=place) as other:
        return {
            FIRST: run("--cache-dir", cache),
            AGAIN: run("--cache-dir", cache),
            CORPUS: run("--cache-dir", other, "--dedupe-scope", "corpus"),
        }


def median_seconds(usages: Sequence[Usage]) -> float:
    """Return the median of the wall times."""
    return statistics.median(usage.seconds for usage in usages)


def draw(measured: dict[tuple[int, str], list[Usage]], path: Path) -> None:
    """Draw time and peak memory over the number of documents, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "qgbatch"  # the same bytes for the same figures
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for contender in (FIRST, AGAIN, CORPUS):
        points = [(n, usages) for (n, name), usages in measured.items() if name == contender]
        x = [n for n, _ in points]
        axes[0].plot(x, [median_seconds(usages) for _, usages in points], marker="o", label=contender)
        peaks = [max(usage.peak_mib for usage in usages) for _, usages in points]
        axes[1].plot(x, peaks, marker="o", label=contender)
    details: list[tuple[Any, str]] = [(axes[0], "seconds"), (axes[1], "peak memory, MiB")]
    for each, label in details:
        each.set(xscale="log", xlabel="documents", ylabel=label)
        each.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[1].set_ylim(bottom=0)
    axes[0].legend()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
