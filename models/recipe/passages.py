"""Step 5: passages -> the windows that ``qgbatch finetune`` learns from, as JSONL.

    python models/recipe/passages.py --examples examples.jsonl --out passages.jsonl

A window is what a chunk of the embedded model is: one to three sentences, with every
question about them. Whole passages of SQuAD come beside them, so that longer chunks work, too.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import read_jsonl
from training_pairs import WIDTHS, pick_different

N_CUTS = {"squad-v1.1-train-head": 3, "squad-v1.1-train-via-nqg": 2, "qamr": 2}
"""How many times a passage is cut into windows, each time elsewhere; others once."""
SHARES = {"fairytaleqa": 0.6, "openstax-review+glossary": 0.5, "medquad": 0.3, "rules": 0.25}
"""Share of a source's windows that is kept: its style should not become the model's."""
WHOLE_WORDS = 160
"""Longest whole passage, in words: some 250 tokens."""


def main() -> None:
    """Cut every passage and write the windows in random order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    windows = [window for passage in read_jsonl(arguments.examples) for window in cut(passage, rng)]
    rng.shuffle(windows)
    with arguments.out.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(window, ensure_ascii=False) + "\n" for window in windows)
    print(len(windows), "windows", sum(len(window["questions"]) for window in windows), "questions")


def cut(passage: dict[str, Any], rng: random.Random) -> Iterator[dict[str, Any]]:
    """The windows of a passage that have questions, and a passage of SQuAD as a whole."""
    sentences, source = passage["sentences"], passage["source"]
    for _ in range(N_CUTS.get(source, 1)):
        start = 0
        while start < len(sentences):
            end = start + rng.choice(WIDTHS)
            window = make_passage(passage, start, end, rng)
            if window and rng.random() < SHARES.get(source, 1.0):
                yield window
            start = end
    short = sum(len(sentence.split()) for sentence in sentences) <= WHOLE_WORDS
    whole = make_passage(passage, 0, len(sentences), rng)
    if source.startswith("squad") and len(sentences) > 3 and short and whole:
        yield whole


def make_passage(
    passage: dict[str, Any], start: int, end: int, rng: random.Random
) -> dict[str, Any] | None:
    """Sentences ``start`` to ``end`` with questions about them, or None where there is none."""
    asked = [item for item in passage["questions"] if start <= item[0] < end]
    rng.shuffle(asked)
    questions = pick_different(sorted(asked, key=lambda item: item[0]), end - start)
    context = " ".join(passage["sentences"][start:end])
    return {"context": context, "questions": questions} if questions else None


if __name__ == "__main__":
    main()
