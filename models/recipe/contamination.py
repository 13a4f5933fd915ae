r"""Step 4: check that no 13 consecutive words are both in the held-out set and in the training data.

    python models/recipe/contamination.py --heldout squad-dev-v1.1.json examples/*.jsonl

Exits with 1 and prints each place if there are any.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import read_jsonl

from qgbatch.training.data import read_split

WORD = re.compile(r"[^\W_]+")
N_WORDS = 13
"""As in the contamination analysis of GPT-3 (Brown et al. 2020)."""


def main() -> int:
    """Compare each file with the held-out set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--heldout", required=True, help="SQuAD's JSON")
    parser.add_argument("files", type=Path, nargs="+", help="JSONL (.xz) of training data")
    arguments = parser.parse_args()
    split = read_split(arguments.heldout)
    held_out = {ngram for paragraph in split.paragraphs for ngram in ngrams(paragraph.context)}
    held_out |= {
        ngram for paragraph in split.paragraphs for text in paragraph.questions for ngram in ngrams(text)
    }
    n_shared = 0
    for path in arguments.files:
        for number, row in enumerate(read_jsonl(path), 1):
            for text in texts(row):
                shared = held_out.intersection(ngrams(text))
                n_shared += len(shared)
                if shared:
                    print(f"{path}, line {number}: {min(shared)}")
    print(
        f"{n_shared} of {len(held_out):,} sequences of {N_WORDS} words are in {len(arguments.files)} files"
    )
    return 1 if n_shared else 0


def texts(row: Any) -> Iterator[str]:
    """Yield the text of an example with the text before it, and its questions."""
    yield f"{row.get('context', '')} {row['text']}"
    yield from (question for question, _ in row.get("questions", []))


def ngrams(text: str) -> set[str]:
    """Return all sequences of :data:`N_WORDS` consecutive words, without case and punctuation."""
    words = WORD.findall(text.lower())
    return {" ".join(words[start : start + N_WORDS]) for start in range(len(words) - N_WORDS + 1)}


if __name__ == "__main__":
    sys.exit(main())
