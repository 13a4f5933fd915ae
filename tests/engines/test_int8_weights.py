"""Checkpoints in int8: CTranslate2 keeps their integers, both engines run them, damage is named."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from ctranslate2.specs.common_spec import LinearSpec
from safetensors.torch import load_file, save_file

from qgbatch.engines.base import EngineChoice, SpecialIds
from qgbatch.engines.choice import load_engine
from qgbatch.engines.int8_weights import WEIGHTS_FILE, dequantize_rows, is_quantized, quantize_rows
from qgbatch.engines.t5_spec import make_spec
from qgbatch.engines.t5_weights import read_t5
from qgbatch.engines.weights import load_weights
from qgbatch.errors import ExitCode, ModelError
from qgbatch.models.checkpoint import BUILT_IN_MODELS, find_model
from qgbatch.settings import Decoding
from tests.conftest import SAMPLES
from tests.support.int8 import make_int8_base, make_untied_base

pytestmark = pytest.mark.usefixtures("one_thread")

SPECIAL = SpecialIds(pad=0, eos=1, unk=2, separators=frozenset())
BATCH = [tuple(range(20, 40)), tuple(range(50, 70))]
NORM = "encoder.final_layer_norm.weight"
QUERY = "encoder.block.0.layer.0.SelfAttention.q.weight"
BIAS = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module", params=[False, True], ids=["flan", "scaled"])
def unquantized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in float32, whose last hidden states are scaled or not."""
    return make_untied_base(tmp_path_factory.mktemp("base") / "float", scales_outputs=request.param)


@pytest.fixture(scope="module")
def quantized(unquantized: Path) -> Path:
    """The same checkpoint in int8."""
    return make_int8_base(unquantized.parent / "int8", unquantized)


@pytest.fixture
def flan(tmp_path: Path) -> Path:
    """A checkpoint in int8 to break."""
    return make_int8_base(tmp_path / "int8", make_untied_base(tmp_path / "float"))


def load(directory: Path, dtype: torch.dtype = torch.float32) -> Any:
    return load_weights(find_model(str(directory)), dtype)


def matrix_with_ties() -> torch.Tensor:
    """Rows of many sizes, with values halfway between two integers, and a row of zeros."""
    generator = torch.Generator().manual_seed(0)
    halves = torch.randint(-254, 255, (500, 64), generator=generator).float() / 2
    halves[:, 0] = 127
    rows = halves * torch.logspace(-30, 30, 500)[:, None]
    return torch.cat([rows, torch.randn(500, 64, generator=generator), torch.zeros(1, 64)])


def test_integers_and_scales_are_those_of_ctranslate2() -> None:
    matrix = matrix_with_ties().numpy()
    spec = LinearSpec()
    spec.weight = matrix.copy()
    spec.validate()
    spec.optimize("int8")
    integers, scales = quantize_rows(matrix)
    assert np.array_equal(integers, spec.weight.numpy())
    assert (1 / spec.weight_scale.numpy()).tolist() == pytest.approx(scales.tolist())
    assert scales[-1] == 1


def test_quantizing_again_changes_nothing() -> None:
    integers, scales = quantize_rows(matrix_with_ties().numpy())
    again, scales_again = quantize_rows(dequantize_rows(integers, scales))
    assert np.array_equal(again, integers)
    assert scales_again.tolist() == pytest.approx(scales.tolist(), rel=1.2e-7)  # one bit of float32


def test_a_conversion_to_int8_keeps_the_stored_integers(quantized: Path) -> None:
    weights = read_t5(find_model(str(quantized)))
    assert weights
    spec = make_spec(weights, SPECIAL, "int8")
    spec.validate()
    spec.optimize("int8")
    stored = load_file(quantized / WEIGHTS_FILE)
    block = "decoder.block.1.layer.0.SelfAttention"
    fused = [stored[f"{block}.{name}.weight"] for name in "qkv"]
    for converted, expected in (
        (spec.decoder.embeddings.weight, stored["shared.weight"]),
        (spec.decoder.projection.weight, stored["lm_head.weight"]),
        (spec.decoder.layer[1].self_attention.linear[0].weight, torch.cat(fused)),
        (spec.encoder.layer[0].self_attention.relative_attention_bias, stored[BIAS]),
    ):
        assert torch.equal(torch.tensor(converted.numpy()), expected)


def test_weights_are_dequantized_and_embeddings_stay_untied(quantized: Path) -> None:
    stored, weights = load_file(quantized / WEIGHTS_FILE), load(quantized)
    for name in ("shared.weight", "lm_head.weight", QUERY):
        expected = stored[name] * stored[f"{name}.scale"][:, None]
        assert torch.equal(weights.get_parameter(name), expected)
    assert torch.equal(weights.get_parameter(BIAS), stored[BIAS])
    assert (
        weights.encoder.embed_tokens.weight is weights.decoder.embed_tokens.weight is weights.shared.weight
    )
    assert not weights.config.tie_word_embeddings
    assert {parameter.dtype for parameter in load(quantized, torch.bfloat16).parameters()} == {
        torch.bfloat16
    }


