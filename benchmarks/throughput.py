"""Chunks per second of the notebook's loop and of both engines, on the same weights and chunks.

    python benchmarks/throughput.py [--chunks 2000] [--loop-chunks 60]

Repeats ``samples/`` to the number of chunks asked for. The loop and the torch engine are
timed on a slice drawn evenly over those chunks, as they would take too long on all. All
do beam search with the model's own decoding settings. Rounds are interleaved; the table
has medians and the ratio to the loop.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import ctranslate2
import torch
import transformers

from qgbatch.chunking import chunk_document
from qgbatch.models import find_model
from qgbatch.readers import list_inputs, read_document
from qgbatch.records import Chunk
from qgbatch.settings import CacheSettings, Settings
from qgbatch.stages import Stages

SAMPLES = Path(__file__).parent.parent / "samples"


def make_chunks(stages: Stages, n_chunks: int) -> list[Chunk]:
    """Chunks of ``samples/``, from the start again until there are enough."""
    paths = [str(item) for item in list_inputs([str(SAMPLES)]).items]
    chunks = [
        chunk
        for path in paths
        for chunk in chunk_document(
            read_document(path), stages.prompt, stages.split_sentences, stages.limits
        )
    ]
    return list(islice(cycle(chunks), n_chunks))


def spread(chunks: Sequence[Chunk], n_chunks: int) -> list[Chunk]:
    """A slice drawn evenly."""
    step = max(1, len(chunks) // n_chunks)
    return list(chunks[::step][:n_chunks])


def notebook_loop(stages: Stages) -> Callable[[Sequence[Chunk]], None]:
    """The notebook's ``hf_run_model``: one text at a time through ``generate``."""
    model: Any = transformers.T5ForConditionalGeneration.from_pretrained(
        find_model("mini").directory, dtype=torch.float32
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(find_model("mini").directory)
    decoding = stages.decoding

    def loop(chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            input_ids = tokenizer.encode(f"generate questions: {chunk.text}", return_tensors="pt")
            ids = model.generate(
                input_ids,
                max_length=decoding.max_new_tokens + 1,
                num_beams=decoding.num_beams,
                length_penalty=decoding.length_penalty,
                no_repeat_ngram_size=decoding.no_repeat_ngram_size,
                early_stopping=decoding.early_stopping,
            )
            tokenizer.batch_decode(ids, skip_special_tokens=True)[0].split("<sep>")

    return loop


def find(settings: Settings) -> Stages:
    """The stages of a run that has nothing in its cache but converted models."""
    return Stages.find(settings, CacheSettings().directory)


def generate_all(stages: Stages) -> Callable[[Sequence[Chunk]], None]:
    """A window of chunks through an engine, in batches as in a run."""

    def generate(chunks: Sequence[Chunk]) -> None:
        for _ in stages.generate([chunk.input_ids for chunk in chunks]):
            pass

    return generate


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--loop-chunks", type=int, default=60)
    parser.add_argument("--torch-chunks", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    torch_stages = find(Settings(engine="torch", dtype="float32"))
    chunks = make_chunks(torch_stages, arguments.chunks)
    contenders: dict[str, tuple[Callable[[Sequence[Chunk]], object], list[Chunk]]] = {
        "notebook's loop, float32": (notebook_loop(torch_stages), spread(chunks, arguments.loop_chunks)),
        "torch engine, float32": (generate_all(torch_stages), spread(chunks, arguments.torch_chunks)),
    }
    for precision in ("float32", "int8"):
        stages = find(Settings(engine="ctranslate2", compute_type=precision))
        contenders[f"ctranslate2 engine, {precision}"] = (generate_all(stages), chunks)

    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for generate, its_chunks in contenders.values():
        generate(its_chunks[:8])
    for _ in range(arguments.rounds):
        for name, (generate, its_chunks) in contenders.items():
            start = time.perf_counter()
            for first in range(0, len(its_chunks), 512):
                generate(its_chunks[first : first + 512])
            rates[name].append(len(its_chunks) / (time.perf_counter() - start))

    n_tokens = sum(len(chunk.input_ids) for chunk in chunks) / len(chunks)
    print(
        f"{len(chunks)} chunks of {n_tokens:.0f} tokens on average, mini, "
        f"{torch_stages.decoding.num_beams} beams, CPU with {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, "
        f"CTranslate2 {ctranslate2.__version__}\n"
    )
    print("| | chunks timed | chunks/s, median (min to max) | ratio |\n|---|---|---|---|")
    base = statistics.median(rates["notebook's loop, float32"])
    for name, its_rates in rates.items():
        median = statistics.median(its_rates)
        span = f"{min(its_rates):.2f} to {max(its_rates):.2f}"
        print(f"| {name} | {len(contenders[name][1])} | {median:.2f} ({span}) | {median / base:.1f} |")


if __name__ == "__main__":
    main()
