"""Measures generation, memory, parity and training on a CUDA GPU, in under eight minutes.

    python benchmarks/gpu.py [--squad dev-v1.1.json] [--train train-v1.1.json] [--seconds 420]

Uses models of T5's sizes with random weights that always write 64 tokens, in bfloat16, with 4
beams and the notebook's settings. Inputs are rows of random ids, with the lengths of SQuAD's
paragraphs and with 512 tokens. Each contender gets the same share of the time and is timed batch
by batch, after one batch to warm up; rates are of whole batches. Each part prints its table when
it is finished, so that an interrupted benchmark loses nothing:

- the speed of the GPU: a large matrix product and a large copy
- chunks per second: the notebook's loop, transformers in unsorted and sorted batches, and
  qgbatch's torch engine; its busy share, its peak memory, and its share of the minimum time that
  the counted operations and bytes take on this GPU
- memory: one batch of far too many rows, which is halved until it fits
- ``--squad``: the built-in model on 100 paragraphs, in float32 on GPU and CPU, and in bfloat16
- training steps of a T5-base: static padding in float32 and bfloat16, and qgbatch's batches
- ``--train``: the losses of float32 and bfloat16 over the same 60 steps

``--dry-run`` runs all of it on a CPU with a tiny model.
"""

from __future__ import annotations

import argparse
import logging
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from measuring import show
from shapes import make_model
from torch.profiler import ProfilerActivity, profile
from training import train

from qgbatch.engines.base import Batch, EngineChoice, SpecialIds
from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.torch import TorchEngine
from qgbatch.models.checkpoint import find_model
from qgbatch.models.tokenizer import load_tokenizer
from qgbatch.settings import Decoding
from qgbatch.training.data import read_split
from qgbatch.training.examples import Example, make_examples
from qgbatch.training.metrics import score_overlap
from qgbatch.training.settings import TrainingSettings

NEW_TOKENS = 64
DECODING = Decoding(max_new_tokens=NEW_TOKENS)
SPECIAL = SpecialIds(pad=0, eos=1, unk=2, separators=frozenset({3}))
N_PARAGRAPHS, N_EPOCHS = 18_896, 7
"""Size of SQuAD v1.1's training set, and epochs of the notebook's training."""


@dataclass(frozen=True)
class Card:
    """The device of the benchmark and its measured speed."""

    device: str
    dtype: torch.dtype
    operations: float
    """Operations per second of a large matrix product in ``dtype``."""
    n_bytes: float
    """Bytes per second that a large copy reads and writes."""

    def wait(self) -> None:
        """Wait until the device has finished."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def measure_card(device: str, *, is_small: bool) -> Card:
    """Time a matrix product of random numbers and a copy, and take the best of ten."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    card = Card(device, dtype, 0, 0)
    n = 256 if is_small else 8192
    left, right = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    source = torch.randn(n * n * 8, device=device, dtype=dtype)
    target = torch.empty_like(source)
    product = min(seconds(card, lambda: left @ right) for _ in range(10))
    copy = min(seconds(card, lambda: target.copy_(source)) for _ in range(10))
    return Card(device, dtype, 2 * n**3 / product, 2 * source.nbytes / copy)


def seconds(card: Card, work: Callable[[], object]) -> float:
    """Return the wall time of work in seconds, until the device has finished."""
    card.wait()
    start = time.perf_counter()
    work()
    card.wait()
    return time.perf_counter() - start


def make_rows(lengths: str, n_rows: int) -> list[tuple[int, ...]]:
    """Make rows of random ids; SQuAD's paragraphs have 155 tokens of T5's vocabulary on average."""
    rng = random.Random(7)
    lengths_in_tokens = (round(rng.lognormvariate(4.97, 0.38)) for _ in range(n_rows))
    sizes = [512 if lengths == "full" else min(512, max(25, size)) for size in lengths_in_tokens]
    return [(*(rng.randrange(10, 7_000) for _ in range(size - 2)), 1, 1) for size in sizes]


