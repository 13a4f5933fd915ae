"""Measures the filters on labelled questions, and how many human-written questions they drop.

python benchmarks/filters.py [SQUAD.json] [--show PART]

The labelled questions are in tests/cases/filters. The rules were improved by looking at the part
``development`` only; the part ``held-out`` says how they do on other questions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from measuring import show

from qgbatch.questions.filters import grounding
from qgbatch.questions.form import is_well_formed_english
from qgbatch.questions.standalone import is_standalone

LABELLED = Path(__file__).parent.parent / "tests" / "cases" / "filters"
PARTS = ("development", "held-out")

Row = dict[str, Any]
"""A question, its label ``good``, its ``part``, and for grounding its ``text``."""

FILTERS: dict[str, tuple[str, Callable[[Row], bool]]] = {
    "--well-formed": ("well_formed", lambda row: is_well_formed_english(row["question"])),
    "--standalone": ("standalone", lambda row: is_standalone(row["question"])),
    "--min-grounding 0.5": (
        "grounding",
        lambda row: grounding(row["question"], row["text"], "english") >= 0.5,
    ),
}
"""By option: the file of labelled questions, and whether the filter keeps a row."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("squad", type=Path, nargs="?", help="development set of SQuAD 1.1")
    parser.add_argument("--show", choices=PARTS, help="also print the wrong decisions of a part")
    arguments = parser.parse_args()
    rows = []
    for option, (name, keeps) in FILTERS.items():
        labelled = read_labelled(name)
        for part in PARTS:
            chosen = [row for row in labelled if row["part"] == part]
            rows.append({"filter": option, "part": part, **measure(chosen, keeps)})
            if part == arguments.show:
                print_mistakes(chosen, keeps)
    show("Labelled questions", rows)
    if arguments.squad:
        pairs = read_squad(arguments.squad)
        shares = [dropped_share(option, pairs) for option in FILTERS]
        show(f"{len(pairs):,} human-written questions", shares)


def read_labelled(name: str) -> list[Row]:
    """Return the labelled questions for a filter."""
    lines = (LABELLED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def measure(rows: Sequence[Row], keeps: Callable[[Row], bool]) -> dict[str, str]:
    """Return how well a filter finds bad questions.

    Precision is the share of the dropped questions that are bad, recall the share of the bad
    questions that are dropped.
    """
    dropped = [row for row in rows if not keeps(row)]
    n_bad = sum(not row["good"] for row in rows)
    n_found = sum(not row["good"] for row in dropped)
    return {
        "good": str(len(rows) - n_bad),
        "bad": str(n_bad),
        "precision": f"{n_found / len(dropped):.1%}",
        "recall": f"{n_found / n_bad:.1%}",
    }


def print_mistakes(rows: Sequence[Row], keeps: Callable[[Row], bool]) -> None:
    """Print the questions that a filter drops or keeps wrongly."""
    for row in rows:
        if keeps(row) != row["good"]:
            print("wrongly", "dropped:" if row["good"] else "kept:   ", row["question"])


def read_squad(path: Path) -> list[Row]:
    """Return the questions of SQuAD with their paragraphs."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [
        {"question": qa["question"].strip(), "text": paragraph["context"]}
        for article in articles
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]


def dropped_share(option: str, rows: Sequence[Row]) -> dict[str, str]:
    """Return the share of questions that a filter drops, and the first of them."""
    _, keeps = FILTERS[option]
    dropped = [row["question"] for row in rows if not keeps(row)]
    return {"filter": option, "drops": f"{len(dropped) / len(rows):.1%}", "such as": "".join(dropped[:1])}


if __name__ == "__main__":
    main()
