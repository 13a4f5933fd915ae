"""Hostile checkpoints through the command: none of their code runs, and each is refused or harmless.

Each attack that could run code would make the canary, a file.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result

from qgbatch.errors import ExitCode
from tests.conftest import MINI

Ask = Callable[..., Result]
ENGINES = ("torch", "auto")
SHARD = "model-00001-of-00001.safetensors"
INDEX = "model.safetensors.index.json"
AUTO_MAP = {
    f"Auto{name}": "evil.Evil"
    for name in ("Config", "Model", "ModelForSeq2SeqLM", "Tokenizer", "Processor", "FeatureExtractor")
}


class Payload:
    """Makes the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def model(tmp_path: Path, canary: Path) -> Path:
    """A copy of the built-in model with code beside it under every name that could be looked for."""
    directory = tmp_path / "model"
    shutil.copytree(MINI, directory)
    code = f"import os\nos.mkdir({str(canary)!r})\nclass Evil: pass\n"
    for name in (
        "evil",
        "tokenizer",
        "modeling_x",
        "configuration_x",
        "T5Tokenizer",
        "custom_generate/generate",
    ):
        path = directory / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
    return directory


@pytest.fixture
def ask(model: Path, canary: Path, tmp_path: Path, qgbatch: Callable[..., Result]) -> Ask:
    """Run the hostile model on a line of standard input, and see that no code of it ran."""

    def invoke(engine: str = "torch", *words: str, name: str = str(model)) -> Result:
        options = ("--engine", engine, "--num-beams", "1", "--max-new-tokens", "8", *words)
        # "y" is what a question whether to run the code would want to read.
        result = qgbatch(
            "run", "-", "-o", tmp_path / "q.jsonl", "--model", name, *options, stdin=b"y\n" * 9
        )
        assert not canary.exists(), "code of the checkpoint was run"
        return result

    return invoke


def update(path: Path, **values: Any) -> None:
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | values))


def refused(result: Result, *telling: str) -> None:
    assert result.exit_code == ExitCode.MODEL, result.output
    assert all(word in result.stderr for word in telling), result.stderr


def test_the_payload_works(canary: Path) -> None:
    pickle.loads(pickle.dumps(Payload(canary)))
    assert canary.exists()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", ["bare", "zip", "legacy", "sharded", "safetensors"])
def test_a_pickle_in_the_weights_is_not_run(
    form: str, engine: str, model: Path, canary: Path, ask: Ask
) -> None:
    (model / "model.safetensors").unlink()
    weights, payload = model / "pytorch_model.bin", Payload(canary)
    if form == "bare":
        weights.write_bytes(pickle.dumps(payload))
    elif form == "zip":
        torch.save({"shared.weight": payload}, weights)
    elif form == "legacy":
        torch.save({"shared.weight": payload}, weights, _use_new_zipfile_serialization=False)
    elif form == "sharded":
        shard = "pytorch_model-00001-of-00001.bin"
        torch.save({"shared.weight": payload}, model / shard)
        update(model / "pytorch_model.bin.index.json", metadata={}, weight_map={"shared.weight": shard})
    else:
        (model / "model.safetensors").write_bytes(pickle.dumps(payload))
    refused(ask(engine), "weights", str(model))


@pytest.mark.parametrize("engine", ENGINES)
def test_code_named_in_the_configuration_is_not_run(engine: str, model: Path, ask: Ask) -> None:
    update(
        model / "config.json",
        auto_map=AUTO_MAP,
        trust_remote_code=True,
        architectures=["evil.Evil"],
        tokenizer_class="evil.Evil",
        custom_generate=".",
        _attn_implementation_internal="evil/kernel",
    )
    update(model / "generation_config.json", custom_generate=str(model), trust_remote_code=True)
    assert ask(engine).exit_code == ExitCode.OK  # T5 is built in: what is named is not needed
    update(model / "config.json", attn_implementation="evil/kernel")
    refused(ask(engine), "attn_implementation", "no code")


