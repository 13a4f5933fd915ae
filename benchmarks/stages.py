"""Measure the CPU time of each stage of a run, per megabyte of text and as a share of the run.

    python benchmarks/stages.py [--documents 100] [--rounds 3]

Each stage runs by itself over the same documents. A share is that of the sum of all stages, the
engine included. Everything except the engine is what a run takes longer than plain CTranslate2.
The bare tokenizer is transformers' tokenizer on each whole document, for comparison.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

from corpus import make_documents
from measuring import interleave, show

from qgbatch import CacheSettings, Document, Settings
from qgbatch.chunking.chunker import chunk_document
from qgbatch.models.tokenizer import PromptTokenizer, load_tokenizer
from qgbatch.output.rows import COLUMNS, to_row
from qgbatch.output.writers import open_writer
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.questions.dedupe import find_duplicates
from qgbatch.questions.extraction import decode_generation, extract_questions
from qgbatch.readers.reading import read_document
from qgbatch.records import Chunk, DecodedGeneration, Generation, Question
from qgbatch.settings import DedupeMethod, Format

ENGINE = "engine (CTranslate2, int8)"
BARE = "(bare tokenizer)"


class Bench:
    """Documents and what became of them at each stage, as the input of the next one."""

    def __init__(self, place: Path, n_documents: int) -> None:
        self.place = place
        self.paths = [str(path) for path in make_documents(place / "docs", n_documents)]
        self.components = Components.find(Settings(), CacheSettings().directory)
        self.components.load()
        self.documents = [read_document(path) for path in self.paths]
        self.chunks: list[Chunk] = [c for document in self.documents for c in self.cut(document)]
        self.generations: dict[tuple[int, ...], Generation] = {}
        self.generate()
        self.decoded = self.decode()
        self.questions = self.extract()

    def fresh_prompt(self) -> PromptTokenizer:
        """A tokenizer that has tokenized nothing yet."""
        return load_tokenizer(self.components.model, str(self.components.tokenizer_dir))

    def cut(self, document: Document, tokenizer: PromptTokenizer | None = None) -> list[Chunk]:
        """The chunks of a document."""
        tokenizer = tokenizer or self.components.tokenizer
        return [
            *chunk_document(document, tokenizer, self.components.split_sentences, self.components.limits)
        ]

    def tokenize(self) -> object:
        """Transformers' tokenizer, as one would call it."""
        return [
            self.components.tokenizer.hf_tokenizer(document.text, verbose=False)
            for document in self.documents
        ]

    def read(self) -> object:
        """InputReader."""
        return [read_document(path) for path in self.paths]

    def split(self) -> object:
        """Only the sentence splitter."""
        return [[*self.components.split_sentences(document.text)] for document in self.documents]

    def chunk(self) -> object:
        """All of chunking, with sentences and tokens."""
        tokenizer = self.fresh_prompt()
        return [self.cut(document, tokenizer) for document in self.documents]

    def generate(self) -> None:
        """The model."""
        batches = self.components.batches([chunk.input_ids for chunk in self.chunks])
        for batch, made in self.components.generate(batches):
            self.generations |= {ids: g for ids, g in zip(batch, made, strict=True) if g}

    def decode(self) -> list[DecodedGeneration]:
        """Ids to text."""
        tokenizer = self.components.tokenizer
        return [
            decode_generation(self.generations[chunk.input_ids], tokenizer.decode, tokenizer.unk_id)
            for chunk in self.chunks
        ]

    def extract(self) -> list[Question]:
        """Text to questions."""
        dropped: Counter[str] = Counter()
        output_format = self.components.model.metadata.output_format
        pairs = zip(self.chunks, self.decoded, strict=True)
        return [
            question
            for chunk, made in pairs
            for question in extract_questions(chunk, made, output_format, dropped)
        ]

    def dedupe(self, method: DedupeMethod) -> object:
        """Duplicates within each document."""
        groups = [[*group] for _, group in groupby(self.questions, key=lambda q: q.chunk.document)]
        return [
            find_duplicates([q.question for q in group], [q.score for q in group], method, 0.9)
            for group in groups
        ]

    def cache(self) -> None:
        """Looking for what is not there, and keeping it: a first run."""
        for path in (self.place / "cache").glob("*"):
            path.unlink()
        store = SqliteStore(self.place / "cache", 10**9)
        cache = open_cache(self.components, store)
        by_document = {d: [*chunks] for d, chunks in groupby(self.chunks, key=lambda c: c.document)}
        for document in self.documents:
            list(cache.get_or_make_chunks(document, by_document.__getitem__))
        inputs = [chunk.input_ids for chunk in self.chunks]
        cache.get_generations(inputs)
        for first in range(0, len(inputs), 32):  # about a batch
            some = slice(first, first + 32)
            cache.put_generations(dict(zip(inputs[some], self.decoded[some], strict=True)))
        store.close()

    def write(self, file_format: Format) -> None:
        """Questions to a file."""
        name, provenance = self.components.model.name, self.components.provenance()
        with (
            (self.place / "out").open("wb") as stream,
            open_writer(stream, file_format, provenance, COLUMNS) as writer,
        ):
            for question in self.questions:
                writer.write(to_row(question, name, COLUMNS))


def cpu_seconds(work: Callable[..., object], *arguments: Any) -> Callable[[], float]:
    """A contender that returns the CPU time of a call, over all threads."""

    def measure() -> float:
        start = time.process_time()
        work(*arguments)
        return time.process_time() - start

    return measure


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place), arguments.documents)
        n_bytes = sum(len(document.text.encode()) for document in bench.documents)
        results = interleave(
            {
                BARE: cpu_seconds(bench.tokenize),
                "reading": cpu_seconds(bench.read),
                "chunking, total": cpu_seconds(bench.chunk),
                "(sentences, included in chunking)": cpu_seconds(bench.split),
                ENGINE: cpu_seconds(bench.generate),
                "decoding": cpu_seconds(bench.decode),
                "questions": cpu_seconds(bench.extract),
                "dedupe, exact": cpu_seconds(bench.dedupe, "exact"),
                "(dedupe, near)": cpu_seconds(bench.dedupe, "near"),
                "cache, first run": cpu_seconds(bench.cache),
                "writing Parquet": cpu_seconds(bench.write, "parquet"),
                "(writing CSV)": cpu_seconds(bench.write, "csv"),
                "(writing JSONL)": cpu_seconds(bench.write, "jsonl"),
            },
            arguments.rounds,
        )
    medians = {key: statistics.median(values) for key, values in results.items()}
    run = sum(seconds for key, seconds in medians.items() if not key.startswith("("))
    rows = [
        {
            "stage": key,
            "CPU ms per MB of text": f"{1e9 * seconds / n_bytes:,.0f}",
            "share of a run": "" if key == BARE else f"{seconds / run:.2%}",
            "vs. bare tokenizer": f"{seconds / medians[BARE]:.2f}",
        }
        for key, seconds in medians.items()
    ]
    title = f"Stages of a run over {n_bytes / 1e6:.2f} MB in {arguments.documents} documents"
    show(f"{title}, {len(bench.chunks):,} chunks, small", rows, rounds=arguments.rounds)


if __name__ == "__main__":
    main()