def minimum_seconds(card: Card, config: Any, batch: Batch) -> float:
    """Return the minimum time of a batch: of its operations or its bytes, whichever takes longer.

    Counted are the matrix products, and as bytes the weights once per step, the encoder's keys and
    values once per row, and those of the beams. Every implementation needs at least these.
    """
    d_model, d_ff = config.d_model, config.d_ff
    inner, n_layers, beams = config.d_kv * config.num_heads, config.num_layers, DECODING.num_beams
    item = torch.finfo(card.dtype).bits // 8
    n_tokens, n_outputs = sum(map(len, batch)), len(batch) * beams
    squares = sum(len(row) ** 2 for row in batch)
    encoder = n_layers * (2 * n_tokens * (4 * d_model * inner + 2 * d_model * d_ff) + 4 * squares * inner)
    weights = n_layers * (6 * d_model * inner + 2 * d_model * d_ff) + config.vocab_size * d_model
    cross = n_layers * 2 * inner * n_tokens
    total = max(encoder / card.operations, n_layers * 4 * d_model * inner * item / card.n_bytes)
    total += 2 * cross * d_model / card.operations
    for step in range(1, NEW_TOKENS + 1):
        attended = n_layers * 2 * inner * (beams * n_tokens + n_outputs * step)
        moved = weights + cross + n_layers * 2 * inner * n_outputs * step
        total += max(2 * (n_outputs * weights + attended) / card.operations, moved * item / card.n_bytes)
    return float(total)


def rate(card: Card, batches: Sequence[Batch], run: Callable[[Batch], object], limit: float) -> float:
    """Return the chunks per second over as many batches as the time allows, after one to warm up."""
    run(batches[0])
    n_done = 0
    start = time.perf_counter()
    for batch in batches:
        run(batch)
        card.wait()
        n_done += len(batch)
        if time.perf_counter() - start > limit:
            break
    return n_done / (time.perf_counter() - start)


def through_transformers(engine: TorchEngine, batch: Batch) -> object:
    """Run transformers' ``generate`` with its own n-gram filter and caches."""
    input_ids, attention_mask = engine.pad(batch)
    return engine._model.generate(
        input_ids=input_ids,
        attention_mask=attention_mask,
        no_repeat_ngram_size=DECODING.no_repeat_ngram_size,
        output_scores=False,
        return_dict_in_generate=False,
    )


