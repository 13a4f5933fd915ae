"""Step 5: cut passages into the training examples of ``qgbatch finetune``, as JSONL.

    python models/recipe/passages.py --examples examples.jsonl --out passages.jsonl

An example has one to three sentences, as a chunk of the built-in model does, and all questions
about them. Whole passages of SQuAD are added, so that the model also works with longer chunks.
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
"""How many times a passage of a source is cut, each time at other places; once for other sources."""
SHARES = {"fairytaleqa": 0.6, "openstax-review+glossary": 0.5, "medquad": 0.3, "rules": 0.25}
"""Share of a source's examples that is kept, so that its style does not dominate."""
MAX_WHOLE_WORDS = 160
"""Maximum length of a whole passage in words; about 250 tokens."""


def main() -> None:
    """Cut all passages and write the examples in random order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    examples = [example for passage in read_jsonl(arguments.examples) for example in cut(passage, rng)]
    rng.shuffle(examples)
    with arguments.out.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(example, ensure_ascii=False) + "\n" for example in examples)
    print(len(examples), "examples", sum(len(example["questions"]) for example in examples), "questions")


def cut(passage: dict[str, Any], rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the examples of a passage: its pieces with questions and, for SQuAD, the whole passage."""
    sentences, source = passage["sentences"], passage["source"]
    for _ in range(N_CUTS.get(source, 1)):
        start = 0
        while start < len(sentences):
            end = start + rng.choice(WIDTHS)
            example = make_example(passage, start, end, rng)
            if example and rng.random() < SHARES.get(source, 1.0):
                yield example
            start = end
    short = sum(len(sentence.split()) for sentence in sentences) <= MAX_WHOLE_WORDS
    whole = make_example(passage, 0, len(sentences), rng)
    if source.startswith("squad") and len(sentences) > 3 and short and whole:
        yield whole


def make_example(
    passage: dict[str, Any], start: int, end: int, rng: random.Random
) -> dict[str, Any] | None:
    """Return sentences ``start`` to ``end`` (excluded) with their questions, or None without questions."""
    asked = [item for item in passage["questions"] if start <= item[0] < end]
    rng.shuffle(asked)
    questions = pick_different(sorted(asked, key=lambda item: item[0]), end - start)
    context = " ".join(passage["sentences"][start:end])
    return {"context": context, "questions": questions} if questions else None


if __name__ == "__main__":
    main()
