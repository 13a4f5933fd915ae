"""Finds an extractive question answering checkpoint and checks its files."""

from __future__ import annotations

from pathlib import Path

from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import find_directory, read_config
from qgbatch.models.validation import check_config, short_repr

ANSWER_TYPES = ("bert", "deberta", "deberta-v2", "distilbert", "electra", "roberta", "xlm-roberta")
_TOKENIZER_FILES = ("vocab.txt", "merges.txt", "spm.model", "sentencepiece.bpe.model")
"""A checkpoint has one of these files or ``tokenizer.json``."""
_HEAD = "ForQuestionAnswering"
_WIDTH, _LAYERS = (1, 1_000_000), (1, 1_000)
_SIZES = {
    "hidden_size": _WIDTH,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _WIDTH,
    "intermediate_size": _WIDTH,
    "embedding_size": _WIDTH,
    "dim": _WIDTH,
    "n_layers": _LAYERS,
    "n_heads": _WIDTH,
    "hidden_dim": _WIDTH,
    "max_position_embeddings": _WIDTH,
    "max_relative_positions": (-1, 1_000_000),
    "position_buckets": (-1, 1_000_000),
    "type_vocab_size": (0, 1_000),
    "conv_kernel_size": (0, 100),
    "pad_token_id": (0, 1_000_000),
    "num_labels": (2, 2),
}
"""Sizes that every model of :data:`ANSWER_TYPES` has; its two labels are start and end."""


def find_answer_model(name: str, revision: str | None = None) -> Path:
    """Find an answer model and check its files without loading its weights.

    Only a hub id uses the network, and not with ``HF_HUB_OFFLINE=1``.

    Raises:
        SettingsError: ``revision`` is given for something other than a hub id.
        ModelError: The model does not exist, a file is missing or damaged, or it is another kind of model.
    """
    directory = find_directory(name, revision, _TOKENIZER_FILES, "Give a directory or a hub id.")
    check_answer_model(name, directory)
    return directory


def check_answer_model(name: str, directory: Path) -> None:
    """Check that a directory holds the complete files of an extractive model.

    Raises:
        ModelError: It does not.
    """
    config = read_config(name, directory)
    if config.get("model_type") not in ANSWER_TYPES:
        raise ModelError(
            f"{name}: model_type {short_repr(config.get('model_type'))} cannot answer questions.",
            f"Answers come from models of type: {', '.join(ANSWER_TYPES)}.",
        )
    path = directory / "config.json"
    heads = config.get("architectures")
    if heads and not (isinstance(heads, list) and str(heads[0]).endswith(_HEAD)):
        raise ModelError(
            f"{path}: architectures is {short_repr(heads)}.",
            f"Give a checkpoint that was trained to answer questions: its architecture ends in {_HEAD}.",
        )
    check_config(config, path, _SIZES, is_encoder_decoder=False)
    if not any((directory / file).is_file() for file in ("tokenizer.json", *_TOKENIZER_FILES)):
        raise ModelError(f"{name}: no tokenizer in {directory}.", "Get the checkpoint again.")
