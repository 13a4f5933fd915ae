"""The base model of a training: the weights and tokenizer of a checkpoint, or new weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, GenerationConfig, set_seed

from qgbatch.engines.weights import load_weights
from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import find_model
from qgbatch.models.known_models import ARCHITECTURES, ModelMetadata
from qgbatch.models.tokenizer import PromptTokenizer, load_new_tokenizer, load_tokenizer
from qgbatch.settings import Decoding
from qgbatch.training.metadata import trained_metadata
from qgbatch.training.settings import TrainingSettings


@dataclass(frozen=True)
class Base:
    """A model to train. Its weights are on the CPU in float32 and have an embedding for each token."""

    name: str
    sha256: str
    """Hash of the configuration and the weights, or only of the configuration if the weights are new."""
    weights: Any
    tokenizer: PromptTokenizer
    metadata: ModelMetadata
    """Of the trained model, see :func:`~qgbatch.training.metadata.trained_metadata`."""


def load_base(settings: TrainingSettings) -> Base:
    """Load the base model, or create a model with random weights from a configuration.

    Raises:
        ModelError: The model is missing, damaged or not a T5.
    """
    set_seed(settings.seed)  # for new weights and new embeddings
    base = _create(settings) if settings.init_from_scratch else _load(settings)
    if base.tokenizer.vocab_size > base.weights.get_input_embeddings().num_embeddings:
        base.weights.resize_token_embeddings(base.tokenizer.vocab_size)
    if getattr(base.weights.config, "decoder_start_token_id", None) is None:
        base.weights.config.decoder_start_token_id = base.tokenizer.pad_id  # as in T5's own configurations
    return base


def _load(settings: TrainingSettings) -> Base:
    model = find_model(settings.base)
    metadata = trained_metadata(model.metadata, with_answers=settings.with_answers)
    model = replace(model, metadata=metadata)
    tokenizer = load_tokenizer(model, settings.tokenizer, embedding_grows=True)
    weights = load_weights(model, torch.float32)
    weights.generation_config = _generation_config(model.decoding, tokenizer)
    return Base(settings.base, model.sha256, weights, tokenizer, metadata)


def _create(settings: TrainingSettings) -> Base:
    path = Path(str(settings.init_from_scratch))
    metadata = trained_metadata(ModelMetadata(), with_answers=settings.with_answers)
    tokenizer = load_new_tokenizer(str(settings.tokenizer), metadata)
    try:
        content = path.read_bytes()
        config: dict[str, Any] = json.loads(content)
        model_type = config.pop("model_type", "t5")
        if model_type not in ARCHITECTURES:
            raise ValueError(f"model_type is {model_type!r}, not one of {', '.join(ARCHITECTURES)}")
        ids = {"decoder_start_token_id": tokenizer.pad_id, "pad_token_id": tokenizer.pad_id}
        config = {"vocab_size": tokenizer.vocab_size, "eos_token_id": tokenizer.eos_id} | ids | config
        for key in ("attn_implementation", "_attn_implementation"):  # could name code on the hub
            config.pop(key, None)
        model_config = AutoConfig.for_model(model_type, **config)
        weights = AutoModelForSeq2SeqLM.from_config(model_config, dtype=torch.float32)
    except Exception as error:  # invalid sizes can raise anything
        raise ModelError(
            f"--init-from-scratch {path}: cannot create a model from it ({error}).",
            "Use a JSON file with the fields of T5Config in transformers.",
        ) from error
    weights.generation_config = _generation_config(Decoding(), tokenizer)
    return Base(f"new, {path.name}", hashlib.sha256(content).hexdigest(), weights, tokenizer, metadata)


def _generation_config(decoding: Decoding, tokenizer: PromptTokenizer) -> GenerationConfig:
    """The decoding settings for ``generation_config.json``, which ``qgbatch run`` uses."""
    has_beams = decoding.num_beams > 1  # without beams, transformers refuses to save these settings
    return GenerationConfig(
        max_length=decoding.max_new_tokens + 1,  # includes the start token
        num_beams=decoding.num_beams,
        length_penalty=decoding.length_penalty if has_beams else None,
        no_repeat_ngram_size=decoding.no_repeat_ngram_size,
        early_stopping=decoding.early_stopping if has_beams else None,
        decoder_start_token_id=tokenizer.pad_id,
        pad_token_id=tokenizer.pad_id,
        eos_token_id=tokenizer.eos_id,
    )
