"""Loads the weights of a checkpoint on the CPU, after checking that all of them are there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from qgbatch.engines.int8_weights import is_quantized, read_weights
from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import BUILT_IN_MODELS, ModelFiles
from qgbatch.models.utf8_path import utf8_path


def load_weights(model: ModelFiles, dtype: torch.dtype) -> Any:
    """Load the weights of a T5 on the CPU; see :func:`load_checkpoint`.

    The embeddings of the input and the output may differ. Then ``tie_word_embeddings`` of the
    configuration is False, so that resizing or saving the model keeps both.
    """
    weights = load_checkpoint(AutoModelForSeq2SeqLM, model.name, model.directory, dtype)
    # Every T5Config that transformers 5 reads has True, whatever config.json contains.
    weights.config.tie_word_embeddings = weights.lm_head.weight is weights.shared.weight
    return weights


def load_checkpoint(kind: Any, name: str, directory: Path, dtype: torch.dtype) -> Any:
    """Load a checkpoint on the CPU.

    ``.bin`` files are read without running code in them (``weights_only``). Matrices in int8 are
    multiplied by their scales (see :mod:`qgbatch.engines.int8_weights`).

    Args:
        kind: One of transformers' AutoModel classes.
        name: The checkpoint's name in messages.
        directory: The checkpoint.
        dtype: Precision of the loaded weights.

    Returns:
        The model in evaluation mode.

    Raises:
        ModelError: The weights are damaged, or some are missing, which transformers would
            replace with random numbers, or some are NaN or infinite, which CTranslate2 would ignore.
    """
    hint = "Install qgbatch again." if name in BUILT_IN_MODELS else "Get the checkpoint again."
    try:
        with utf8_path(directory) as path:
            weights, missing = _load(kind, path, dtype)
    except Exception as error:  # a parser of damaged files can raise anything
        if type(error).__name__ == "UnpicklingError":  # torch's own message suggests running the code
            raise ModelError(
                f"{name}: the weights in {directory} contain more than weights.",
                "qgbatch runs no code of a checkpoint: get the safetensors version.",
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{name}: the weights in {directory} cannot be loaded ({reason}).", hint
        ) from error
    if missing:
        raise ModelError(
            f"{name}: the weights in {directory} lack {min(missing)} and {len(missing) - 1} more.", hint
        )
    for weight, values in weights.named_parameters():
        if not values.isfinite().all():
            raise ModelError(
                f"{name}: the weights are damaged: {weight} in {directory} has NaN or infinite values.",
                hint,
            )
    return weights.eval()


def _load(kind: Any, directory: Path, dtype: torch.dtype) -> tuple[Any, set[str]]:
    """Load a checkpoint, and return it with the names of the weights that are missing.

    Raises:
        Exception: The files are damaged.
    """
    source: dict[str, Any] = {"pretrained_model_name_or_path": directory}
    if is_quantized(directory):
        config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):  # without values
            model = kind.from_config(config, trust_remote_code=False)
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        state = {name: torch.from_numpy(array) for name, array in read_weights(directory, shapes).items()}
        source = {"pretrained_model_name_or_path": None, "config": config, "state_dict": state}
        kind = type(model)  # the AutoModel classes only load from a directory
    with _hide_message_about_tying():
        weights, info = kind.from_pretrained(
            **source,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
        )
    return weights, info["missing_keys"]


@contextmanager
def _hide_message_about_tying() -> Iterator[None]:
    """Hide the warning that transformers will not tie embeddings that differ.

    It asks for ``tie_word_embeddings=False`` in config.json, which transformers 5 ignores for a T5.
    """
    logger = logging.getLogger("transformers.modeling_utils")

    def is_about_something_else(record: logging.LogRecord) -> bool:
        return "tie_word_embeddings=False" not in record.getMessage()

    logger.addFilter(is_about_something_else)
    try:
        yield
    finally:
        logger.removeFilter(is_about_something_else)
