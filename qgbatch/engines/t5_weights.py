"""The weights of a T5 as arrays, from safetensors without torch, or from a model of transformers.

torch and transformers take seconds to import, which is most of a short run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qgbatch.engines.int8_weights import WEIGHTS_FILE, Array, is_quantized, open_tensors, read_weights
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.models.utf8_path import utf8_path
from qgbatch.models.validation import read_json

_SIZES = ("vocab_size", "d_model", "d_kv", "d_ff", "num_heads", "num_layers", "num_decoder_layers")
_DEFAULTS = {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}
_OTHER_NAMES = ("hidden_size", "num_attention_heads", "num_hidden_layers", "head_dim")
"""Names by which transformers also reads a size."""
_FEED_FORWARD = {"relu": "relu", "gated-gelu": "gelu_new", "gated-silu": "silu"}
"""Activation functions by the values of ``feed_forward_proj``."""
_FLOATS = ("F32", "F16")
_SHARED, _PROJECTION = "shared.weight", "lm_head.weight"
_COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
"""Names under which some files contain the input embeddings again."""


@dataclass(frozen=True, slots=True)
class T5Weights:
    """The weights of a T5 in float32, and what of its configuration decides how they are used."""

    arrays: Mapping[str, Array]
    """By the names that transformers gives them. Without a projection, that of the input is used."""
    n_layers: tuple[int, int]
    """Layers of the encoder and of the decoder."""
    n_heads: int
    activation: str
    """The name that transformers gives to the activation function."""
    is_gated: bool
    max_distance: int
    """Of the relative attention."""
    output_scale: float | None
    """The factor of the last hidden states. T5 has one; T5 v1.1, Flan-T5 and mT5 have none."""
    decoder_start_id: int | None
    """The first input of the decoder; ``None`` means padding."""
    vocab_size: int

    @property
    def embeddings(self) -> Array:
        """The input embeddings."""
        return self.arrays[_SHARED]

    @property
    def projection(self) -> Array:
        """The output embeddings."""
        return self.arrays.get(_PROJECTION, self.embeddings)


def read_t5(model: ModelFiles) -> T5Weights | None:
    """Read the weights of a checkpoint that is complete and has nothing unusual.

    Returns:
        ``None`` for any other checkpoint: transformers can read more forms, and says what is wrong.
    """
    config = read_json(model.directory / "config.json", required=True)
    if not _is_usual(config):
        return None
    config = _DEFAULTS | {key: value for key, value in config.items() if value is not None}
    try:
        with utf8_path(model.directory) as path:
            arrays = _read_arrays(path, dict(_shapes(config)))
    except ValueError:
        return None
    is_scaled = config["model_type"] == "t5" and config.get("tie_word_embeddings") is not False
    return T5Weights(
        arrays=arrays,
        n_layers=(config["num_layers"], config["num_decoder_layers"]),
        n_heads=config["num_heads"],
        activation=_FEED_FORWARD[config["feed_forward_proj"]],
        is_gated=config["feed_forward_proj"].startswith("gated-"),
        max_distance=config["relative_attention_max_distance"],
        output_scale=config["d_model"] ** -0.5 if config.get("scale_decoder_outputs", is_scaled) else None,
        decoder_start_id=config.get("decoder_start_token_id"),
        vocab_size=config["vocab_size"],
    )


def weights_of(model: Any) -> T5Weights:
    """Take the weights of a model of transformers, in float32 on the CPU."""
    config = model.config
    return T5Weights(
        arrays={name: tensor.numpy() for name, tensor in model.state_dict().items()},
        n_layers=(config.num_layers, config.num_decoder_layers),
        n_heads=config.num_heads,
        activation=config.dense_act_fn,
        is_gated=config.is_gated_act,
        max_distance=config.relative_attention_max_distance,
        output_scale=config.d_model**-0.5 if getattr(config, "scale_decoder_outputs", False) else None,
        decoder_start_id=getattr(config, "decoder_start_token_id", None),
        vocab_size=config.vocab_size,
    )


def _is_usual(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration says itself what transformers would otherwise fill in."""
    flags = ("tie_word_embeddings", "scale_decoder_outputs")
    return (
        all(isinstance(config.get(key), int) for key in _SIZES)
        and (config["model_type"] == "t5" or isinstance(config.get("decoder_start_token_id"), int))
        and config.get("feed_forward_proj") in tuple(_FEED_FORWARD)
        and not any(key in config for key in _OTHER_NAMES)
        and all(isinstance(config.get(key), bool | None) for key in flags)
    )


