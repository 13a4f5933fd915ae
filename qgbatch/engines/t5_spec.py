"""Describes a T5 to CTranslate2, which writes its own format from that."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import ctranslate2
import numpy as np

from qgbatch.engines.base import SpecialIds
from qgbatch.engines.int8_weights import Array
from qgbatch.engines.t5_weights import T5Weights

_ACTIVATIONS = {
    "gelu": "GELU",
    "gelu_fast": "GELUTanh",
    "gelu_new": "GELUTanh",
    "gelu_python": "GELU",
    "gelu_pytorch_tanh": "GELUTanh",
    "quick_gelu": "GELUSigmoid",
    "relu": "RELU",
    "silu": "SWISH",
    "swish": "SWISH",
}
"""CTranslate2's names of activation functions by those of transformers."""


def make_spec(weights: T5Weights, special: SpecialIds, precision: str) -> Any:
    """Return CTranslate2's specification of a model, whose tokens are ids as decimal numbers.

    To quantize the specification changes the arrays of ``weights``.

    Args:
        weights: The model.
        special: Ids of the special tokens.
        precision: Type of the converted weights.
    """
    specs = _import_specs(with_torch="bfloat16" in precision)
    spec = specs.TransformerSpec.from_config(
        weights.n_layers,
        weights.n_heads,
        pre_norm=True,
        activation=specs.Activation[_ACTIVATIONS[weights.activation]],
        ffn_glu=weights.is_gated,
        relative_attention_bias=True,
        rms_norm=True,
    )
    _set_stack(spec.encoder, spec.encoder.embeddings[0], weights, "encoder")
    _set_stack(spec.decoder, spec.decoder.embeddings, weights, "decoder")
    spec.decoder.projection.weight = weights.projection
    spec.decoder.scale_outputs = weights.output_scale or specs.model_spec.OPTIONAL
    tokens = [str(token) for token in range(weights.vocab_size)]
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.bos_token = str(special.pad)
    spec.config.eos_token = str(special.eos)
    spec.config.unk_token = str(special.unk)
    start = weights.decoder_start_id
    spec.config.decoder_start_token = str(special.pad if start is None else start)
    return spec


def _import_specs(*, with_torch: bool) -> Any:
    """Import ``ctranslate2.specs`` without torch, which it imports if it can, unless torch is needed.

    Such a module does not stay in ``sys.modules``, so that a later import has torch.
    """
    name = "ctranslate2.specs"
    if with_torch or "torch" in sys.modules:
        return import_module(name)
    sys.modules["torch"] = None  # type: ignore[assignment]  # makes its import fail
    try:
        return import_module(name)
    finally:
        del sys.modules["torch"]
        for module in [each for each in sys.modules if each.startswith(name)]:
            del sys.modules[module]
        vars(ctranslate2).pop("specs", None)


def _set_stack(spec: Any, embeddings: Any, weights: T5Weights, stack: str) -> None:
    """Set the weights of the encoder or the decoder."""
    arrays = weights.arrays
    spec.layer_norm.gamma = arrays[f"{stack}.final_layer_norm.weight"]
    embeddings.weight = weights.embeddings
    spec.scale_embeddings = False
    bias = arrays[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    for i, layer in enumerate(spec.layer):
        block = f"{stack}.block.{i}.layer"
        attention, place = layer.self_attention, f"{block}.0.SelfAttention"
        attention.relative_attention_bias = bias  # all layers use that of the first one
        attention.relative_attention_max_distance = np.int32(weights.max_distance)
        _set_attention(attention, arrays, place, ["qkv"])
        attention.layer_norm.gamma = arrays[f"{block}.0.layer_norm.weight"]
        if stack == "decoder":
            _set_attention(layer.attention, arrays, f"{block}.1.EncDecAttention", ["q", "kv"])
            layer.attention.layer_norm.gamma = arrays[f"{block}.1.layer_norm.weight"]
        last = f"{block}.{2 if stack == 'decoder' else 1}"
        _set_ffn(layer.ffn, arrays, last, is_gated=weights.is_gated)


def _set_attention(spec: Any, arrays: Mapping[str, Array], place: str, fused: Sequence[str]) -> None:
    """Set the weights of an attention; ``fused`` has the letters of the matrices that become one."""
    spec.queries_scale = 1.0
    for linear, letters in zip(spec.linear, [*fused, "o"], strict=True):
        linear.weight = np.concatenate([arrays[f"{place}.{letter}.weight"] for letter in letters])


def _set_ffn(spec: Any, arrays: Mapping[str, Array], place: str, *, is_gated: bool) -> None:
    """Set the weights of a feed-forward layer."""
    dense = f"{place}.DenseReluDense"
    spec.linear_0.weight = arrays[f"{dense}.{'wi_0' if is_gated else 'wi'}.weight"]
    if is_gated:
        spec.linear_0_noact.weight = arrays[f"{dense}.wi_1.weight"]
    spec.linear_1.weight = arrays[f"{dense}.wo.weight"]
    spec.layer_norm.gamma = arrays[f"{place}.layer_norm.weight"]
