"""``recover.py`` reads the weights of a Flan-T5 from quantized ONNX files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recover
from safetensors.numpy import load_file

from tests.conftest import MINI
from tests.recipe.conftest import Step

onnx = pytest.importorskip("onnx", reason="onnx of the dev extra is not installed")

ATTENTION = ("q", "k", "v", "o")


class Graph:
    """An ONNX graph in the form that onnxruntime's dynamic quantization gives it."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []
        self.expected: dict[str, Any] = {}

    def matrix(self, name: str, shape: tuple[int, int], *, gathered: bool = False) -> None:
        """Add a matrix in the shape that torch has."""
        integers = self._rng.integers(0, 256, shape, dtype=np.uint8)
        scale, zero_point = np.float32(self._rng.uniform(0.01, 0.1)), np.uint8(self._rng.integers(100, 150))
        self.expected[f"{name}.weight"] = (integers.astype(np.float32) - np.float32(zero_point)) * scale
        base = f"{name}.weight" if gathered else f"onnx::MatMul_{len(self._nodes)}"
        parts = {
            "quantized": integers if gathered else integers.T,
            "scale": scale,
            "zero_point": zero_point,
        }
        for part, value in parts.items():
            self._initializers.append(onnx.numpy_helper.from_array(np.array(value), f"{base}_{part}"))
        path = "/" + name.replace("block.", "block#").replace("layer.", "layer#").replace(".", "/")
        path = path.replace("#", ".")
        operator = "Gather" if gathered else "MatMulInteger"
        words = (
            [f"{base}_quantized", "x"]
            if gathered
            else ["x", f"{base}_quantized", "x", f"{base}_zero_point"]
        )
        suffix = "/Gather" if gathered else "/MatMul_quant"
        self._nodes.append(
            onnx.helper.make_node(operator, words, [f"y{len(self._nodes)}"], name=path + suffix)
        )

    def norm(self, name: str, size: int) -> None:
        value = self._rng.standard_normal(size).astype(np.float32)
        self.expected[f"{name}.weight"] = value
        self._initializers.append(onnx.numpy_helper.from_array(value, f"{name}.weight"))

    def stack(self, prefix: str, attentions: tuple[str, ...]) -> None:
        """Add two layers with 2 heads of 4 dimensions, a width of 6 and an inner width of 10."""
        for block in range(2):
            for number, attention in enumerate(attentions):
                layer = f"{prefix}.block.{block}.layer.{number}"
                for part in ATTENTION:
                    self.matrix(f"{layer}.{attention}.{part}", (6, 8) if part == "o" else (8, 6))
                self.norm(f"{layer}.layer_norm", 6)
            layer = f"{prefix}.block.{block}.layer.{len(attentions)}"
            for part in ("wi_0", "wi_1", "wo"):
                self.matrix(f"{layer}.DenseReluDense.{part}", (6, 10) if part == "wo" else (10, 6))
            self.norm(f"{layer}.layer_norm", 6)
        bias = f"{prefix}.block.0.layer.0.SelfAttention.relative_attention_bias"
        self.matrix(bias, (32, 2), gathered=True)
        self.norm(f"{prefix}.final_layer_norm", 6)

    def save(self, path: Path) -> None:
        onnx.save(
            onnx.helper.make_model(onnx.helper.make_graph(self._nodes, "g", [], [], self._initializers)),
            path,
        )


def test_weights_sizes_and_tokenizer_are_recovered(step: Step, tmp_path: Path) -> None:
    from transformers import T5ForConditionalGeneration

    encoder, decoder = Graph(1), Graph(2)
    encoder.matrix("enc.embed_tokens", (40, 6), gathered=True)
    encoder.stack("enc", ("SelfAttention",))
    decoder.matrix("m.shared", (40, 6), gathered=True)
    decoder.stack("m.decoder", ("SelfAttention", "EncDecAttention"))
    decoder.matrix("m.lm_head", (40, 6))
    encoder.save(tmp_path / "encoder.onnx")
    decoder.save(tmp_path / "decoder.onnx")
    shutil.copy(MINI / "tokenizer.json", tmp_path)
    step(recover.main, "--package", tmp_path, "--out", tmp_path / "out")

    del encoder.expected["enc.embed_tokens.weight"]
    expected = {name.replace("enc.", "encoder.", 1): value for name, value in encoder.expected.items()}
    expected |= {name.removeprefix("m."): value for name, value in decoder.expected.items()}
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert weights.keys() == expected.keys()
    assert [name for name in expected if not np.array_equal(weights[name], expected[name])] == []
    loaded: Any = T5ForConditionalGeneration.from_pretrained(tmp_path / "out", output_loading_info=True)
    model, info = loaded
    assert not info["missing_keys"] | info["unexpected_keys"] | info["mismatched_keys"]
    config = model.config
    assert (config.num_layers, config.num_decoder_layers, config.num_heads, config.d_kv) == (2, 2, 2, 4)
    assert (config.is_gated_act, config.scale_decoder_outputs) == (True, False)
