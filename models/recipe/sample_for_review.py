r"""Step 7: sample questions of a model for review, as CSV with empty columns for the ratings.

    python models/recipe/sample_for_review.py --model DIR --samples samples \
        --heldout squad-dev-v1.1.json --out questions-for-review.csv

Samples a hundred questions about the English documents in ``samples/``, and one question for each
of a hundred held-out paragraphs. The same seed gives the same paragraphs for every model.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections import defaultdict
from pathlib import Path

import qgbatch
from qgbatch.training.data import read_split

SEED = 42
N_SAMPLES = 100
RATINGS = ("fluent", "answerable", "specific")


def main() -> None:
    """Generate and sample questions, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--heldout", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    drawn = [
        *sample_from_documents(arguments.model, arguments.samples),
        *sample_from_paragraphs(arguments.model, arguments.heldout),
    ]
    with arguments.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", "question", *RATINGS, "chunk"])
        for question in drawn:
            chunk = question.chunk
            writer.writerow(
                [chunk.document.source, question.question, "", "", "", " ".join(chunk.text.split())]
            )


def sample_from_documents(model: str, samples: Path) -> list[qgbatch.Question]:
    """A hundred of all questions about the English samples."""
    files = sorted(path for path in samples.iterdir() if path.name != "fluesse.txt")
    documents = [qgbatch.Document.from_text(path.read_text(encoding="utf-8"), path.name) for path in files]
    asked = list(qgbatch.iter_questions(documents, model=model))
    return random.Random(SEED).sample(asked, min(N_SAMPLES, len(asked)))


def sample_from_paragraphs(model: str, heldout: str) -> list[qgbatch.Question]:
    """One question of each of a hundred paragraphs, where there is one."""
    paragraphs = random.Random(SEED).sample(read_split(heldout).paragraphs, N_SAMPLES)
    documents = [
        qgbatch.Document.from_text(paragraph.context, f"held-out {number}")
        for number, paragraph in enumerate(paragraphs, 1)
    ]
    asked: defaultdict[str, list[qgbatch.Question]] = defaultdict(list)
    for question in qgbatch.iter_questions(documents, model=model):
        asked[question.chunk.document.source].append(question)
    return [random.Random(SEED).choice(questions) for questions in asked.values()]


if __name__ == "__main__":
    main()