def in_batches(rows: Sequence[tuple[int, ...]], size: int) -> list[Batch]:
    """Cut rows into batches of equal size, in order."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def busy_share(card: Card, work: Callable[[], object]) -> float:
    """Return the share of the wall time in which the GPU runs a kernel."""
    kind = ProfilerActivity.CUDA if card.device == "cuda" else ProfilerActivity.CPU
    with profile(activities=[kind]) as profiler:
        wall = seconds(card, work)
    events = profiler.key_averages()
    name = "self_device_time_total" if card.device == "cuda" else "self_cpu_time_total"
    return float(sum(getattr(event, name) for event in events)) / 1e6 / wall


def print_profile(card: Card, lengths: str, work: Callable[[], object]) -> None:
    """Print where a batch of qgbatch spends its time, on the device and on the host."""
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if card.device == "cuda" else [])]
    with profile(activities=kinds) as profiler:
        seconds(card, work)
    order = "self_device_time_total" if card.device == "cuda" else "self_cpu_time_total"
    print(f"\nA batch of {lengths} lengths:\n{profiler.key_averages().table(sort_by=order, row_limit=12)}")


def measure_generation(card: Card, shape: str, place: Path, limit: float, *, n_rows: int) -> None:
    """Measure all contenders on both kinds of lengths."""
    model = find_model(str(make_model(shape, place, NEW_TOKENS)))
    precision = str(card.dtype).removeprefix("torch.")
    engine = TorchEngine(EngineChoice("torch", card.device, precision), model, DECODING, SPECIAL)
    for lengths in ("squad", "full"):
        rows = make_rows(lengths, n_rows)
        ours = [
            [rows[index] for index in batch]
            for batch in make_batches([len(row) for row in rows], engine.budget)
        ]
        plain = partial(through_transformers, engine)
        by_length = sorted(rows, key=len, reverse=True)
        contenders: dict[str, tuple[list[Batch], Callable[[Batch], object]]] = {
            "notebook's loop": (in_batches(rows, 1), plain)
        }
        for size in (8, 64, 256):
            contenders[f"transformers, batches of {size}"] = (in_batches(rows, size), plain)
            contenders[f"transformers, sorted, batches of {size}"] = (in_batches(by_length, size), plain)

        def run_ours(batch: Batch) -> object:
            return next(engine.generate([batch]))

        contenders["qgbatch, torch"] = (list(ours), run_ours)
        table = []
        for name, (batches, run) in contenders.items():
            if card.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            its_rate = rate(card, batches, run, limit)
            peak = torch.cuda.max_memory_allocated() / 2**30 if card.device == "cuda" else float("nan")
            middle = batches[len(batches) // 2]
            minimum = minimum_seconds(card, engine._model.config, middle) / len(middle)
            table.append(
                {
                    "": name,
                    "chunks/s": f"{its_rate:.1f}",
                    "tokens/s": f"{its_rate * NEW_TOKENS:,.0f}",
                    "GPU busy": f"{busy_share(card, partial(run, middle)):.0%}",
                    "peak GiB": f"{peak:.1f}",
                    "of the minimum time": f"{minimum * its_rate:.1%}",
                }
            )
        if shape != "t5-large":
            print_profile(card, lengths, partial(run_ours, ours[len(ours) // 2]))
        best = max(float(row["chunks/s"]) for row in table if row[""].startswith("transformers"))
        ratio = float(table[-1]["chunks/s"]) / best
        show(
            f"{shape}, {lengths} lengths: qgbatch is {ratio:.1f} times transformers at its best",
            table,
            **conditions(card),
        )


def conditions(card: Card) -> dict[str, Any]:
    """Return the conditions under which a table was measured."""
    return {
        "accelerator": torch.cuda.get_device_name() if card.device == "cuda" else "none",
        "teraops": round(card.operations / 1e12, 2),
        "gb_per_second": round(card.n_bytes / 1e9, 1),
        "new_tokens": NEW_TOKENS,
        "num_beams": DECODING.num_beams,
    }


def measure_memory(card: Card, place: Path, *, n_rows: int) -> None:
    """Compare one batch of all rows, which is halved until it fits, with the engine's batch sizes."""
    model = find_model(str(place))
    precision = str(card.dtype).removeprefix("torch.")
    engine = TorchEngine(EngineChoice("torch", card.device, precision), model, DECODING, SPECIAL)
    rows = make_rows("full", n_rows)
    halved: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: halved.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("qgbatch").addHandler(handler)
    table = []
    for name, budget in (("absurd", BatchBudget(10**9)), ("qgbatch's own", engine.budget)):
        halved.clear()
        results: list[object] = []
        batches = make_batches([len(row) for row in rows], budget)
        start = time.perf_counter()
        for generations in engine.generate([[rows[index] for index in batch] for batch in batches]):
            results += generations
        wall = time.perf_counter() - start
        table.append(
            {
                "batch tokens": f"{name}, {budget.batch_tokens:,}",
                "batches": len(batches),
                "times halved": len(halved),
                "rows without a result": sum(result is None for result in results),
                "chunks/s": f"{len(rows) / wall:.1f}",
            }
        )
    logging.getLogger("qgbatch").removeHandler(handler)
    show(f"Memory: {n_rows} rows of 512 tokens", table, **conditions(card))


