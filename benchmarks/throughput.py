"""Measures chunks per second of ``qgbatch run``, the notebook's loop and the bare libraries.

    python benchmarks/throughput.py [--model small|t5-small|t5-base] [--rounds 3]

All contenders have the same weights and documents and use beam search with 4 beams. small has its
trained weights, its own chunk size, and outputs that end by themselves. The T5 shapes have random
weights, chunks of up to 512 tokens, and outputs of exactly 64 tokens. The contenders are:

- the notebook's loop: one text after another through transformers' ``generate``
- transformers in batches of 8, in the order of the documents and sorted by length
- CTranslate2's ``translate_batch`` on prepared tokens, sorted by length over all chunks and
  passed at once: the speed of the engine if nothing else took time
- ``qgbatch run``, from files to Parquet with an empty cache, timed after the model is loaded

Slow contenders get fewer documents, evenly spaced. Rounds are interleaved and start with each
contender in turn. The table shows medians, and compares ``qgbatch`` with bare CTranslate2 round by round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2
import torch
import transformers
from corpus import make_documents
from measuring import interleave, show, spread
from shapes import converted, make_model

import qgbatch
from qgbatch import CacheSettings, Settings
from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.cores import n_cores
from qgbatch.engines.ctranslate2 import translate_options
from qgbatch.engines.weights import load_weights
from qgbatch.pipeline.components import Components
from qgbatch.readers.reading import read_document
from qgbatch.records import Chunk, InputIds

NEW_TOKENS = 64


@dataclass(frozen=True)
class Sizes:
    """Number of documents for each kind of contender."""

    loop: int
    torch: int
    float32: int
    int8: int


SIZES = {"small": Sizes(2, 6, 20, 40), "t5-small": Sizes(6, 16, 40, 100), "t5-base": Sizes(2, 6, 10, 36)}


class Bench:
    """A model, its documents, and the contenders that process them."""

    def __init__(self, model: str, paths: list[Path], place: Path) -> None:
        self.model, self.paths, self.place = model, paths, place
        self.cache = CacheSettings(cache_dir=str(place / "cache"))
        self.components = self.find(engine="torch", dtype="float32")
        self.decoding = self.components.decoding
        self.translators: dict[str, ctranslate2.Translator] = {}
        self.chunks = {p: [*self.components.chunks(read_document(str(p)))] for p in paths}
        self.transformer = load_weights(self.components.model, torch.float32)

    def find(self, **options: Any) -> Components:
        """Load the components of a run for this model."""
        return Components.find(Settings(model=self.model, **options), self.cache.directory)

    def select(self, n_documents: int) -> list[Path]:
        """Return evenly spaced documents."""
        return self.paths[:: len(self.paths) // n_documents][:n_documents]

    def inputs(self, n_documents: int) -> list[InputIds]:
        """Return the input ids of the chunks of evenly spaced documents."""
        return [chunk.input_ids for path in self.select(n_documents) for chunk in self.chunks[path]]

    def notebook_loop(self, n_documents: int) -> float:
        """Return the chunks per second of the notebook's ``hf_run_model``."""
        tokenizer, prefix = self.components.tokenizer.hf_tokenizer, self.components.model.metadata.prefix
        chunks: list[Chunk] = [chunk for path in self.select(n_documents) for chunk in self.chunks[path]]
        start = time.perf_counter()
        for chunk in chunks:
            ids = self.generate([tokenizer.encode(f"{prefix}{chunk.text}")])
            tokenizer.batch_decode(ids, skip_special_tokens=True)[0].split("<sep>")
        return len(chunks) / (time.perf_counter() - start)

    def transformers(self, n_documents: int, *, by_length: bool) -> float:
        """Return the chunks per second of ``generate`` in batches of 8."""
        inputs = self.inputs(n_documents)
        start = time.perf_counter()
        if by_length:
            inputs = sorted(inputs, key=len)
        for first in range(0, len(inputs), 8):
            self.generate(inputs[first : first + 8])
        return len(inputs) / (time.perf_counter() - start)

    def generate(self, rows: Sequence[Sequence[int]]) -> Any:
        """Generate with transformers for one padded batch."""
        longest = max(map(len, rows))
        return self.transformer.generate(
            input_ids=torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows]),
            attention_mask=torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows]),
            max_new_tokens=self.decoding.max_new_tokens,
            num_beams=self.decoding.num_beams,
            length_penalty=self.decoding.length_penalty,
            no_repeat_ngram_size=self.decoding.no_repeat_ngram_size,
            early_stopping=self.decoding.early_stopping,
            num_return_sequences=self.decoding.num_return_sequences,
        )

    def translator(self, precision: str) -> ctranslate2.Translator:
        """Load the converted model, with one worker per core as in qgbatch."""
        if precision not in self.translators:
            components = self.find(engine="ctranslate2", compute_type=precision)
            self.translators[precision] = ctranslate2.Translator(
                converted(components), compute_type=precision, inter_threads=n_cores()
            )
        return self.translators[precision]

    def ctranslate2(self, precision: str, n_documents: int) -> float:
        """Return the chunks per second of ``translate_batch``."""
        translator = self.translator(precision)
        inputs = self.inputs(n_documents)
        batches = [
            [[str(token) for token in inputs[index]] for index in batch]
            for batch in make_batches([len(row) for row in inputs], BatchBudget())
        ]
        options = translate_options(self.decoding)
        start = time.perf_counter()
        promises = [translator.translate_batch(batch, asynchronous=True, **options) for batch in batches]
        for batch in promises:
            for promise in batch:
                promise.result()
        return len(inputs) / (time.perf_counter() - start)

    def run(self, n_documents: int, **options: Any) -> float:
        """Return the chunks per second of a run, without the time to load the model."""
        for path in self.cache.directory.glob("results-*"):
            path.unlink()
        report = qgbatch.run(
            self.select(n_documents),
            self.place / "questions.parquet",
            Settings(model=self.model, **options),
            cache=self.cache,
        )
        assert report.n_generated == report.n_chunks
        return report.n_generated / (report.seconds["total"] - report.seconds["load"])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    sizes, name = SIZES[arguments.model], arguments.model
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        model = name if name == "small" else str(make_model(name, place, NEW_TOKENS))
        bench = Bench(model, make_documents(place / "docs", sizes.int8), place)

        def torch_run(n_documents: int) -> float:
            return bench.run(n_documents, engine="torch", dtype="float32")

        contenders: dict[str, tuple[int, Callable[[int], float]]] = {
            "notebook's loop, float32": (sizes.loop, bench.notebook_loop),
            "transformers, batches of 8": (sizes.torch, lambda n: bench.transformers(n, by_length=False)),
            "transformers, sorted": (sizes.torch, lambda n: bench.transformers(n, by_length=True)),
            "qgbatch, torch float32": (sizes.torch, torch_run),
        }
        for precision, n_documents in (("float32", sizes.float32), ("int8", sizes.int8)):
            contenders |= {
                f"plain CTranslate2, {precision}": (n_documents, partial(bench.ctranslate2, precision)),
                f"qgbatch, ctranslate2 {precision}": (
                    n_documents,
                    partial(bench.run, compute_type=precision),
                ),
            }
        for _, work in contenders.values():
            work(1)
        rates = interleave(
            {key: partial(work, n) for key, (n, work) in contenders.items()},
            arguments.rounds,
        )
        n_chunks = {key: len(bench.inputs(n)) for key, (n, _) in contenders.items()}
        lengths = [len(row) for row in bench.inputs(sizes.int8)]
    base = statistics.median(rates["notebook's loop, float32"])
    rows = []
    for key, its_rates in rates.items():
        kind, _, precision = key.rpartition(" ")
        limit = rates.get(f"plain CTranslate2, {precision}", []) if kind.startswith("qgbatch, ct") else []
        shares = [ours / its for ours, its in zip(its_rates, limit, strict=False)]
        rows.append(
            {
                "": key,
                "chunks timed": n_chunks[key],
                "chunks/s, median (min to max)": spread(its_rates),
                "vs. the loop": f"{statistics.median(its_rates) / base:.1f}",
                "vs. CTranslate2": f"{statistics.median(shares):.1%}" if shares else "",
            }
        )
    mean = statistics.mean(lengths)
    title = (
        f"Throughput of {name}, chunks of {min(lengths)} to {max(lengths)} tokens ({mean:.0f} on average)"
    )
    show(
        title,
        rows,
        rounds=arguments.rounds,
        num_beams=bench.decoding.num_beams,
        max_new_tokens=bench.decoding.max_new_tokens,
        torch_threads=torch.get_num_threads(),
        workers=n_cores(),
        batch_tokens=BatchBudget().batch_tokens,
        window_chunks=Settings.window_chunks,
    )


if __name__ == "__main__":
    main()
