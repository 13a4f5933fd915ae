r"""Step 8: draw questions for blind reading, as READING.md describes.

    python models/recipe/sample_for_review.py --model models/small --samples samples 80 \
        --heldout squad-dev-v1.1.json 60 --texts 60 manual.txt novel.txt paper.txt --human 60 \
        --other tests/checkpoints/mini 60 --readers 3 --out review

Writes a text file per reader and key.jsonl. The readers' files have the same questions in different orders,
and do not say where a question comes from. The key says so. The seed is fixed, so every model gets the same
documents.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import write_jsonl

from qgbatch import Document, Question, iter_questions
from qgbatch.readers.reading import read_document
from qgbatch.training.data import read_split
from qgbatch.training.paragraphs import Paragraph

SEED = 42
OTHER_LANGUAGES = frozenset(["fluesse.txt"])
"""Samples that are not in English."""
EXCERPT_CHARS = 120_000
"""Of each long text an excerpt of this length is used, about 250 chunks."""
MIN_WORDS, MAX_WORDS = 40, 110
"""Paragraphs of the human questions are about as long as a chunk, or their length would give them away."""
CHARS_BEFORE = 500
NO_ANSWER = "(none)"


def main() -> None:
    """Draw the questions, and write the key and the readers' files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="directory of a checkpoint, or a name")
    parser.add_argument("--samples", nargs=2, metavar=("DIR", "N"), required=True)
    parser.add_argument("--heldout", nargs=2, metavar=("SQUAD", "N"), required=True)
    parser.add_argument("--texts", nargs="+", metavar=("N", "FILE"), required=True)
    parser.add_argument("--human", type=int, metavar="N", required=True, help="human questions of SQUAD")
    parser.add_argument("--other", nargs=2, metavar=("MODEL", "N"), required=True, help="to compare with")
    parser.add_argument("--readers", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="directory")
    arguments = parser.parse_args()
    rng = random.Random(SEED)
    paragraphs = list(read_split(arguments.heldout[0]).paragraphs)
    rng.shuffle(paragraphs)
    n_heldout = int(arguments.heldout[1])
    documents = [
        (read_samples(Path(arguments.samples[0])), int(arguments.samples[1])),
        (paragraph_documents(paragraphs[:n_heldout]), n_heldout),
        ([read_excerpt(Path(name), rng) for name in arguments.texts[1:]], int(arguments.texts[0])),
    ]
    items = draw_human(paragraphs[n_heldout:], arguments.human, rng)
    for group, count in documents:
        items += draw_generated("model", arguments.model, group, count, rng)
    every = [document for group, _ in documents for document in group]
    items += draw_generated("other", arguments.other[0], every, int(arguments.other[1]), rng)
    rng.shuffle(items)
    write_files(items, arguments.readers, arguments.out)


def read_samples(directory: Path) -> list[Document]:
    """Read the English documents of a directory."""
    paths = sorted(path for path in directory.iterdir() if path.name not in OTHER_LANGUAGES)
    return [Document.from_text(read_document(str(path)).text, path.name) for path in paths]


def paragraph_documents(paragraphs: Sequence[Paragraph]) -> list[Document]:
    """Return a document for each paragraph."""
    return [
        Document.from_text(paragraph.context, f"held-out {number}")
        for number, paragraph in enumerate(paragraphs, 1)
    ]


def read_excerpt(path: Path, rng: random.Random) -> Document:
    """Read an excerpt of a text, from the beginning of a random paragraph."""
    text = read_document(str(path)).text
    start = text.rfind("\n\n", 0, rng.randint(0, max(0, len(text) - EXCERPT_CHARS)) + 1) + 1
    return Document.from_text(text[start : start + EXCERPT_CHARS].strip(), path.name)


def draw_human(paragraphs: Sequence[Paragraph], count: int, rng: random.Random) -> list[dict[str, Any]]:
    """Draw human questions that have an answer, one per paragraph."""
    items: list[dict[str, Any]] = []
    for paragraph in paragraphs:
        answered = [pair for pair in paragraph.pairs if pair.answer]
        if len(items) < count and answered and MIN_WORDS <= len(paragraph.context.split()) <= MAX_WORDS:
            pair = rng.choice(answered)
            items.append(
                make_item("human", "held-out", paragraph.context, pair.question, pair.answer, score=None)
            )
    return items


def draw_generated(
    kind: str, model: str, documents: Sequence[Document], count: int, rng: random.Random
) -> list[dict[str, Any]]:
    """Draw questions that a model asks about documents under default settings."""
    asked = list(iter_questions(documents, model=model))
    return [generated_item(kind, question) for question in rng.sample(asked, min(count, len(asked)))]


def generated_item(kind: str, question: Question) -> dict[str, Any]:
    """Return the item of a model's question, with what ``fit_ranker.py`` needs."""
    chunk, pair = question.chunk, question.pair_score
    item = make_item(
        kind, chunk.document.source, chunk.text, question.question, question.answer, score=question.score
    )
    start = max(0, chunk.start_char - CHARS_BEFORE)
    item["text_before"] = chunk.document.text[start : chunk.start_char]
    if pair:
        item |= {
            "question_log_probability": pair.question, "answer_log_probability": pair.answer,
            "question_low": pair.question_low, "answer_low": pair.answer_low,
        }  # fmt: skip
    return item


def make_item(
    kind: str, source: str, text: str, question: str, answer: str | None, *, score: float | None
) -> dict[str, Any]:
    """Return an item of the key."""
    return {
        "kind": kind, "source": source, "text": " ".join(text.split()), "question": question,
        "answer": answer, "score": score,
    }  # fmt: skip


def write_files(items: Sequence[dict[str, Any]], n_readers: int, directory: Path) -> None:
    """Write the key, and a file per reader in an order of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = [{"id": number} | item for number, item in enumerate(items, 1)]
    write_jsonl(directory / "key.jsonl", rows)
    for reader in range(1, n_readers + 1):
        order = random.Random(SEED + reader).sample(rows, len(rows))
        blocks = (
            f"## {row['id']}\nTEXT: {row['text']}\nQ: {row['question']}\nA: {row['answer'] or NO_ANSWER}\n"
            for row in order
        )
        (directory / f"reader-{reader}.txt").write_text("\n".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
