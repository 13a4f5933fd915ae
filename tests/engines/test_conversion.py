"""Converted models have the bytes that CTranslate2's own converter writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from ctranslate2.converters import transformers as loaders
from ctranslate2.converters.converter import Converter
from ctranslate2.specs.model_spec import OPTIONAL
from safetensors.torch import load_file, save_file

from qgbatch.engines.base import SpecialIds
from qgbatch.engines.conversion import find_conversion
from qgbatch.engines.t5_weights import read_t5
from qgbatch.engines.weights import load_weights
from qgbatch.models.checkpoint import ModelFiles, find_model
from tests.conftest import MINI, ROOT
from tests.support.int8 import make_int8_base, make_untied_base

SPECIAL = SpecialIds(pad=0, eos=1, unk=2, separators=frozenset())
SMALL = ROOT / "models" / "small"
SIZES: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_heads": 2,
    "vocab_size": 90,
    "num_layers": 2,
}
WEIGHTS = "model.safetensors"


class ReferenceConverter(Converter):
    """CTranslate2's converter, with token ids as the vocabulary."""

    def __init__(self, model: ModelFiles) -> None:
        self._model = model

    def _load(self) -> Any:
        weights = load_weights(self._model, torch.float32)
        loader = {"t5": loaders.T5Loader, "mt5": loaders.MT5Loader}[weights.config.model_type]()
        with torch.no_grad():
            spec = loader(weights, _Vocabulary(weights.config.vocab_size))
        scales_outputs = getattr(weights.config, "scale_decoder_outputs", False)
        spec.decoder.scale_outputs = weights.config.d_model**-0.5 if scales_outputs else OPTIONAL
        return spec


class _Vocabulary:
    pad_token, eos_token, unk_token = str(SPECIAL.pad), str(SPECIAL.eos), str(SPECIAL.unk)

    def __init__(self, size: int) -> None:
        self._size = size

    def get_vocab(self) -> dict[str, int]:
        return {str(token): token for token in range(self._size)}

    def convert_ids_to_tokens(self, token: int) -> str:
        return str(token)


def make_t5(directory: Path, *, is_mt5: bool = False, **config: Any) -> Path:
    """A tiny model with random weights."""
    from transformers import MT5Config, MT5ForConditionalGeneration, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    values = {**SIZES, "num_decoder_layers": 3, "decoder_start_token_id": 0, **config}
    model: Any = MT5ForConditionalGeneration(MT5Config(**values)) if is_mt5 else None
    model = model or T5ForConditionalGeneration(T5Config(**values))
    model.save_pretrained(directory)
    return directory