def measure_parity(card: Card, squad: str, *, n_paragraphs: int) -> None:
    """Compare outputs of the built-in model: CPU in float32, GPU in float32 and bfloat16."""
    model = find_model("small")
    tokenizer, answer_separator = load_tokenizer(model, None), model.metadata.answer_separator or "\n"
    special = SpecialIds(tokenizer.pad_id, tokenizer.eos_id, tokenizer.unk_id, tokenizer.separator_ids)
    paragraphs = read_split(squad).paragraphs
    paragraphs = paragraphs[:: max(1, len(paragraphs) // n_paragraphs)][:n_paragraphs]
    rows = [tuple(ids) for ids in tokenizer.encode([paragraph.context for paragraph in paragraphs])]
    asked: dict[str, list[list[str]]] = {}
    for device, precision in (("cpu", "float32"), (card.device, "float32"), (card.device, "bfloat16")):
        engine = TorchEngine(EngineChoice("torch", device, precision), model, model.decoding, special)
        results = [result for result in next(engine.generate([rows])) if result]
        asked[f"{device}, {precision}"] = [
            [tokenizer.decode(piece).partition(answer_separator)[0].strip() for piece in result.pieces]
            for result in results
        ]
    first = next(iter(asked.values()))
    references = [list(paragraph.questions) for paragraph in paragraphs]
    table = []
    for name, its in asked.items():
        equal = statistics.mean(ours == theirs for ours, theirs in zip(its, first, strict=True))
        overlap = score_overlap(its, references)["rougeL"]
        table.append({"": name, "outputs equal to the CPU's": f"{equal:.0%}", "ROUGE-L": f"{overlap:.4f}"})
    show(f"Parity on {len(rows)} paragraphs", table, **conditions(card))


def random_examples(n_examples: int) -> list[Example]:
    """Make examples of random ids with the lengths of SQuAD's paragraphs and of up to 64 target tokens."""
    rng = random.Random(5)
    return [
        Example(input_ids=list(row), labels=[rng.randrange(10, 7_000) for _ in range(rng.randint(20, 64))])
        for row in make_rows("squad", n_examples)
    ]


def measure_training(card: Card, base: str, *, n_steps: int, step: int) -> None:
    """Measure samples per second of equal steps, and project the notebook's seven epochs."""
    examples = random_examples(max(2, n_steps) * step)
    has_bf16 = card.device == "cuda"
    contenders = {
        "static padding, float32": (4, False, True),
        "static padding, bfloat16": (4, has_bf16, True),
        "qgbatch, bfloat16": (4, has_bf16, False),
        "qgbatch, bfloat16, 64 rows at once": (64, has_bf16, False),
    }
    table = []
    for name, (n_at_once, bf16, is_static) in contenders.items():
        settings = TrainingSettings(
            base=base,
            train_file="none",
            report_to="none",
            bf16=bf16,
            per_device_train_batch_size=min(n_at_once, step),
            gradient_accumulation_steps=max(1, step // n_at_once),
            max_steps=n_steps,
            group_by_length=not is_static,
        )
        train(TrainingSettings(**{**vars(settings), "max_steps": 1}), examples, static=is_static)  # warm up
        wall, _ = train(settings, examples, static=is_static)
        samples = n_steps * step / wall
        table.append(
            {
                "": name,
                "samples/s": f"{samples:.1f}",
                "7 epochs of SQuAD v1.1, projected": f"{N_EPOCHS * N_PARAGRAPHS / samples / 60:.1f} min",
            }
        )
    show(f"Training, {n_steps} steps of {step} paragraphs", table, **conditions(card))


def measure_losses(card: Card, path: str, *, n_steps: int) -> None:
    """Train the built-in model in float32 and bfloat16, on the same examples in the same order."""
    tokenizer = load_tokenizer(find_model("small"), None)
    paragraphs = read_split(path).paragraphs[: n_steps * 64]
    examples = make_examples(
        tokenizer.encode([paragraph.context for paragraph in paragraphs]),
        tokenizer.encode_targets([paragraph.questions for paragraph in paragraphs]),
        tokenizer.eos_id, 512, 64,
    )  # fmt: skip
    table = []
    for precision in ("float32", "bfloat16"):
        settings = TrainingSettings(
            base="small", train_file=path, report_to="none", max_steps=n_steps,
            logging_steps=max(1, n_steps // 6), bf16=precision == "bfloat16" and card.device == "cuda",
        )  # fmt: skip
        _, losses = train(settings, examples, static=False)
        table.append({"": precision, "losses": ", ".join(f"{loss:.3f}" for loss in losses)})
    show(f"Losses over {n_steps} steps of 64 paragraphs", table, **conditions(card))


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--squad", help="SQuAD's development set, for parity")
    parser.add_argument("--train", help="SQuAD's training set, for the losses")
    parser.add_argument("--seconds", type=float, default=420)
    parser.add_argument("--dry-run", action="store_true", help="on a CPU, with a tiny shape")
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    is_dry: bool = arguments.dry_run
    if not is_dry and not torch.cuda.is_available():
        raise SystemExit("No CUDA GPU here: --dry-run tries the script on a CPU.")
    card = measure_card("cpu" if is_dry else "cuda", is_small=is_dry)
    shapes = ["tiny"] if is_dry else ["t5-base", "t5-small", "t5-large"]
    # Generation gets half of the time, divided among shapes, lengths and contenders. Half of that
    # is for warming up, profiling and the last batch of each.
    limit = arguments.seconds / 2 / (len(shapes) * 2 * 8) / 2
    deadline = time.perf_counter() + arguments.seconds / 2
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        for shape in shapes:
            if time.perf_counter() > deadline and shape == "t5-large":
                print("No time left for t5-large.")
                continue
            measure_generation(card, shape, place, limit, n_rows=8 if is_dry else 2048)
        base = place / shapes[0]
        measure_memory(card, base, n_rows=8 if is_dry else 4096)
        if arguments.squad:
            measure_parity(card, arguments.squad, n_paragraphs=4 if is_dry else 100)
        measure_training(card, str(base), n_steps=1 if is_dry else 8, step=8 if is_dry else 64)
        if arguments.train:
            measure_losses(card, arguments.train, n_steps=1 if is_dry else 60)


if __name__ == "__main__":
    main()
