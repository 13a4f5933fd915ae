"""Measures time and peak memory of runs over corpora that grow tenfold.

    python benchmarks/scale.py [--documents 30 300 3000]

Runs ``qgbatch run`` with an empty cache as a new process, start-up included. The documents have
about ten chunks each, and no two chunks are equal. Outputs are short and greedy, so that the
benchmark takes minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from corpus import make_documents
from measuring import run_python, show, spread

FAST = ("--num-beams", "1", "--max-new-tokens", "8")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=[30, 300, 3000])
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        cache, report = place / "cache", place / "report.json"
        for n_documents in arguments.documents:
            docs = place / f"{n_documents}"
            make_documents(docs, n_documents)
            for scope in ("document", "corpus"):
                words = ["-m", "qgbatch", "run", str(docs), "-o", str(place / "q.parquet"), "-q", *FAST]
                words += ["--report", str(report), "--cache-dir", str(cache), "--dedupe-scope", scope]
                usages = []
                for _ in range(arguments.rounds):
                    for path in cache.glob("results-*"):  # the converted model stays
                        path.unlink()
                    usages.append(run_python(*words))
                counts = json.loads(report.read_text(encoding="utf-8"))
                rows.append(
                    {
                        "documents": f"{n_documents:,}",
                        "dedupe scope": scope,
                        "chunks": f"{counts['n_chunks']:,}",
                        "seconds, median (min to max)": spread([usage.seconds for usage in usages], 1),
                        "peak MiB": round(max(usage.peak_mib for usage in usages)),
                    }
                )
    show("Runs over growing corpora, small", rows, options=" ".join(FAST), precision="int8")


if __name__ == "__main__":
    main()
