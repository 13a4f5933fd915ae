"""Batches sized from free memory: what a batch takes is compared with what PyTorch allocates for one."""

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
from qgbatch.settings import Decoding

GIB = 1 << 30
FREE = 64 << 20
CPU = EngineChoice("torch", "cpu", "float32")
SPECIAL = SpecialIds(pad=0, eos=1, unk=2, separators=frozenset({3}))
T5_BASE = transformers.T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12)


def test_room_grows_with_memory_and_shrinks_with_what_a_row_takes() -> None:
    budget = budget_for_memory(60 * GIB, T5_BASE, Decoding(max_new_tokens=64), 512, 2)
    assert budget_for_memory(
        30 * GIB, T5_BASE, Decoding(max_new_tokens=64), 512, 2
    ).batch_tokens == pytest.approx(budget.batch_tokens / 2, abs=1)
    assert 200_000 < budget.batch_tokens < 500_000
    longer = budget_for_memory(60 * GIB, T5_BASE, Decoding(max_new_tokens=255), 512, 2)
    assert longer.row_tokens > 2 * budget.row_tokens
    greedy = budget_for_memory(60 * GIB, T5_BASE, Decoding(num_beams=1, max_new_tokens=64), 512, 2)
    assert greedy.batch_tokens > budget.batch_tokens
    drawn = Decoding(num_beams=1, do_sample=True, num_return_sequences=8, max_new_tokens=64)
    assert budget_for_memory(60 * GIB, T5_BASE, drawn, 512, 2).batch_tokens < budget.batch_tokens


def test_there_is_room_for_a_row_in_any_memory() -> None:
    budget = budget_for_memory(0, T5_BASE, Decoding(), 512, 2)
    assert make_batches([500, 400], budget) == [[0], [1]]


@pytest.mark.parametrize("n_tokens", [24, 160, 512])
@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize(("vocab_size", "num_layers", "max_new_tokens"), [(600, 6, 12), (8000, 2, 40)])
def test_a_batch_that_fills_the_room_takes_most_of_the_memory_and_no_more(
    n_tokens: int, num_beams: int, vocab_size: int, num_layers: int, max_new_tokens: int, tmp_path: Path
) -> None:
    config = transformers.T5Config(
        vocab_size=vocab_size, d_model=64, d_kv=16, d_ff=128, num_layers=num_layers, num_heads=4
    )
    engine = make_engine(config, Decoding(num_beams=num_beams, max_new_tokens=max_new_tokens), tmp_path)
    budget = budget_for_memory(FREE, config, engine._decoding, 512, 4)
    n_rows = max(1, budget.batch_tokens // (n_tokens + budget.row_tokens))
    share = n_rows * (n_tokens + budget.row_tokens) / budget.batch_tokens
    peak = peak_bytes(engine, [(5,) * n_tokens] * n_rows)
    least = 0.3 if num_beams > 1 else 0.05  # where reading a text takes the most, which is counted high
    assert least * share < peak / FREE < 0.95 * share


def make_engine(config: transformers.T5Config, decoding: Decoding, place: Path) -> TorchEngine:
    """An engine whose model never ends before it has to."""
    torch.manual_seed(0)
    weights = transformers.T5ForConditionalGeneration(config)
    with torch.no_grad():
        weights.get_input_embeddings().weight[SPECIAL.eos] = 0
    weights.save_pretrained(place)
    (place / "generation_config.json").unlink()
    return TorchEngine(CPU, find_model(str(place)), decoding, SPECIAL)


def peak_bytes(engine: TorchEngine, batch: Batch) -> int:
    """The most that is allocated at once while the engine works on a batch."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        next(engine.generate([batch]))
    assert profiler.profiler
    events = profiler.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    return int(max(accumulate(n_bytes for _, n_bytes in changes)))


def test_the_cpu_keeps_what_was_measured_best_there() -> None:
    engine = TorchEngine(CPU, find_model("mini"), Decoding(), SPECIAL)
    assert engine.budget == BatchBudget(4096, 0)


def test_a_gpu_has_what_is_free_with_the_weights_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TorchEngine(CPU, find_model("mini"), Decoding(), SPECIAL)
    engine._device = "cuda:1"
    monkeypatch.setattr(torch.cuda, "mem_get_info", {"cuda:1": (GIB, 2 * GIB)}.__getitem__)
    assert engine.budget == budget_for_memory(GIB, engine._model.config, Decoding(), 512, 4)
