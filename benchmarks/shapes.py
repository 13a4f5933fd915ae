"""Models of T5's sizes with random weights, for measuring speed where no weights can be had."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
import transformers

from qgbatch.engines.base import CONVERTED_MODELS
from qgbatch.models.checkpoint import find_model
from qgbatch.pipeline.components import Components

# d_model, d_ff, layers and heads, as in T5's own configurations.
SHAPES = {
    "tiny": (32, 64, 2, 2),  # to try a benchmark with
    "t5-small": (512, 2048, 6, 8),
    "t5-base": (768, 3072, 12, 12),
    "t5-large": (1024, 4096, 24, 16),
}


def make_model(shape: str, directory: Path, max_new_tokens: int) -> Path:
    """A checkpoint that writes ``max_new_tokens`` tokens for any input, with mini's tokenizer.

    Its end token has an embedding of zeros, so that many others always score higher.
    """
    torch.manual_seed(3)
    d_model, d_ff, num_layers, num_heads = SHAPES[shape]
    model = transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=32128,
            d_model=d_model,
            d_kv=64,
            d_ff=d_ff,
            num_layers=num_layers,
            num_heads=num_heads,
        )
    )
    with torch.no_grad():
        model.get_input_embeddings().weight[model.config.eos_token_id] = 0
    place = directory / shape
    model.save_pretrained(place)
    (place / "generation_config.json").write_text(
        json.dumps({"max_new_tokens": max_new_tokens, "num_beams": 4, "decoder_start_token_id": 0}),
        encoding="utf-8",
    )
    for path in find_model("mini").directory.glob("tokenizer*"):
        shutil.copy(path, place)
    return place


def converted(components: Components) -> str:
    """The directory of a model as CTranslate2 has it."""
    components.load()
    name = f"{components.model.sha256[:32]}-{components.engine_choice.precision}-*"
    (directory,) = (components.cache_dir / CONVERTED_MODELS).glob(name)
    return str(directory)
