"""Finds the checkpoint of an extractive question answering model and checks its files."""

from __future__ import annotations

from pathlib import Path

from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import find_directory, read_config
from qgbatch.models.validation import check_config, short_repr

ANSWER_TYPES = ("bert", "deberta", "deberta-v2", "distilbert", "electra", "roberta", "xlm-roberta")
"""Supported values of ``model_type`` in ``config.json``."""
_TOKENIZER_FILES = ("vocab.txt", "merges.txt", "spm.model", "sentencepiece.bpe.model")
"""A checkpoint has at least one of these, or ``tokenizer.json``."""
_ARCHITECTURE_SUFFIX = "ForQuestionAnswering"
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
"""Range of each size in a configuration of any of :data:`ANSWER_TYPES`.

The two labels are start and end.
"""


def find_answer_model(name: str, revision: str | None = None) -> Path:
    """Find a model that answers questions and check its files without loading its weights.

    The network is only used for a hub id, and only if ``HF_HUB_OFFLINE`` is not set.

    Args:
        name: A directory or a hub id.
        revision: Branch, tag or commit of a hub id.

    Raises:
        SettingsError: A revision was given for a directory.
        ModelError: The model does not exist, a file is missing or damaged, or the model is of
            another type.
    """
    directory = find_directory(name, revision, _TOKENIZER_FILES, "Give a directory or a hub id.")
    check_answer_model(name, directory)
    return directory


def check_answer_model(name: str, directory: Path) -> None:
    """Check that a checkpoint is complete and is an extractive question answering model.

    Raises:
        ModelError: A file is missing or damaged, or the model is of another type.
    """
    config = read_config(name, directory)
    if config.get("model_type") not in ANSWER_TYPES:
        raise ModelError(
            f"{name}: a model of type {short_repr(config.get('model_type'))} cannot answer questions.",
            f"Answers come from models of type: {', '.join(ANSWER_TYPES)}.",
        )
    path = directory / "config.json"
    architectures = config.get("architectures")
    if architectures and not (
        isinstance(architectures, list) and str(architectures[0]).endswith(_ARCHITECTURE_SUFFIX)
    ):
        raise ModelError(
            f"{path}: architectures is {short_repr(architectures)}.",
            "Give a checkpoint that was trained to answer questions: "
            f"its architecture ends in {_ARCHITECTURE_SUFFIX}.",
        )
    check_config(config, path, _SIZES, is_encoder_decoder=False)
    if not any((directory / file).is_file() for file in ("tokenizer.json", *_TOKENIZER_FILES)):
        raise ModelError(f"{name}: no tokenizer in {directory}.", "Get the checkpoint again.")