def test_embeddings_that_differ_are_no_reason_for_a_warning(
    unquantized: Path, quantized: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        for directory in (unquantized, quantized):
            load(directory)
    finally:
        logger.removeHandler(caplog.handler)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_engines_write_the_same_ids(quantized: Path, tmp_path: Path) -> None:
    outputs = []
    for name in ("torch", "ctranslate2"):
        decoding = Decoding(num_beams=1, max_new_tokens=12, no_repeat_ngram_size=0)
        choice = EngineChoice(name, "cpu", "float32")
        engine = load_engine(choice, find_model(str(quantized)), decoding, SPECIAL, tmp_path)
        outputs.append(
            [generation for rows in engine.generate([BATCH]) for generation in rows if generation]
        )
    ours, theirs = outputs
    assert [generation.pieces for generation in ours] == [generation.pieces for generation in theirs]
    assert [g.score for g in ours] == pytest.approx([g.score for g in theirs], abs=1e-3)
    assert len({generation.pieces for generation in ours}) == len(BATCH)


def set_first(value: float) -> Callable[[Tensors], None]:
    """Replace the first scale of a matrix."""

    def change(tensors: Tensors) -> None:
        tensors[f"{QUERY}.scale"][0] = value

    return change


DAMAGE: dict[str, tuple[Callable[[Tensors], Any], str]] = {
    "no scales": (lambda tensors: tensors.pop(f"{QUERY}.scale"), f"{QUERY} has no scales"),
    "fewer scales": (
        lambda tensors: tensors.update({f"{QUERY}.scale": torch.ones(31)}),
        rf"{QUERY}\.scale is float32 of shape \(31,\), not float32 of shape \(32,\)",
    ),
    "integer scales": (
        lambda tensors: tensors.update({f"{QUERY}.scale": torch.ones(32, dtype=torch.int8)}),
        rf"{QUERY}\.scale is int8 of shape \(32,\), not float32",
    ),
    "NaN": (set_first(float("nan")), rf"{QUERY}\.scale contains a value that is not finite and positive"),
    "infinity": (set_first(float("inf")), rf"{QUERY}\.scale contains a value"),
    "zero": (set_first(0), rf"{QUERY}\.scale contains a value"),
    "negative": (set_first(-1), rf"{QUERY}\.scale contains a value"),
    "int8 norm": (
        lambda tensors: tensors.update({NORM: torch.ones(32, dtype=torch.int8)}),
        rf"{NORM} is int8 of shape \(32,\), neither float32 nor a matrix of int8",
    ),
    "int32 matrix": (
        lambda tensors: tensors.update({QUERY: tensors[QUERY].int()}),
        rf"{QUERY} is int32 of shape \(32, 32\), neither",
    ),
    "int8 bias": (lambda tensors: tensors.update({BIAS: tensors[BIAS].char()}), f"{BIAS} has no scales"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_tensors_are_named(damage: Callable[[Tensors], Any], reason: str, flan: Path) -> None:
    tensors = load_file(flan / WEIGHTS_FILE)
    damage(tensors)
    save_file(tensors, flan / WEIGHTS_FILE)
    with pytest.raises(ModelError, match=rf"{flan} cannot be loaded \({WEIGHTS_FILE}: {reason}") as raised:
        load(flan)
    assert raised.value.hint == "Get the checkpoint again."
    with pytest.raises(ModelError) as raised:
        load_weights(replace(find_model(str(flan)), name=BUILT_IN_MODELS[0]), torch.float32)
    assert raised.value.hint == "Install qgbatch again."


@pytest.mark.parametrize("name", ["shared.weight", "lm_head.weight"])
def test_a_vocabulary_that_does_not_fit_is_named(name: str, flan: Path) -> None:
    tensors = load_file(flan / WEIGHTS_FILE)
    for part in (name, f"{name}.scale"):
        tensors[part] = tensors[part][:8000].clone()
    save_file(tensors, flan / WEIGHTS_FILE)
    shapes = r"is int8 of shape \(8000, 32\), but config\.json says \(8128, 32\)"
    with pytest.raises(ModelError, match=rf"{WEIGHTS_FILE}: {name} {shapes}"):
        load(flan)


def test_a_missing_matrix_is_named(flan: Path) -> None:
    tensors = load_file(flan / WEIGHTS_FILE)
    del tensors[QUERY], tensors[f"{QUERY}.scale"]
    save_file(tensors, flan / WEIGHTS_FILE)
    with pytest.raises(ModelError, match=f"lack {QUERY}"):
        load(flan)


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
def test_a_truncated_file_exits_5_before_a_document_is_read(
    engine: str, flan: Path, qgbatch: Callable[..., Result], tmp_path: Path
) -> None:
    content = (flan / WEIGHTS_FILE).read_bytes()
    (flan / WEIGHTS_FILE).write_bytes(content[:-1000])
    output = tmp_path / "questions.jsonl"
    words = ("--model", flan, "--engine", engine, "--no-cache", "-o", output)
    result = qgbatch("run", SAMPLES / "lighthouses.txt", *words)
    assert result.exit_code == ExitCode.MODEL
    assert f"the weights in {flan} cannot be loaded ({WEIGHTS_FILE}: " in result.stderr
    assert "Get the checkpoint again." in result.stderr
    assert not output.exists()


def test_only_files_with_int8_are_quantized(flan: Path, tmp_path: Path) -> None:
    assert is_quantized(flan)
    assert not is_quantized(tmp_path / "float")
    shutil.rmtree(flan)
    assert not is_quantized(flan)
