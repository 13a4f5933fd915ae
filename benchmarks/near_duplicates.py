"""Measures ``--dedupe near`` on pairs of questions that are labelled as the same or different.

    python benchmarks/near_duplicates.py

The pairs are in ``tests/cases/near_duplicates.json``. The questions of a pair that is the same have the
same answer. Those of a different pair look alike, but swap roles, directions, tenses or similar words.
"""

from __future__ import annotations

import json
from pathlib import Path

from measuring import show

from qgbatch.questions.dedupe import find_duplicates

PAIRS = Path(__file__).parent.parent / "tests" / "cases" / "near_duplicates.json"


def main() -> None:
    """Measure and print the table."""
    pairs = json.loads(PAIRS.read_text(encoding="utf-8"))
    rows = []
    for threshold in (0.8, 0.9, 1.0):
        same, different = (
            sum(bool(find_duplicates(pair, [0.0, 0.0], "near", threshold)) for pair in pairs[label])
            for label in ("same", "different")
        )
        rows.append(
            {
                "--near-threshold": threshold,
                "precision": f"{same / (same + different or 1):.2f}",
                "recall": f"{same / len(pairs['same']):.2f}",
            }
        )
    show(f"{len(pairs['same'])} pairs that are the same, {len(pairs['different'])} that are not", rows)


if __name__ == "__main__":
    main()
