"""Measures time and memory to find duplicates among up to a million questions.

    python benchmarks/dedupe.py [--questions 10000 100000 1000000]

The questions are made of words from ``samples/`` with a fixed seed. Four in five are new, one in
ten repeats an earlier question in other case and punctuation, and one in ten is an earlier
question with other function words or endings. Each size and method runs in a new process, whose
peak memory includes the questions, the interpreter and the imported modules.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import SAMPLES, run_python, show, spread

from qgbatch.questions.dedupe import find_duplicates
from qgbatch.settings import DedupeMethod

_ASKING = ("What is", "Who made", "When did people use", "Where is", "How does one see", "Why is there")
_RELATION = ("of", "in", "near", "before", "under", "without", "made of", "known for")


def make_questions(n_questions: int) -> Iterator[str]:
    """Yield questions with two to four words from ``samples/``, a third of them with a year or a name."""
    rng = random.Random(7)
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted(SAMPLES.glob("*.txt")))
    vocabulary = sorted(set(re.findall(r"\b[a-z]{4,}\b", text)))
    names = sorted(set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b", text)))
    made: list[str] = []
    for _ in range(n_questions):
        kind = rng.random() if made else 1.0
        if kind < 0.1:
            yield rng.choice(made).upper().replace("?", " ?")
            continue
        if kind < 0.2:
            asking, _, rest = rng.choice(made).partition(" the ")
            yield f"{asking} a {rest}".replace(" of ", " of the ")
            continue
        nouns = rng.sample(vocabulary, rng.randint(2, 4))
        question = f"{rng.choice(_ASKING)} the {f' {rng.choice(_RELATION)} the '.join(nouns)}"
        if rng.random() < 1 / 3:
            question += f" in {rng.choice([str(rng.randint(1600, 2026)), rng.choice(names)])}"
        if len(made) < 100_000:  # more would take most of the measured memory
            made.append(f"{question}?")
        yield f"{question}?"


def measure(n_questions: int, method: DedupeMethod) -> dict[str, float]:
    """Return the seconds of one search, and the number of dropped questions by reason."""
    questions = list(make_questions(n_questions))
    rng = random.Random(8)
    scores = [round(-rng.random(), 4) for _ in questions]
    start = time.perf_counter()
    duplicates = find_duplicates(questions, scores, method, 0.9)
    took = time.perf_counter() - start
    reasons = [duplicate.reason for duplicate in duplicates.values()]
    return {
        "seconds": took,
        "duplicate": reasons.count("duplicate"),
        "near_duplicate": reasons.count("near_duplicate"),
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # for the processes that it starts
    arguments = parser.parse_args()
    if arguments.one:
        size, method, path = arguments.one
        Path(path).write_text(json.dumps(measure(int(size), method)), encoding="utf-8")
        return
    rows = []
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "result.json"
        for size in arguments.questions:
            for method in ("exact", "near"):
                took, peaks = [], []
                for _ in range(arguments.rounds):
                    usage = run_python(sys.argv[0], "--one", str(size), method, str(result))
                    counts = json.loads(result.read_text(encoding="utf-8"))
                    took.append(counts.pop("seconds"))
                    peaks.append(usage.peak_mib)
                row = {
                    "questions": f"{size:,}",
                    "method": method,
                    "seconds, median (min to max)": spread(took),
                }
                rows.append({**row, "peak MiB": round(max(peaks)), **counts})
    show("Finding duplicates in corpus scope", rows, rounds=arguments.rounds)


if __name__ == "__main__":
    main()
