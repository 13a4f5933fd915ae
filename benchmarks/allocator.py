"""Measures what it saves that glibc keeps freed memory: processor time, page faults and peak memory.

    python benchmarks/allocator.py [--model small|t5-small|t5-base] [--documents 30] [--rounds 5]

Whole runs over documents of about ten chunks with an empty cache and a converted model. The rounds are
interleaved. "As glibc does" runs the same code without :mod:`qgbatch.engines.allocator`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from corpus import make_documents
from measuring import Usage, interleave, run_python, show, spread

SHAPES = ("t5-small", "t5-base")
# In a process of its own, because a child begins with the peak memory of its parent.
MAKE_MODEL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from shapes import make_model
make_model(sys.argv[2], Path(sys.argv[3]), 64)
"""
RUN = "from qgbatch.cli import main; main()"
WITHOUT = f"from qgbatch.engines import ctranslate2; ctranslate2.keep_freed_memory = lambda: None; {RUN}"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", choices=["small", *SHAPES], default="small")
    parser.add_argument("--documents", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make_documents(place / "docs", arguments.documents)
        model = arguments.model
        if model in SHAPES:
            run_python("-c", MAKE_MODEL, str(Path(__file__).parent), model, str(place))
            model = str(place / model)
        usages: dict[str, list[Usage]] = {"as glibc does": [], "kept": []}

        def run(contender: str, program: str) -> Callable[[], float]:
            words = ["run", str(place / "docs"), "-o", str(place / "q.jsonl"), "-q", "--no-cache"]
            words += ["--model", model, "--cache-dir", str(place / "cache")]

            def measure() -> float:
                usages[contender].append(run_python("-c", program, *words))
                return usages[contender][-1].cpu_seconds

            return measure

        contenders = {"as glibc does": run("as glibc does", WITHOUT), "kept": run("kept", RUN)}
        contenders["kept"]()  # converts the model
        usages["kept"].clear()
        interleave(contenders, arguments.rounds)
    rows = [
        {
            "freed memory": contender,
            "processor time, s": spread([usage.cpu_seconds for usage in measured]),
            "of it in the system, s": spread([usage.system_seconds for usage in measured]),
            "page faults": f"{statistics.median(usage.page_faults for usage in measured):,.0f}",
            "peak MiB": spread([usage.peak_mib for usage in measured], 0),
        }
        for contender, measured in usages.items()
    ]
    show(f"Allocator, {arguments.model}", rows, documents=arguments.documents, rounds=arguments.rounds)


if __name__ == "__main__":
    main()