@pytest.mark.parametrize("auto_map", [AUTO_MAP, ["evil.Evil", "evil.Evil"]])
@pytest.mark.parametrize("tokenizer_class", ["evil.Evil", "evil", "T5Tokenizer"])
def test_code_named_for_the_tokenizer_is_not_run(
    tokenizer_class: str, auto_map: object, model: Path, ask: Ask
) -> None:
    update(model / "tokenizer_config.json", auto_map=auto_map, tokenizer_class=tokenizer_class)
    (model / "added_tokens.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert ask().exit_code == ExitCode.OK


@pytest.mark.parametrize("option", ["--model", "--tokenizer"])
@pytest.mark.parametrize("name", ["AutoProcessor", "AutoFeatureExtractor", "RagTokenizer"])
def test_standard_input_does_not_say_yes_to_code(name: str, option: str, model: Path, ask: Ask) -> None:
    update(model / "tokenizer_config.json", auto_map=AUTO_MAP, tokenizer_class=name)
    for file in ("processor_config.json", "preprocessor_config.json"):
        update(model / file, processor_class="Evil", auto_map=AUTO_MAP)
    words = [] if option == "--model" else ["--tokenizer", str(model)]
    result = ask("torch", *words, name=str(model) if option == "--model" else "small")
    refused(result, f"tokenizer_class is {name!r}")
    assert "[y/N]" not in result.output


HEADERS = {
    "length": (1 << 40, {}, b""),
    "length-of-all": ((1 << 64) - 1, {}, b""),
    "overlap": (None, {"a": (2, 0, 8), "b": (2, 4, 12)}, bytes(12)),
    "beyond": (None, {"a": (9, 0, 36)}, b"x"),
    "shape": (None, {"a": (1 << 62, 0, 4)}, bytes(4)),
    "nothing-of-much": (None, {"shared.weight": (0, 0, 0)}, b""),
}


@pytest.mark.parametrize(("length", "tensors", "content"), HEADERS.values(), ids=list(HEADERS))
def test_a_hostile_header_of_safetensors_is_refused(
    length: int | None, tensors: dict[str, tuple[int, int, int]], content: bytes, model: Path, ask: Ask
) -> None:
    header = {
        name: {"dtype": "F32", "shape": [size, size], "data_offsets": [start, end]}
        for name, (size, start, end) in tensors.items()
    }
    text = json.dumps(header).encode()
    start = struct.pack("<Q", len(text) if length is None else length)
    (model / "model.safetensors").write_bytes(start + text + content)
    refused(ask(), "weights", "cannot be loaded")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("is_absolute", [False, True])
def test_weights_outside_the_directory_are_not_read(
    is_absolute: bool, engine: str, model: Path, tmp_path: Path, ask: Ask
) -> None:
    outside = (model / "model.safetensors").rename(tmp_path / "outside.safetensors")
    shutil.copy(outside, model / SHARD)  # whose hash would be that of a good model
    named = str(outside) if is_absolute else "../outside.safetensors"
    update(model / INDEX, metadata={}, weight_map={"shared.weight": named})
    refused(ask(engine), INDEX, "not the name of a weights file")


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_of_a_hub_cache_are_links_and_fine(
    engine: str, model: Path, tmp_path: Path, ask: Ask
) -> None:
    blob = (model / "model.safetensors").rename(tmp_path / "blob")
    (model / SHARD).symlink_to(blob)
    update(model / INDEX, metadata={}, weight_map={"shared.weight": SHARD})
    assert ask(engine).exit_code == ExitCode.OK


def test_weights_that_the_hash_does_not_cover_are_not_loaded(model: Path, ask: Ask) -> None:
    shutil.copy(model / "model.safetensors", model / "shard-00001-model-00001-of-00001.safetensors")
    refused(ask(), "shard-00001")


METADATA = {
    "type": '{"prefix": []}',
    "number": '{"max_source_tokens": 1e400}',
    "digits": f'{{"target_tokens": {"9" * 5000}}}',
    "depth": f'{{"prefix": {"[" * 90_000}{"]" * 90_000}}}',
    "key": '{"__class__": "evil.Evil"}',
    **{key: json.dumps({key: "a b " * 2_500_000}) for key in ("prefix", "suffix", "separator", "license")},
    "nan": '{"target_tokens": NaN}',
    "surrogate": '{"separator": "\\ud800"}',
    "terminal": '{"prefix": ["\\u001b[2J"]}',
}


@pytest.mark.parametrize("text", METADATA.values(), ids=list(METADATA))
def test_hostile_metadata_is_refused_in_few_words(text: str, model: Path, ask: Ask) -> None:
    (model / "qgbatch.json").write_text(text)
    result = ask()
    refused(result, "qgbatch.json")
    assert len(result.stderr) < 1000
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("no_repeat_ngram_size", 10**30),
        ("length_penalty", float("nan")),
        ("max_length", -5),
        ("num_beams", 10**9),
    ],
)
def test_hostile_decoding_is_refused(key: str, value: float, model: Path, ask: Ask) -> None:
    update(model / "generation_config.json", **{key: value})
    refused(ask(), "generation_config.json")


def test_a_model_in_a_subfolder_of_the_hub_is_not_there(
    model: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--ann--asker"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.move(model, repository / "snapshots" / ("0" * 40) / "folder" / "model")
    refused(ask(name="ann/asker"), "ann/asker")
    refused(ask(name="ann/asker/folder"), "no such directory")
