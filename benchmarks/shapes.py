"""Makes models of T5's sizes with random weights, to measure speed without downloading weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
import transformers

from qgbatch.engines.converted import CONVERTED_MODELS
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
    """Make a checkpoint that writes ``max_new_tokens`` tokens for any input, with small's tokenizer.

    The embedding of its end token is zero, so that many other tokens always have a higher score.
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
    checkpoint = directory / shape
    model.save_pretrained(checkpoint)
    (checkpoint / "generation_config.json").write_text(
        json.dumps({"max_new_tokens": max_new_tokens, "num_beams": 4, "decoder_start_token_id": 0}),
        encoding="utf-8",
    )
    for path in find_model("small").directory.glob("tokenizer*"):
        shutil.copy(path, checkpoint)
    return checkpoint


def converted(components: Components) -> str:
    """Return the directory of a model that was converted to CTranslate2."""
    components.load()
    name = f"{components.model.sha256[:32]}-{components.engine_choice.precision}-*"
    (directory,) = (components.cache_dir / CONVERTED_MODELS).glob(name)
    return str(directory)
