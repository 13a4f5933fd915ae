"""Batches sized by free GPU memory fit into it, and are larger than the fixed default.

PyTorch allocates the same tensors on a CPU, where the profiler reports every allocation.
"""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
import torch
import transformers
from torch.profiler import ProfilerActivity, profile

from qgbatch.engines.base import Batch, EngineChoice, SpecialIds
from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.memory import budget_for_memory
from qgbatch.engines.torch import TorchEngine
from qgbatch.models.checkpoint import find_model
from qgbatch.settings import Decoding, Settings

GIB = 1 << 30
CPU = EngineChoice("torch", "cpu", "float32")
SPECIAL = SpecialIds(pad=0, eos=1, unk=2, separators=frozenset({3}))
T5_BASE = transformers.T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12)


def t5_base_budget(free_gib: int, decoding: Decoding) -> BatchBudget:
    """The budget of a T5-base in bfloat16 with inputs of at most 512 tokens."""
    return budget_for_memory(free_gib * GIB, T5_BASE, decoding, 512, 2)


def test_a_16_gib_gpu_generates_a_window_in_38_batches_where_the_default_takes_256() -> None:
    # Each batch runs up to 255 decoding steps one after the other, whatever its number of rows.
    lengths = [512] * Settings.window_chunks
    assert len(make_batches(lengths, BatchBudget())) == 256
    assert len(make_batches(lengths, t5_base_budget(16, Decoding()))) == 38


@pytest.mark.parametrize("n_tokens", [24, 512])
@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize(("vocab_size", "num_layers", "max_new_tokens"), [(600, 6, 12), (8000, 2, 40)])
def test_a_full_batch_fits_into_the_memory_and_uses_much_of_it(
    n_tokens: int, num_beams: int, vocab_size: int, num_layers: int, max_new_tokens: int, tmp_path: Path
) -> None:
    free_bytes = 64 << 20
    config = transformers.T5Config(
        vocab_size=vocab_size, d_model=64, d_kv=16, d_ff=128, num_layers=num_layers, num_heads=4
    )
    engine = make_engine(config, Decoding(num_beams=num_beams, max_new_tokens=max_new_tokens), tmp_path)
    budget = budget_for_memory(free_bytes, config, engine._decoding, 512, 4)
    n_rows = max(1, budget.batch_tokens // (n_tokens + budget.row_tokens))
    share = n_rows * (n_tokens + budget.row_tokens) / budget.batch_tokens
    peak = peak_bytes(engine, [(5,) * n_tokens] * n_rows)
    # With one beam, encoding dominates, and its memory is estimated for the longest input.
    minimum = 0.3 if num_beams > 1 else 0.05
    assert minimum * share < peak / free_bytes < 0.95 * share


def test_the_budget_grows_with_memory_and_shrinks_with_outputs() -> None:
    budget = t5_base_budget(60, Decoding(max_new_tokens=64))
    half = t5_base_budget(30, Decoding(max_new_tokens=64))
    assert half.batch_tokens == pytest.approx(budget.batch_tokens / 2, abs=1)
    assert t5_base_budget(60, Decoding(max_new_tokens=255)).row_tokens > 2 * budget.row_tokens
    greedy = t5_base_budget(60, Decoding(num_beams=1, max_new_tokens=64))
    assert greedy.batch_tokens > budget.batch_tokens
    sampling = Decoding(num_beams=1, do_sample=True, num_return_sequences=8, max_new_tokens=64)
    assert t5_base_budget(60, sampling).batch_tokens < budget.batch_tokens


def test_without_free_memory_each_row_forms_a_batch() -> None:
    assert make_batches([500, 400], t5_base_budget(0, Decoding())) == [[0], [1]]


def make_engine(config: transformers.T5Config, decoding: Decoding, directory: Path) -> TorchEngine:
    """Make an engine whose model always writes the maximum number of tokens."""
    torch.manual_seed(0)
    weights = transformers.T5ForConditionalGeneration(config)
    with torch.no_grad():
        weights.get_input_embeddings().weight[SPECIAL.eos] = 0
    weights.save_pretrained(directory)
    (directory / "generation_config.json").unlink()
    return TorchEngine(CPU, find_model(str(directory)), decoding, SPECIAL)


def peak_bytes(engine: TorchEngine, batch: Batch) -> int:
    """Return the peak of the allocated memory while the engine processes a batch."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        next(engine.generate([batch]))
    assert profiler.profiler
    events = profiler.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    return int(max(accumulate(n_bytes for _, n_bytes in changes)))


def test_a_cpu_uses_the_fixed_default() -> None:
    engine = TorchEngine(CPU, find_model("small"), Decoding(), SPECIAL)
    assert engine.budget == BatchBudget(4096, 0)


def test_a_gpu_uses_the_memory_that_is_free_after_loading_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = TorchEngine(CPU, find_model("small"), Decoding(), SPECIAL)
    engine._device = "cuda:1"
    monkeypatch.setattr(torch.cuda, "mem_get_info", {"cuda:1": (GIB, 2 * GIB)}.__getitem__)
    assert engine.budget == budget_for_memory(GIB, engine._model.config, Decoding(), 512, 4)