def change_weights(directory: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> Path:
    """Change each tensor of a checkpoint."""
    tensors = {name: change(tensor).contiguous() for name, tensor in load_file(directory / WEIGHTS).items()}
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
    return directory


def change_config(directory: Path, **values: Any) -> Path:
    """Change values of ``config.json``; ``None`` removes one."""
    config = {**json.loads((directory / "config.json").read_text()), **values}
    (directory / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return directory


def files(directory: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def assert_same_as_reference(directory: Path, tmp_path: Path, precision: str = "int8") -> None:
    model = find_model(str(directory))
    found = find_conversion(model, SPECIAL, precision, tmp_path / "conversions", tmp_path)
    ReferenceConverter(model).convert(str(tmp_path / "reference"), quantization=precision)
    assert files(found) == files(tmp_path / "reference")


CHECKPOINTS: dict[str, Callable[[Path], Path]] = {
    "small": lambda place: SMALL,
    "mini": lambda place: MINI,
    "t5": lambda place: make_t5(place / "t5", feed_forward_proj="relu"),
    "flan": lambda place: make_untied_base(place / "flan"),
    "scaled": lambda place: make_untied_base(place / "scaled", scales_outputs=True),
    "int8": lambda place: make_int8_base(place / "int8", make_untied_base(place / "float")),
    "mt5": lambda place: make_t5(place / "mt5", is_mt5=True, feed_forward_proj="gated-silu"),
    "float16": lambda place: change_weights(make_t5(place / "half"), torch.Tensor.half),
    "bfloat16": lambda place: change_weights(make_t5(place / "bf16"), torch.Tensor.bfloat16),
    "old config": lambda place: change_config(
        make_t5(place / "old"),
        scale_decoder_outputs=None,
        tie_word_embeddings=None,
        relative_attention_max_distance=None,
    ),
    "no start": lambda place: change_config(make_t5(place / "start"), decoder_start_token_id=None),
    "v1.1": lambda place: change_config(
        make_t5(place / "v1_1"), scale_decoder_outputs=None, tie_word_embeddings=False
    ),
}


@pytest.mark.parametrize("make", CHECKPOINTS.values(), ids=list(CHECKPOINTS))
def test_a_checkpoint_is_read_without_transformers(make: Callable[[Path], Path], tmp_path: Path) -> None:
    directory = make(tmp_path)
    assert read_t5(find_model(str(directory)))
    assert_same_as_reference(directory, tmp_path)


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16", "int16", "int8_bfloat16"])
def test_each_precision_is_that_of_the_converter(precision: str, tmp_path: Path) -> None:
    assert_same_as_reference(make_t5(tmp_path / "t5"), tmp_path, precision)


def without(name: str) -> Callable[[Path], object]:
    """Remove a tensor."""

    def change(directory: Path) -> None:
        tensors = load_file(directory / WEIGHTS)
        del tensors[name]
        save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})

    return change


def to_pytorch(directory: Path) -> None:
    """Write the weights in PyTorch's format instead of safetensors."""
    torch.save(load_file(directory / WEIGHTS), directory / "pytorch_model.bin")
    (directory / WEIGHTS).unlink()


UNUSUAL: dict[str, Callable[[Path], object]] = {
    "PyTorch's format": to_pytorch,
    "another activation": lambda directory: change_config(directory, feed_forward_proj="gelu"),
    "no activation": lambda directory: change_config(directory, feed_forward_proj=None),
    "another name": lambda directory: change_config(directory, head_dim=8, d_kv=None),
    "no decoder layers": lambda directory: change_config(directory, num_decoder_layers=None),
    "float64": lambda directory: change_weights(directory, torch.Tensor.double),
    "NaN": lambda directory: change_weights(directory, lambda tensor: tensor * torch.nan),
    "other shapes": lambda directory: change_config(directory, vocab_size=91),
    "no norm": without("encoder.final_layer_norm.weight"),
    "cut off": lambda directory: (directory / WEIGHTS).write_bytes((directory / WEIGHTS).read_bytes()[:-9]),
}


@pytest.mark.parametrize("change", UNUSUAL.values(), ids=list(UNUSUAL))
def test_an_unusual_checkpoint_is_left_to_transformers(
    change: Callable[[Path], object], tmp_path: Path
) -> None:
    change(make_t5(tmp_path / "t5"))
    assert read_t5(find_model(str(tmp_path / "t5"))) is None


def test_an_mt5_has_a_default_start(tmp_path: Path) -> None:
    directory = make_t5(tmp_path / "mt5", is_mt5=True)
    change_config(directory, decoder_start_token_id=None)
    assert read_t5(find_model(str(directory))) is None
    assert_same_as_reference(directory, tmp_path)


def test_what_transformers_reads_gives_the_same_bytes(tmp_path: Path) -> None:
    to_pytorch(make_untied_base(tmp_path / "t5"))
    assert_same_as_reference(tmp_path / "t5", tmp_path)


def test_a_conversion_imports_no_torch_and_leaves_it_importable(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from qgbatch.engines.base import SpecialIds
from qgbatch.engines.conversion import find_conversion
from qgbatch.models.checkpoint import find_model
special, place = SpecialIds(0, 1, 2, frozenset()), Path({str(tmp_path)!r})
find_conversion(find_model({str(MINI)!r}), special, "int8", place, place)
print({{"torch", "transformers", "ctranslate2.specs"}} & set(sys.modules))
import ctranslate2
print(ctranslate2.specs.model_spec.torch_is_available)
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\nTrue\n"
