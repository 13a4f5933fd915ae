"""Measures the CPU engine with other settings than the defaults, one changed at a time.

    python benchmarks/tuning.py [--model small|t5-small|t5-base] [--documents 20] [--rounds 3]
        [--only NAME...]

CTranslate2 runs in int8 on prepared tokens, in the batches that a run would make. Rounds are
interleaved. The table also counts the chunks whose output differs from that of the baseline.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import ctranslate2
import transformers
from corpus import make_documents
from measuring import interleave, show, spread
from shapes import SHAPES, converted, make_model

from qgbatch import Settings
from qgbatch.engines.batching import BatchBudget, make_batches, padded_length
from qgbatch.engines.cores import n_cores
from qgbatch.engines.ctranslate2 import translate_options
from qgbatch.pipeline.components import Components
from qgbatch.readers.reading import read_document
from qgbatch.records import InputIds

NEW_TOKENS = 64


@dataclass(frozen=True)
class Choice:
    """One combination of settings."""

    workers: int = n_cores()
    threads: int = 1
    batch_tokens: int = BatchBudget().batch_tokens
    window_chunks: int = Settings.window_chunks
    fixed_padding: bool = True
    filler: bool = True
    batches_per_worker: int = 2


DEFAULT = Choice()
CHOICES = {
    "baseline": DEFAULT,
    "1 worker with all cores": replace(DEFAULT, workers=1, threads=n_cores()),
    "1 worker with 1 core": replace(DEFAULT, workers=1),
    **{f"{2**n:,} batch tokens": replace(DEFAULT, batch_tokens=2**n) for n in range(9, 15)},
    **{f"{2**n:,} chunks a window": replace(DEFAULT, window_chunks=2**n) for n in range(7, 13)},
    "without filler rows": replace(DEFAULT, filler=False),
    "lengths mixed": replace(DEFAULT, fixed_padding=False, filler=False),
    "1 batch per worker": replace(DEFAULT, batches_per_worker=1),
    "4 batches per worker": replace(DEFAULT, batches_per_worker=4),
}


class Bench:
    """A model and the input ids of its chunks."""

    def __init__(self, components: Components, inputs: list[InputIds]) -> None:
        self.inputs = inputs
        self.unknown = str(components.tokenizer.unk_id)
        self.outputs: dict[Choice, dict[tuple[str, ...], list[str]]] = {}
        self.directory = converted(components)
        self.options = translate_options(components.decoding)

    def rate(self, choice: Choice) -> float:
        """Return the chunks per second with these settings."""
        translator = ctranslate2.Translator(
            self.directory,
            compute_type="int8",
            inter_threads=choice.workers,
            intra_threads=choice.threads,
        )
        batches = self.batches(choice)
        translator.translate_batch(batches[-1], **self.options)
        start = time.perf_counter()
        waiting: deque[list[ctranslate2.AsyncTranslationResult]] = deque()
        results = []
        for batch in batches:
            waiting.append(translator.translate_batch(batch, asynchronous=True, **self.options))
            if len(waiting) == choice.batches_per_worker * choice.workers:
                results += [promise.result() for promise in waiting.popleft()]
        results += [promise.result() for batch in waiting for promise in batch]
        seconds = time.perf_counter() - start
        rows = [tuple(row) for batch in batches for row in batch]
        self.outputs[choice] = {
            row: result.hypotheses[0] for row, result in zip(rows, results, strict=True)
        }
        return len(self.inputs) / seconds

    def n_other_outputs(self, choice: Choice) -> int:
        """Return the number of chunks whose output is not that of the baseline."""
        expected = self.outputs[DEFAULT]
        rows = [tuple(str(token) for token in row) for row in self.inputs]
        return sum(self.outputs[choice][row] != expected[row] for row in rows)

    def batches(self, choice: Choice) -> list[list[list[str]]]:
        """Make the batches of tokens, one chunk window after another."""
        batches = []
        for first in range(0, len(self.inputs), choice.window_chunks):
            window = self.inputs[first : first + choice.window_chunks]
            lengths = [len(row) for row in window]
            made = make_batches(
                lengths, BatchBudget(choice.batch_tokens), fixed_padding=choice.fixed_padding
            )
            batches += [[[str(token) for token in window[index]] for index in batch] for batch in made]
        if choice.filler:
            for batch in batches:
                longest = max(map(len, batch))
                if longest < padded_length(longest):
                    batch.append([self.unknown] * padded_length(longest))
        return batches


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=("small", *SHAPES), default="small")
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CHOICES, nargs="+", default=list(CHOICES))
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        shape = arguments.model
        model = shape if shape == "small" else str(make_model(shape, place, NEW_TOKENS))
        components = Components.find(Settings(model=model, compute_type="int8"), place / "cache")
        documents = map(str, make_documents(place / "docs", arguments.documents))
        chunks = [chunk for path in documents for chunk in components.chunks(read_document(path))]
        bench = Bench(components, [chunk.input_ids for chunk in chunks])
        chosen = dict.fromkeys(["baseline", *arguments.only])
        contenders = {key: partial(bench.rate, CHOICES[key]) for key in chosen}
        rates = interleave(contenders, arguments.rounds)
        rows = [
            {
                "": key,
                "batches": len(bench.batches(CHOICES[key])),
                "chunks/s, median (min to max)": spread(values),
                "vs. baseline": f"{statistics.median(values) / statistics.median(rates['baseline']):.2f}",
                "other outputs": bench.n_other_outputs(CHOICES[key]),
            }
            for key, values in rates.items()
        ]
    lengths = [len(chunk.input_ids) for chunk in chunks]
    show(
        f"{len(chunks):,} chunks of {min(lengths)} to {max(lengths)} tokens, {arguments.model}, int8",
        rows,
        rounds=arguments.rounds,
        default=str(DEFAULT),
        num_beams=components.decoding.num_beams,
        max_new_tokens=components.decoding.max_new_tokens,
    )


if __name__ == "__main__":
    main()
