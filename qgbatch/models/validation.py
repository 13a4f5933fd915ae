"""Checks the files of a checkpoint before transformers reads them.

Checkpoints are untrusted input. Their JSON files can name classes, kernels on the hub and other
files, and transformers would run, download or read them. These checks refuse such names, and
sizes that would fill the memory, so that no code of a checkpoint runs and no file outside its
directory is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qgbatch.errors import ModelError, name_setting

MAX_TOKENS = 1_000_000
"""Maximum of any token count or vocabulary size in a checkpoint, far above that of any T5.

A larger number is damage or an attack.
"""
WEIGHTS_FILE = re.compile(r"(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)")

_OTHER_WEIGHTS = re.compile(r"adapter_config\.json|shard-\d+-model-.*\.safetensors")
"""Files that make transformers load other weights, or add to them."""
_MAX_JSON_BYTES = 64 << 20
_SAFE_ATTENTION = (None, "eager", "sdpa")
_SAFE_VALUES: dict[str, tuple[str | bool | None, ...]] = {
    "attn_implementation": _SAFE_ATTENTION,  # other values can be code on the hub
    "_attn_implementation": _SAFE_ATTENTION,
    "experts_implementation": (None,),
    "_experts_implementation": (None,),
    "quantization_config": (None,),  # some methods download kernels from the hub
    "fusion_config": (None,),
    "transformers_weights": (None,),  # names weights that are neither checked nor hashed
}
_T5_SIZES = {
    "num_layers": (1, 1_000),
    "num_decoder_layers": (1, 1_000),
    "d_model": (1, 1_000_000),
    "d_kv": (1, 1_000_000),
    "d_ff": (1, 1_000_000),
    "num_heads": (1, 1_000_000),
    "num_labels": (1, 10_000),
    "relative_attention_num_buckets": (1, 1_000_000),
    "relative_attention_max_distance": (1, 1_000_000),
}
"""Range of each size in a T5 configuration, because memory is allocated before weights are read."""


def read_json(path: Path, *, required: bool = False) -> dict[str, Any]:
    """Read the JSON object in a file of a checkpoint.

    Returns:
        The object, or an empty one if the file does not exist and is not required.

    Raises:
        ModelError: The file cannot be read, is too large or does not contain an object.
    """
    if not required and not path.exists():
        return {}
    try:
        if path.exists() and not path.is_file():  # a pipe or device can be endless
            raise ValueError("not a file")
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ValueError(f"larger than {_MAX_JSON_BYTES >> 20} MiB")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).", "Get the checkpoint again.") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path}: not a JSON object.", "Get the checkpoint again.")
    return values


def short_repr(value: object) -> str:
    """Return the ``repr`` of a value, shortened to 120 characters for use in a message."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}..."


def is_int_in_range(value: object, low: int, high: int) -> bool:
    """Return whether a value is an integer from ``low`` to ``high``; ``True`` and ``False`` are not."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_valid_text(value: object, max_chars: int) -> bool:
    """Return whether a value is a string of at most ``max_chars`` characters without surrogates."""
    return isinstance(value, str) and len(value) <= max_chars and not re.search("[\ud800-\udfff]", value)


def check_config(
    config: dict[str, Any],
    path: Path,
    sizes: Mapping[str, tuple[int, int]] = _T5_SIZES,
    *,
    is_encoder_decoder: bool = True,
) -> int:
    """Check the configuration of a model.

    Args:
        config: The object in ``config.json``.
        path: The path of that file, for messages.
        sizes: Range of each number in it, both ends included.
        is_encoder_decoder: The required value of this field, if the configuration has it.

    Returns:
        The model's ``vocab_size``.

    Raises:
        ModelError: The configuration names code or other weights, or a size is out of range.
    """
    for key, safe in {**_SAFE_VALUES, "is_encoder_decoder": (None, is_encoder_decoder)}.items():
        if config.get(key) not in safe:
            raise ModelError(
                f"{path}: {key} is {short_repr(config[key])}.",
                "Remove that line: qgbatch only loads plain weights and runs no code of a checkpoint.",
            )
    vocab_size = config.get("vocab_size")
    if not isinstance(vocab_size, int):
        raise ModelError(f"{path}: no vocab_size.", "Get the checkpoint again.")
    ranges = {"vocab_size": (1, MAX_TOKENS), "decoder_start_token_id": (0, vocab_size - 1)}
    for key, (low, high) in {**ranges, **sizes}.items():
        value = config.get(key)
        if value is not None and not is_int_in_range(value, low, high):
            raise ModelError(
                f"{path}: {key} is {short_repr(value)}, not from {low} to {short_repr(high)}.",
                "Get the checkpoint again.",
            )
    return vocab_size


def check_weights(directory: Path, indexes: Iterable[str]) -> None:
    """Check that all weights are files in this directory, which the model's hash covers.

    Args:
        directory: The checkpoint.
        indexes: Names of index files that may be in it.

    Raises:
        ModelError: An index names other files, or the directory has adapters or distributed weights.
    """
    for index in indexes:
        weight_map = read_json(directory / index).get("weight_map", {})
        shards = weight_map.values() if isinstance(weight_map, dict) else [weight_map]
        for shard in shards:
            if not (isinstance(shard, str) and WEIGHTS_FILE.fullmatch(shard)):
                raise ModelError(
                    f"{directory / index}: {short_repr(shard)} is not the name of a weights file.",
                    "Get the checkpoint again.",
                )
    for path in sorted(directory.iterdir()):
        if _OTHER_WEIGHTS.fullmatch(path.name):
            raise ModelError(
                f"{path}: qgbatch loads neither adapters nor distributed checkpoints.",
                "Merge it into the model and save that, or remove the file.",
            )


def check_tokenizer(directory: Path) -> None:
    """Check that transformers will load one of its own tokenizers, from files in this directory.

    Another class could load other files, and ask on standard input, which may be a document,
    whether to run their code.

    Raises:
        ModelError: The files name another class, or a file elsewhere.
    """
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    for file in ("config.json", "tokenizer_config.json", "special_tokens_map.json"):
        values = read_json(directory / file)
        _check_class(values.get("tokenizer_class"), directory / file)
        if file == "config.json":
            _check_class(TOKENIZER_MAPPING_NAMES.get(str(values.get("model_type"))), directory / file)
            continue
        for key in ("gguf_file", "tokenizer_object", "fast_tokenizer_files"):
            if values.get(key) is not None:
                raise _refuse_tokenizer(directory / file, key, values[key])


def _check_class(name: object, path: Path) -> None:
    """Check that a class name means a tokenizer of transformers, or is unknown to it."""
    import transformers

    if name is None:
        return
    if not isinstance(name, str):
        raise _refuse_tokenizer(path, "tokenizer_class", name)
    stem = name.removesuffix("Fast")
    for spelling in (name, stem, f"{stem}Fast"):  # transformers tries all of these
        kind = getattr(transformers, spelling, None)  # an unknown name gives the generic tokenizer
        is_tokenizer = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedTokenizerBase)
        if kind is not None and not is_tokenizer:
            raise _refuse_tokenizer(path, "tokenizer_class", name)


def _refuse_tokenizer(path: Path, key: str, value: object) -> ModelError:
    """Return the error for a tokenizer that is not one of transformers."""
    return ModelError(
        f"{path}: {key} is {short_repr(value)}.",
        "qgbatch only loads tokenizers that come with transformers: give another one with "
        f"{name_setting('tokenizer')}.",
    )
