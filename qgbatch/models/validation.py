"""What the files of a checkpoint may say: no code of theirs is run, no other file of theirs read.

transformers takes from a checkpoint's JSON files names of classes, of kernels on the hub
and of other files. What would run, fetch or replace something is refused here before
transformers sees it, and so are numbers that would fill the memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qgbatch.errors import ModelError

MAX_TOKENS = 1_000_000
"""Far above what any T5 reads or writes; a larger number is damage, or an attack."""
WEIGHTS_FILE = re.compile(r"(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)")

_OTHER_WEIGHTS = re.compile(r"adapter_config\.json|shard-\d+-model-.*\.safetensors")
"""What transformers takes instead of the weights, or adds to them."""
_MAX_JSON_BYTES = 64 << 20
_SAFE_ATTENTION = (None, "eager", "sdpa")
_SAFE_VALUES: dict[str, tuple[str | bool | None, ...]] = {
    "attn_implementation": _SAFE_ATTENTION,  # others may be code on the hub
    "_attn_implementation": _SAFE_ATTENTION,
    "experts_implementation": (None,),
    "_experts_implementation": (None,),
    "quantization_config": (None,),  # some fetch kernels from the hub
    "fusion_config": (None,),
    "transformers_weights": (None,),  # other weights than those that are checked and hashed
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
"""Bounds of the sizes in a configuration: the model is built before its weights are read."""


def read_json(path: Path, *, required: bool = False) -> dict[str, Any]:
    """The object in a JSON file; an empty one if a file that is not required is not there.

    Raises:
        ModelError: it cannot be read, is too large or holds something else.
    """
    if not required and not path.exists():
        return {}
    try:
        if path.exists() and not path.is_file():  # a pipe or device may have no end
            raise ValueError("not a file")
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ValueError(f"larger than {_MAX_JSON_BYTES >> 20} MiB")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).", "Get the checkpoint again.") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path}: not a JSON object.", "Get the checkpoint again.")
    return values


def shown(value: object) -> str:
    """A value from a file, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}..."


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether this is an integer in a range, both ends included; ``True`` is none."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_text(value: object, most: int) -> bool:
    """Whether this is a string of at most so many characters, none of them half a character."""
    return isinstance(value, str) and len(value) <= most and not re.search("[\ud800-\udfff]", value)


def check_config(
    config: dict[str, Any],
    path: Path,
    sizes: Mapping[str, tuple[int, int]] = _T5_SIZES,
    *,
    is_encoder_decoder: bool = True,
) -> int:
    """Give the ``vocab_size`` of a model's configuration, if it says nothing that is refused.

    ``sizes`` are the ranges of its numbers, both ends included; those of a T5 if not given.

    Raises:
        ModelError: it names code or other weights, or has a size that no model has.
    """
    for key, safe in {**_SAFE_VALUES, "is_encoder_decoder": (None, is_encoder_decoder)}.items():
        if config.get(key) not in safe:
            raise ModelError(
                f"{path}: {key} is {shown(config[key])}.",
                "qgbatch runs no code that a checkpoint names, and takes plain weights: remove that line.",
            )
    vocab_size = config.get("vocab_size")
    if not isinstance(vocab_size, int):
        raise ModelError(f"{path}: no vocab_size.", "Get the checkpoint again.")
    ranges = {"vocab_size": (1, MAX_TOKENS), "decoder_start_token_id": (0, vocab_size - 1)}
    for key, (low, high) in {**ranges, **sizes}.items():
        value = config.get(key)
        if value is not None and not is_whole(value, low, high):
            raise ModelError(
                f"{path}: {key} is {shown(value)}, not from {low} to {shown(high)}.",
                "Get the checkpoint again.",
            )
    return vocab_size


def check_weights(directory: Path, indexes: Iterable[str]) -> None:
    """See that the weights are in files of this directory that its hash covers.

    Raises:
        ModelError: an index names other files, or there are adapters or distributed weights.
    """
    for index in indexes:
        weight_map = read_json(directory / index).get("weight_map", {})
        shards = weight_map.values() if isinstance(weight_map, dict) else [weight_map]
        for shard in shards:
            if not (isinstance(shard, str) and WEIGHTS_FILE.fullmatch(shard)):
                raise ModelError(
                    f"{directory / index}: {shown(shard)} is not the name of a file of weights beside it.",
                    "Get the checkpoint again.",
                )
    for path in sorted(directory.iterdir()):
        if _OTHER_WEIGHTS.fullmatch(path.name):
            raise ModelError(
                f"{path}: qgbatch loads neither adapters nor distributed checkpoints.",
                "Merge it into the model and save that, or remove the file.",
            )


def check_tokenizer(directory: Path) -> None:
    """See that loading a tokenizer will make a tokenizer of transformers' own, of files in the directory.

    A class that is no tokenizer loads other things, and asks on standard input, which may
    be a document, whether to run their code.

    Raises:
        ModelError: another class or a file elsewhere is named.
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
                raise _odd_tokenizer(directory / file, key, values[key])


def _check_class(name: object, path: Path) -> None:
    import transformers

    if name is None:
        return
    if not isinstance(name, str):
        raise _odd_tokenizer(path, "tokenizer_class", name)
    stem = name.removesuffix("Fast")
    for spelling in (name, stem, f"{stem}Fast"):  # transformers tries these
        kind = getattr(transformers, spelling, None)  # for an unknown name it takes the general class
        is_tokenizer = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedTokenizerBase)
        if kind is not None and not is_tokenizer:
            raise _odd_tokenizer(path, "tokenizer_class", name)


def _odd_tokenizer(path: Path, key: str, value: object) -> ModelError:
    return ModelError(
        f"{path}: {key} is {shown(value)}.",
        "qgbatch loads tokenizers of transformers alone, from their directory: give one with --tokenizer.",
    )
