"""Step 2: prove that the held-out set is not trained on: no 13 words in a row are in both.

    python models/recipe/contamination.py --heldout squad-dev-v1.1.json corpus.jsonl.xz examples.jsonl

Exits with 1, and names the places, where some are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import WORD, read_jsonl

from qgbatch.training.data import read_split

N_WORDS = 13
"""As in the contamination analysis of GPT-3 (Brown et al. 2020)."""


def main() -> int:
    """Compare each file with the held-out set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--heldout", required=True, help="SQuAD's JSON")
    parser.add_argument("files", type=Path, nargs="+", help="JSONL (.xz) that is trained on")
    arguments = parser.parse_args()
    split = read_split(arguments.heldout)
    held_out = {gram for paragraph in split.paragraphs for gram in grams(paragraph.context)}
    held_out |= {
        gram for paragraph in split.paragraphs for text in paragraph.questions for gram in grams(text)
    }
    n_shared = 0
    for path in arguments.files:
        for number, row in enumerate(read_jsonl(path), 1):
            for text in texts(row):
                shared = held_out.intersection(grams(text))
                n_shared += len(shared)
                if shared:
                    print(f"{path}, line {number}: {min(shared)}")
    print(f"{n_shared} of {len(held_out):,} runs of {N_WORDS} words are in {len(arguments.files)} files")
    return 1 if n_shared else 0


def texts(row: Any) -> Iterator[str]:
    """The running text of a line, and its questions."""
    yield row["text"] if "text" in row else " ".join(row["sentences"])
    yield from (question for _, question in row.get("questions", []))


def grams(text: str) -> set[str]:
    """All runs of :data:`N_WORDS` words, without case and punctuation."""
    words = WORD.findall(text.lower())
    return {" ".join(words[start : start + N_WORDS]) for start in range(len(words) - N_WORDS + 1)}


if __name__ == "__main__":
    sys.exit(main())
