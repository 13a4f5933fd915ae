"""Write the checkpoint that is published: matrices in int8 with one scale per row.

python models/recipe/quantize.py --checkpoint trained/model --out models/small
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from qgbatch.engines.int8_weights import SCALE_SUFFIX, WEIGHTS_FILE, quantize_rows

FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")
OPTIONAL_FILES = ("generation_config.json", "qgbatch.json", "spiece.model")


def main() -> None:
    """Read a checkpoint and write the quantized one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="directory with model.safetensors")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    weights = quantize(load_file(arguments.checkpoint / WEIGHTS_FILE))
    save_file(weights, arguments.out / WEIGHTS_FILE, metadata={"format": "pt"})
    for name in (*FILES, *OPTIONAL_FILES):
        if name in FILES or (arguments.checkpoint / name).exists():
            shutil.copyfile(arguments.checkpoint / name, arguments.out / name)
    megabytes = sum(tensor.nbytes for tensor in weights.values()) / 1e6
    print(f"{arguments.out / WEIGHTS_FILE}: {megabytes:.1f} MB")


def quantize(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the matrices in int8 with their scales, and everything else in float32.

    The relative attention bias stays in float32, as in CTranslate2.
    """
    quantized = {}
    for name, tensor in weights.items():
        if tensor.ndim == 2 and "relative_attention_bias" not in name:
            integers, scales = quantize_rows(tensor.float().numpy())
            quantized[name] = torch.from_numpy(integers)
            quantized[name + SCALE_SUFFIX] = torch.from_numpy(scales)
        else:
            quantized[name] = tensor.float()
    return quantized


if __name__ == "__main__":
    main()
