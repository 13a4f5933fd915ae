"""Peak memory of a run over corpora of growing size.

    python benchmarks/memory.py [--copies 1 10 100]

Runs ``qgbatch run`` in a process of its own over that many copies of ``samples/``, with
short greedy outputs so that it takes minutes, and prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "samples"
FAST = ["--num-beams", "1", "--max-new-tokens", "8", "--no-cache", "-q"]


def measure(n_copies: int, scope: str) -> tuple[int, int, float]:
    """Chunks, questions written and peak resident memory in MiB of one run."""
    with tempfile.TemporaryDirectory() as place:
        docs = Path(place) / "docs"
        for number in range(n_copies):
            shutil.copytree(SAMPLES, docs / str(number))
        report = Path(place) / "report.json"
        words = [sys.executable, "-m", "qgbatch", "run", str(docs), "-o", f"{place}/q.parquet"]
        words += ["--report", str(report), "--dedupe-scope", scope, *FAST]
        pid = os.posix_spawn(sys.executable, words, os.environ)
        _, status, usage = os.wait4(pid, 0)
        if status:
            raise SystemExit(f"the run failed: {words}")
        counts = json.loads(report.read_text(encoding="utf-8"))
        return counts["n_chunks"], counts["n_written"], usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10, 100])
    arguments = parser.parse_args()
    print(
        "| copies of samples/ | dedupe scope | chunks | questions | peak memory, MiB |\n"
        "|---|---|---|---|---|"
    )
    for n_copies in arguments.copies:
        for scope in ("document", "corpus"):
            n_chunks, n_written, peak = measure(n_copies, scope)
            print(f"| {n_copies} | {scope} | {n_chunks:,} | {n_written:,} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
