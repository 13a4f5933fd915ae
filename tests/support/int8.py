"""Tiny checkpoints whose output embeddings differ from the input embeddings, in float32 and in int8."""

from __future__ import annotations

import shutil
from pathlib import Path

import quantize
from safetensors.torch import load_file, save_file

from qgbatch.engines.int8_weights import WEIGHTS_FILE
from tests.support.training import make_base


def make_untied_base(directory: Path, *, vocab_size: int = 8128, scales_outputs: bool = False) -> Path:
    """The base of :func:`make_base` with other output embeddings, as Flan-T5 has them."""
    import torch
    from transformers import T5ForConditionalGeneration

    make_base(directory, vocab_size=vocab_size)
    model = T5ForConditionalGeneration.from_pretrained(directory)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.flip(0).clone())
    model.config.scale_decoder_outputs = scales_outputs
    model.save_pretrained(directory)
    return directory


def make_int8_base(directory: Path, source: Path) -> Path:
    """A copy of a checkpoint in float32 with its matrices in int8."""
    shutil.copytree(source, directory)
    weights = quantize.quantize(load_file(source / WEIGHTS_FILE))
    save_file(weights, directory / WEIGHTS_FILE, metadata={"format": "pt"})
    return directory
