"""Measures how many human-written questions the filters drop; most of them should be kept.

python benchmarks/filters.py SQUAD.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from measuring import show

from qgbatch.questions.filters import grounding, is_standalone, is_well_formed_english


def main() -> None:
    """Count and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("squad", type=Path)
    articles = json.loads(parser.parse_args().squad.read_text(encoding="utf-8"))["data"]
    pairs = [
        (qa["question"].strip(), paragraph["context"])
        for article in articles
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    dropped = {
        "--well-formed": [q for q, _ in pairs if not is_well_formed_english(q)],
        "--standalone": [q for q, _ in pairs if not is_standalone(q)],
        "--min-grounding 0.5": [q for q, text in pairs if grounding(q, text, "english") < 0.5],
    }
    rows = [
        {
            "filter": name,
            "drops": f"{len(questions) / len(pairs):.1%}",
            "such as": questions[0] if questions else "",
        }
        for name, questions in dropped.items()
    ]
    show(f"{len(pairs):,} human-written questions", rows)


if __name__ == "__main__":
    main()