def _shapes(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and the shape of each weight that a T5 must have."""
    width, inner, hidden = config["d_model"], config["d_kv"] * config["num_heads"], config["d_ff"]
    yield _SHARED, (config["vocab_size"], width)
    for stack, n_layers in (("encoder", config["num_layers"]), ("decoder", config["num_decoder_layers"])):
        attentions = ("SelfAttention", "EncDecAttention") if stack == "decoder" else ("SelfAttention",)
        yield f"{stack}.final_layer_norm.weight", (width,)
        bias = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        yield bias, (config["relative_attention_num_buckets"], config["num_heads"])
        for block in (f"{stack}.block.{i}.layer" for i in range(n_layers)):
            for i, attention in enumerate(attentions):
                yield from ((f"{block}.{i}.{attention}.{name}.weight", (inner, width)) for name in "qkv")
                yield f"{block}.{i}.{attention}.o.weight", (width, inner)
            dense = f"{block}.{len(attentions)}.DenseReluDense"
            first = ("wi_0", "wi_1") if config["feed_forward_proj"].startswith("gated-") else ("wi",)
            yield from ((f"{dense}.{name}.weight", (hidden, width)) for name in first)
            yield f"{dense}.wo.weight", (width, hidden)
            yield from ((f"{block}.{i}.layer_norm.weight", (width,)) for i in range(len(attentions) + 1))


def _read_arrays(directory: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """Read the weights of a T5 in float32, and check them.

    Raises:
        ValueError: One is missing, has another shape or type, or is not finite, or the file is damaged.
    """
    optional = dict.fromkeys((_PROJECTION, *_COPIES), shapes[_SHARED])
    if is_quantized(directory):
        arrays = read_weights(directory, shapes | optional)
    else:
        arrays = _read_floats(directory / WEIGHTS_FILE, shapes | optional)
    for name in [*shapes, *(optional.keys() & arrays.keys())]:
        if name not in arrays or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} is missing or not finite")
    if not all(np.array_equal(arrays.get(name, arrays[_SHARED]), arrays[_SHARED]) for name in _COPIES):
        raise ValueError("the input embeddings differ")
    return arrays


def _read_floats(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Read tensors in float32.

    Raises:
        ValueError: A tensor has another shape or no type of floats, or the file is damaged.
    """
    arrays: dict[str, Array] = {}
    with open_tensors(path) as file:
        for name in shapes.keys() & file.keys():
            tensor = file.get_slice(name)
            kind = tensor.get_dtype()
            if tuple(tensor.get_shape()) != shapes[name] or kind not in (*_FLOATS, "BF16"):
                raise ValueError(f"{path.name}: {name}")
            if kind == "BF16":
                arrays[name] = _read_bfloat16(path, name)
            else:
                arrays[name] = file.get_tensor(name).astype(np.float32, copy=False)
    return arrays


def _read_bfloat16(path: Path, name: str) -> Array:
    """Read a tensor of bfloat16, which numpy lacks: the upper half of a float32."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        tensor = json.loads(file.read(length))[name]
    halves = np.memmap(path, "<u2", "r", 8 + length + tensor["data_offsets"][0], tuple(tensor["shape"]))
    return (halves.astype(np.uint32) << 16).view(np.float32)
