"""Compares the outputs of engines and precisions, and their quality, on held-out paragraphs.

    python benchmarks/parity.py SQUAD.json [--paragraphs 300]

Samples paragraphs of a SQuAD file with a fixed seed and generates questions with each engine and
the model's own settings, each paragraph as one chunk. The table shows the share of paragraphs
whose output has exactly the ids of transformers in float32, the share of CTranslate2's float32
questions that are generated word for word, the mean ROUGE-L of the questions against the best
reference of their paragraph, and the share of pieces that are kept as questions.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import transformers
from measuring import show
from rouge_score.rouge_scorer import RougeScorer

from qgbatch.pipeline.components import Components
from qgbatch.questions.extraction import decode_generation, extract_questions
from qgbatch.records import Chunk, Document, Generation
from qgbatch.settings import CacheSettings, Options, Settings

Asked = list[list[str]]
FLOAT32 = "ctranslate2, float32"
CONTENDERS: dict[str, Options] = {
    "torch, float32 (transformers)": {"engine": "torch", "dtype": "float32"},
    FLOAT32: {"engine": "ctranslate2", "compute_type": "float32"},
    "ctranslate2, int8": {"engine": "ctranslate2", "compute_type": "int8"},
}


def read_paragraphs(path: Path, n_paragraphs: int) -> list[tuple[str, list[str]]]:
    """Sample contexts with their reference questions, with a fixed seed."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = [
        (paragraph["context"], [qa["question"] for qa in paragraph["qas"]])
        for article in articles
        for paragraph in article["paragraphs"]
    ]
    return random.Random(11).sample(paragraphs, n_paragraphs)


def ask(components: Components, contexts: list[str]) -> list[Generation]:
    """Generate with an engine, each paragraph as one chunk."""
    inputs = components.tokenizer.encode(contexts)
    outputs = {
        input_ids: generation
        for batch, generations in components.generate(components.batches(inputs))
        for input_ids, generation in zip(batch, generations, strict=True)
        if generation is not None
    }
    return [outputs[input_ids] for input_ids in inputs]


def read_questions(
    components: Components, contexts: list[str], generations: list[Generation]
) -> tuple[Asked, float]:
    """Return the questions of each paragraph, and the share of pieces that are kept."""
    dropped: Counter[str] = Counter()
    asked, form = [], components.model.metadata.output_format
    for generation, context in zip(generations, contexts, strict=True):
        chunk = Chunk(Document.from_text(context, "squad"), 0, 0, len(context), (), False)
        decoded = decode_generation(generation, components.tokenizer.decode, components.tokenizer.unk_id)
        asked.append([question.question for question in extract_questions(chunk, decoded, form, dropped)])
    n_kept = sum(map(len, asked))
    return asked, n_kept / (n_kept + dropped.total())


def rouge_l(asked: Asked, references: list[list[str]]) -> float:
    """Return the mean F1 of the questions against their best reference."""
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    scores = [
        max(scorer.score(reference, question)["rougeL"].fmeasure for reference in its_references)
        for questions, its_references in zip(asked, references, strict=True)
        for question in questions
    ]
    return float(sum(scores) / len(scores))


def share_of(ours: Asked, theirs: Asked) -> float:
    """Return the share of the questions of ``theirs`` that are also in ``ours``, by paragraph."""
    n_same = sum(len(set(a) & set(b)) for a, b in zip(ours, theirs, strict=True))
    return n_same / sum(len(set(questions)) for questions in theirs)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("squad", type=Path)
    parser.add_argument("--paragraphs", type=int, default=300)
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    paragraphs = read_paragraphs(arguments.squad, arguments.paragraphs)
    contexts, references = [context for context, _ in paragraphs], [asked for _, asked in paragraphs]
    for beams in (1, 4):
        ids: dict[str, list[Generation]] = {}
        asked: dict[str, Asked] = {}
        kept: dict[str, float] = {}
        for name, options in CONTENDERS.items():
            chosen: Options = {**options, "num_beams": beams}
            components = Components.find(Settings(**chosen), CacheSettings().directory)
            ids[name] = ask(components, contexts)
            asked[name], kept[name] = read_questions(components, contexts, ids[name])
        expected = next(iter(ids.values()))
        rows = [
            {
                "": name,
                "identical to transformers float32": f"{share_of_equal(ids[name], expected):.1%}",
                f"questions of {FLOAT32}": f"{share_of(asked[name], asked[FLOAT32]):.1%}",
                "ROUGE-L, best reference": f"{rouge_l(asked[name], references):.4f}",
                "questions": f"{sum(map(len, asked[name])):,}",
                "kept": f"{kept[name]:.1%}",
            }
            for name in CONTENDERS
        ]
        show(f"{len(paragraphs)} paragraphs, small, {beams} beams", rows, num_beams=beams)


def share_of_equal(ours: list[Generation], theirs: list[Generation]) -> float:
    """Return the share of outputs with identical ids."""
    return sum(a.pieces == b.pieces for a, b in zip(ours, theirs, strict=True)) / len(theirs)


if __name__ == "__main__":
    main()
