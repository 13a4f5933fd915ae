"""What a checkpoint's files may not say, and what this package never calls."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import find_model
from qgbatch.models.validation import check_config, check_tokenizer, check_weights, read_json
from tests.conftest import MINI, ROOT

SHARD = "model-00001-of-00001.safetensors"
INDEX = "model.safetensors.index.json"
MODULES = sorted((ROOT / "qgbatch").rglob("*.py"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attn_implementation", "evil/kernel"),
        ("_attn_implementation", "flash_attention_2"),
        ("attn_implementation", {"": "evil/kernel"}),
        ("experts_implementation", "evil/kernel"),
        ("_experts_implementation", "evil/kernel"),
        ("quantization_config", {"quant_method": "eetq"}),
        ("fusion_config", {"patch_embeddings": True}),
        ("transformers_weights", "other.safetensors"),
        ("is_encoder_decoder", False),
        ("vocab_size", True),
        ("vocab_size", 0),
        ("vocab_size", 10**13),
        ("num_layers", 10**9),
        ("num_decoder_layers", -1),
        ("num_heads", 0),
        ("d_model", 10**12),
        ("num_labels", 10**9),
        ("relative_attention_max_distance", 0),
        ("decoder_start_token_id", "0"),
        ("decoder_start_token_id", 8128),
    ],
)
def test_a_harmful_configuration_is_refused(key: str, value: object) -> None:
    config = json.loads((MINI / "config.json").read_text())
    assert check_config(config, Path("config.json")) == 8128
    with pytest.raises(ModelError, match=rf"config\.json: {key} is "):
        check_config(config | {key: value}, Path("config.json"))


@pytest.mark.parametrize(
    "shard", ["../outside.safetensors", "/etc/passwd", "a/model.safetensors", INDEX, ".", "", 3, None]
)
def test_weights_are_only_read_beside_their_index(shard: object, tmp_path: Path) -> None:
    weight_map: dict[str, object] = {"a": SHARD}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    check_weights(tmp_path, [INDEX])
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": weight_map | {"b": shard}}))
    with pytest.raises(ModelError, match=r"index\.json: .* not the name of a weights file"):
        check_weights(tmp_path, [INDEX])


@pytest.mark.parametrize("name", ["adapter_config.json", "shard-00001-model-00001-of-00001.safetensors"])
def test_weights_outside_the_hash_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ModelError, match=f"{name}: qgbatch loads neither"):
        check_weights(tmp_path, [])


def test_the_hash_depends_on_the_index_of_the_shards(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path, dirs_exist_ok=True)
    hashes = {find_model(str(tmp_path)).sha256}
    for n in (1, 2):
        weight_map = {"shared.weight": f"model-0000{n}-of-00002.safetensors"}
        (tmp_path / INDEX).write_text(json.dumps({"weight_map": weight_map}))
        hashes.add(find_model(str(tmp_path)).sha256)
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("tokenizer_config", "tokenizer_class", "AutoProcessor"),
        ("tokenizer_config", "tokenizer_class", "AutoTokenizer"),
        ("tokenizer_config", "tokenizer_class", "AutoTokenizerFast"),
        ("tokenizer_config", "tokenizer_class", "RagTokenizer"),
        ("tokenizer_config", "tokenizer_class", "AutoModelForSeq2SeqLM"),
        ("tokenizer_config", "tokenizer_class", "pipeline"),
        ("tokenizer_config", "tokenizer_class", "__name__"),
        ("tokenizer_config", "tokenizer_class", ["T5Tokenizer"]),
        ("tokenizer_config", "gguf_file", "/etc/passwd"),
        ("tokenizer_config", "fast_tokenizer_files", ["../tokenizer.json"]),
        ("special_tokens_map", "tokenizer_object", "x"),
        ("config", "tokenizer_class", "AutoFeatureExtractor"),
        ("config", "model_type", "rag"),
    ],
)
def test_a_class_that_is_not_a_tokenizer_is_refused(
    file: str, key: str, value: object, tmp_path: Path
) -> None:
    (tmp_path / f"{file}.json").write_text(json.dumps({key: value}))
    with pytest.raises(ModelError, match=rf"{file}\.json: (tokenizer_class|{key}) is .* with tokenizer"):
        check_tokenizer(tmp_path)


@pytest.mark.parametrize(
    "name", [None, "T5Tokenizer", "T5TokenizerFast", "MT5TokenizerFast", "PreTrainedTokenizerFast",
             "TokenizersBackend", "RobertaTokenizer", "BertTokenizerFast", "GPT2Tokenizer", "OurOwn"]
)  # fmt: skip
def test_tokenizers_of_transformers_are_accepted(name: str | None, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    check_tokenizer(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_without_reading_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "qgbatch.json")
    with pytest.raises(ModelError, match="not a file"):
        read_json(tmp_path / "qgbatch.json")


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "qgbatch.json").open("wb") as stream:
        stream.truncate(1 << 40)  # sparse
    with pytest.raises(ModelError, match="larger than 64 MiB"):
        read_json(tmp_path / "qgbatch.json")


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load"}
BAD_WORDS = {("trust_remote_code", True), ("shell", True), ("allow_pickle", True), ("weights_only", False)}


def complaints(source: str) -> Iterator[str]:
    """What of a module loads code, or would on a careless day."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            yield node.module
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if name in FORBIDDEN_CALLS or name.split(".")[0] in FORBIDDEN_MODULES:
                yield name
            if name == "torch.load" and words.get("weights_only") != "True":
                yield name
            if name.endswith(".from_pretrained") and words.get("trust_remote_code", "False") != "False":
                yield name
            yield from (f"{word}={value}" for word, value in BAD_WORDS if words.get(word) == str(value))


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(ROOT)) for p in MODULES])
def test_no_module_calls_functions_that_run_loaded_code(path: Path) -> None:
    assert not list(complaints(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "AutoTokenizer.from_pretrained(path, trust_remote_code=True)",
        "AutoTokenizer.from_pretrained(path, trust_remote_code=settings.trust)",
        "subprocess.run(words, shell=True)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
    ],
)
def test_the_check_finds_calls_that_run_loaded_code(source: str) -> None:
    assert list(complaints(source))


def test_auto_classes_are_called_without_trusting_remote_code() -> None:
    calls = [
        ast.unparse(node)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".from_pretrained")
    ]
    assert len(calls) > 1
    assert all("trust_remote_code=False" in call for call in calls)
