"""The last step of the recipe writes a checkpoint in int8 that runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import quantize
import torch
from click.testing import Result
from safetensors.torch import load_file

from qgbatch.errors import ExitCode
from tests.conftest import SAMPLES
from tests.support.int8 import make_untied_base

pytestmark = pytest.mark.usefixtures("one_thread")


def run_step(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, out: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["quantize.py", "--checkpoint", str(checkpoint), "--out", str(out)])
    quantize.main()


def test_matrices_become_int8_and_the_result_runs(
    monkeypatch: pytest.MonkeyPatch, qgbatch: Callable[..., Result], tmp_path: Path
) -> None:
    base, out = make_untied_base(tmp_path / "base"), tmp_path / "out"
    (base / "qgbatch.json").write_text('{"prefix": "ask: "}')
    (base / "optimizer.pt").touch()
    run_step(monkeypatch, base, out)
    copied = {path.name for path in base.iterdir()} - {"model.safetensors", "optimizer.pt"}
    assert {path.name for path in out.iterdir()} == copied | {"model.safetensors"}
    assert all((out / name).read_bytes() == (base / name).read_bytes() for name in copied)

    before, after = (load_file(directory / "model.safetensors") for directory in (base, out))
    matrices = {
        name for name, tensor in before.items() if tensor.ndim == 2 and "attention_bias" not in name
    }
    assert {name for name, tensor in after.items() if tensor.dtype == torch.int8} == matrices
    assert after.keys() == before.keys() | {f"{name}.scale" for name in matrices}
    assert all(torch.equal(after[name], before[name]) for name in before.keys() - matrices)
    for name in matrices:
        scales = after[f"{name}.scale"]
        error = (after[name] * scales[:, None] - before[name]).abs().amax(dim=1)
        assert (error <= scales * 0.5001).all()

    words = ("--model", out, "--num-beams", 1, "--max-new-tokens", 8, "-o", tmp_path / "q.csv")
    result = qgbatch("run", SAMPLES / "lighthouses.txt", *map(str, words))
    assert result.exit_code == ExitCode.OK, result.output


def test_files_that_a_checkpoint_lacks_are_not_copied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, out = make_untied_base(tmp_path / "base"), tmp_path / "out"
    (base / "generation_config.json").unlink()
    run_step(monkeypatch, base, out)
    needed = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in out.iterdir()} == needed
