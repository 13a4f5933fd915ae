"""Loading: devices, precisions, the conversion and its cache, damaged and hostile weights."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from safetensors.torch import load_file, save_file

import qgbatch
from qgbatch.engines.base import SpecialIds
from qgbatch.engines.conversion import find_conversion
from qgbatch.engines.devices import find_device
from qgbatch.errors import ModelError, OutputError, SettingsError
from qgbatch.models.checkpoint import find_model
from tests.conftest import MINI

TEXT = "Tea reached Europe in 1610. Dutch ships carried it from Java to Amsterdam."
FAST: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 16}


def ask(**options: Any) -> list[str]:
    return [q.question for q in qgbatch.generate_questions([TEXT], **{**FAST, **options})]


def test_a_model_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ask()
    (conversion,) = (tmp_path / "qgbatch" / "ctranslate2").iterdir()
    made = (conversion / "model.bin").stat().st_mtime_ns
    ask()
    assert (conversion / "model.bin").stat().st_mtime_ns == made
    ask(compute_type="float32")
    assert len(list((tmp_path / "qgbatch" / "ctranslate2").iterdir())) == 2


def test_other_special_tokens_are_another_conversion(tmp_path: Path) -> None:
    model = find_model(str(MINI))
    special = SpecialIds(0, 1, 2, frozenset({8100}))
    changed = [replace(special, pad=3), replace(special, eos=3), replace(special, unk=3)]
    found = {find_conversion(model, ids, "int8", tmp_path, tmp_path) for ids in (special, *changed)}
    assert len(found) == 4
    same = replace(special, separators=frozenset({5}), answer_separators=frozenset({6}))
    assert find_conversion(model, same, "int8", tmp_path, tmp_path) in found


def test_without_a_cache_directory_it_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = ask()
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert ask() == expected
    assert "each run converts the model" in caplog.text


def test_no_place_for_a_conversion_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(OutputError, match=r"cannot be converted .*engine='torch'"):
        ask()


def test_what_killed_conversions_left_is_removed_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = tmp_path / "qgbatch" / "ctranslate2"
    for name in (".converting-old", ".converting-new"):
        (home / name / "model").mkdir(parents=True)
    os.utime(home / ".converting-old", (0, 0))
    ask()
    names = {path.name for path in home.iterdir()}
    assert ".converting-old" not in names
    assert ".converting-new" in names


def test_a_damaged_conversion_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    expected = ask()
    (conversion,) = (tmp_path / "qgbatch" / "ctranslate2").iterdir()
    (conversion / "model.bin").write_bytes(b"damaged")
    assert ask() == expected
    assert f"{conversion.name}: the converted model cannot be loaded" in caplog.text
    assert len((conversion / "model.bin").read_bytes()) > len(b"damaged")


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cpu:1", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"device='{name}'"):
        find_device(name)


@pytest.mark.parametrize("option", [("--dtype", "float16"), ("--compute-type", "int8_float16")])
def test_float16_is_refused_with_the_reason(
    option: tuple[str, str], tmp_path: Path, qgbatch: Callable[..., Result]
) -> None:
    result = qgbatch("run", tmp_path, "-o", tmp_path / "q.csv", *option)
    assert result.exit_code == 2
    assert "T5 overflows in float16" in result.stderr


def test_a_precision_that_this_device_lacks_is_refused() -> None:
    with pytest.raises(SettingsError, match="compute_type='int8_bfloat16': this cpu does not support it"):
        ask(compute_type="int8_bfloat16", device="cpu")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A copy of mini to break."""
    return Path(shutil.copytree(MINI, tmp_path / "damaged"))


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
def test_cut_off_weights_are_named(damaged: Path, engine: str) -> None:
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"weights in .*damaged cannot be loaded"):
        ask(model=str(damaged), engine=engine)


def test_missing_layers_are_an_error_not_random_numbers(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps({**config, "num_layers": 5}))
    with pytest.raises(ModelError, match=r"lack encoder\.block\.4"):
        ask(model=str(damaged), engine="torch")


def change_weights(directory: Path, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change one matrix of the weights of a checkpoint."""
    weights = load_file(directory / "model.safetensors")
    weights[name] = change(weights[name])
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def with_one(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Replace the first number of a matrix."""

    def change(weights: torch.Tensor) -> torch.Tensor:
        weights.view(-1)[0] = value
        return weights

    return change


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_keep_the_earlier_output(
    value: float, engine: str, damaged: Path, tmp_path: Path, qgbatch: Callable[..., Result]
) -> None:
    change_weights(damaged, "encoder.block.0.layer.0.SelfAttention.q.weight", with_one(value))
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "q.csv").write_text("earlier")
    result = qgbatch(
        "run", tmp_path / "a.txt", "-o", tmp_path / "q.csv", "--model", damaged, "--engine", engine
    )
    assert result.exit_code == 5
    assert f"{damaged}: the weights are damaged: encoder.block.0" in result.stderr
    assert (tmp_path / "q.csv").read_text() == "earlier"


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "torch"},
        {"engine": "torch", "num_beams": 2},
        {"engine": "torch", "do_sample": True},
        {"engine": "ctranslate2"},
        {"engine": "ctranslate2", "num_beams": 2},
    ],
)
def test_numbers_that_overflow_are_an_error_of_the_model(damaged: Path, options: dict[str, Any]) -> None:
    change_weights(damaged, "decoder.final_layer_norm.weight", lambda weights: weights * 1e38)
    with pytest.raises(ModelError, match="damaged: the model computes no numbers"):
        ask(model=str(damaged), **options)


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_weights_cannot_run_code(damaged: Path, tmp_path: Path) -> None:
    (damaged / "model.safetensors").unlink()
    (damaged / "pytorch_model.bin").write_bytes(pickle.dumps({"shared.weight": Hostile(tmp_path / "ran")}))
    with pytest.raises(ModelError, match=r"cannot be loaded|runs no code"):
        ask(model=str(damaged), engine="torch")
    torch.save({"shared.weight": Hostile(tmp_path / "ran")}, damaged / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"cannot be loaded|runs no code"):
        ask(model=str(damaged), engine="torch")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_checkpoint_cannot_name_code_of_the_hub(damaged: Path, key: str) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps({**config, key: "someone/kernel"}))
    with pytest.raises(ModelError, match="runs no code of a checkpoint"):
        ask(model=str(damaged), engine="torch")


def test_a_given_tokenizer_comes_before_the_model_s_own(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"No tokenizer for small.* with tokenizer"):
        ask(tokenizer=str(tmp_path / "none"))
