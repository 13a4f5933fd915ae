"""How much the engines and precisions agree, and how well each asks, on held-out paragraphs.

    python benchmarks/parity.py SQUAD.json [--paragraphs 200]

Draws paragraphs of a SQuAD-format file with a fixed seed, lets each engine ask with the
model's own settings and prints a Markdown table: the share of paragraphs whose output has
exactly the ids that transformers gives in float32, the mean ROUGE-L of the questions
against their best reference of that paragraph, and the share of pieces kept as questions.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import transformers
from rouge_score.rouge_scorer import RougeScorer

from qgbatch.questions import decode_generation, extract_questions
from qgbatch.records import Chunk, Document, Generation
from qgbatch.settings import CacheSettings, Options, Settings
from qgbatch.stages import Stages

CONTENDERS: dict[str, Options] = {
    "torch, float32 (transformers)": {"engine": "torch", "dtype": "float32"},
    "ctranslate2, float32": {"engine": "ctranslate2", "compute_type": "float32"},
    "ctranslate2, int8": {"engine": "ctranslate2", "compute_type": "int8"},
}


def read_paragraphs(path: Path, n_paragraphs: int) -> list[tuple[str, list[str]]]:
    """Contexts with their reference questions, drawn by a fixed seed."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = [
        (paragraph["context"], [qa["question"] for qa in paragraph["qas"]])
        for article in articles
        for paragraph in article["paragraphs"]
    ]
    return random.Random(11).sample(paragraphs, n_paragraphs)


def ask(stages: Stages, contexts: list[str]) -> list[Generation]:
    """Outputs of an engine, each paragraph in one chunk."""
    inputs = stages.prompt.encode(contexts)
    outputs = {
        input_ids: generation
        for batch, generations in stages.generate(stages.batches(inputs))
        for input_ids, generation in zip(batch, generations, strict=True)
        if generation is not None
    }
    return [outputs[input_ids] for input_ids in inputs]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("squad", type=Path)
    parser.add_argument("--paragraphs", type=int, default=200)
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    paragraphs = read_paragraphs(arguments.squad, arguments.paragraphs)
    scorer = RougeScorer(["rougeL"], use_stemmer=True)

    for beams in (1, 4):
        print(f"\n{len(paragraphs)} paragraphs, mini, {beams} beams\n")
        print("| | identical outputs | ROUGE-L, best reference | questions | kept |\n|---|---|---|---|---|")
        expected: list[Generation] = []
        for name, options in CONTENDERS.items():
            chosen: Options = {**options, "num_beams": beams}
            stages = Stages.find(Settings(**chosen), CacheSettings().directory)
            generations = ask(stages, [context for context, _ in paragraphs])
            expected = expected or generations
            same = sum(a.pieces == b.pieces for a, b in zip(expected, generations, strict=True))
            dropped: Counter[str] = Counter()
            scores = []
            for generation, (context, references) in zip(generations, paragraphs, strict=True):
                chunk = Chunk(Document.from_text(context, "squad"), 0, 0, len(context), (), False)
                decoded = decode_generation(generation, stages.prompt.decode, stages.prompt.unk_id)
                for question in extract_questions(chunk, decoded, dropped):
                    scores.append(
                        max(scorer.score(r, question.question)["rougeL"].fmeasure for r in references)
                    )
            kept = len(scores) / (len(scores) + dropped.total())
            print(
                f"| {name} | {same / len(paragraphs):.1%} | {sum(scores) / len(scores):.4f} "
                f"| {len(scores)} | {kept:.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
