"""Measures the start-up time of whole processes, from ``--help`` to a cached rerun, and where it goes.

    python benchmarks/startup.py [--rounds 5]

"Again" means that all results are in the cache; "first" means that only the converted model is, and
"very first" that nothing is. The second table divides a first run over one short document into its
parts, one after the other in a process of its own; what a run does besides is the rest.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measuring import SAMPLES, interleave, run_python, show, spread

PARTS = """
import json, sys, time
seconds = {}

def note(part):
    global last
    now = time.perf_counter()
    seconds[part], last = now - last, now

last = time.perf_counter()
import qgbatch.cli.run, qgbatch.pipeline.api
from qgbatch.chunking import sentences
from qgbatch.engines import choice
from qgbatch.pipeline.components import Components
from qgbatch.readers.reading import read_document
from qgbatch.settings import CacheSettings, Settings
note("imports of qgbatch and Click")
import tokenizers, ctranslate2
note("imports of tokenizers and CTranslate2")
components = Components.find(Settings(), CacheSettings(cache_dir=sys.argv[2]).directory)
note("find the model")
components.tokenizer
note("tokenizer")
components.split_sentences
note("sentence splitter")
components.engine
note("model")
chunks = list(components.chunks(read_document(sys.argv[1])))
note("chunks")
list(components.generate(components.batches([chunk.input_ids for chunk in chunks])))
note("generation")
print(json.dumps(seconds))
"""


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        full, empty, short = str(place / "full"), place / "empty", place / "short.txt"
        paragraphs = (SAMPLES / "lighthouses.txt").read_text(encoding="utf-8").split("\n\n")
        short.write_text(next(text for text in paragraphs if len(text) > 200), encoding="utf-8")
        parts: dict[str, list[float]] = {}

        def run(source: Path, output: str, cache: str) -> float:
            words = ["-m", "qgbatch", "run", str(source), "-o", str(place / output), "-q"]
            return run_python(*words, "--cache-dir", cache).seconds

        def first_run() -> float:
            for path in empty.glob("results-*"):
                path.unlink()
            return run(short, "first.jsonl", str(empty))

        def very_first_run() -> float:
            shutil.rmtree(place / "none", ignore_errors=True)
            return run(short, "very-first.jsonl", str(place / "none"))

        def measure_parts() -> float:
            seconds, whole = _parts(short, empty)
            for part, value in {
                "Python itself, its end included": whole - sum(seconds.values()),
                **seconds,
            }.items():
                parts.setdefault(part, []).append(value)
            return whole

        contenders: dict[str, Callable[[], float]] = {
            "`python -c pass`": lambda: run_python("-c", "pass").seconds,
            "`python -c 'import click'`": lambda: run_python("-c", "import click").seconds,
            "`qgbatch --help`": lambda: run_python("-m", "qgbatch", "--help").seconds,
            "`qgbatch run --help`": lambda: run_python("-m", "qgbatch", "run", "--help").seconds,
            "one short document, very first": very_first_run,
            "one short document, first": first_run,
            "its parts, without the rest": measure_parts,
            "samples/ again, to JSONL": lambda: run(SAMPLES, "again.jsonl", full),
            "samples/ again, to Parquet": lambda: run(SAMPLES, "again.parquet", full),
        }
        run(SAMPLES, "again.parquet", full)
        first_run()
        measured = interleave(contenders, arguments.rounds)
    column = "seconds, median (min to max)"
    rows = [{"": key, column: spread(values)} for key, values in measured.items()]
    show("Start-up, small", rows, rounds=arguments.rounds, precision="int8")
    rows = [{"": key, column: spread(values, 3)} for key, values in parts.items()]
    show("Parts of a first run over one short document", rows, rounds=arguments.rounds, precision="int8")


def _parts(document: Path, cache: Path) -> tuple[dict[str, float], float]:
    """Return the seconds of the parts of a run, and of the whole process that they were measured in."""
    start = time.perf_counter()
    output = subprocess.check_output([sys.executable, "-c", PARTS, str(document), str(cache)], text=True)
    whole = time.perf_counter() - start
    seconds: dict[str, float] = json.loads(output)
    return seconds, whole


if __name__ == "__main__":
    main()
