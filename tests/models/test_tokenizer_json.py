"""``tokenizer.json`` opened without transformers is the tokenizer that transformers makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qgbatch.models.tokenizer_files import open_hf_tokenizer, open_tokenizer
from qgbatch.models.tokenizer_json import open_tokenizer_json
from tests.conftest import MINI, ROOT, SAMPLES

SMALL = ROOT / "models" / "small"
TOKEN = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}


def edit(directory: Path, name: str, **changes: Any) -> None:
    """Change values of a JSON file; ``None`` removes one."""
    path = directory / name
    values = {**(json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def assert_same_as_transformers(directory: Path) -> None:
    found, expected = open_tokenizer(directory), open_hf_tokenizer(directory)
    assert found.backend.to_str() == expected.backend_tokenizer.to_str()
    assert (found.eos, found.pad, found.unk) == (
        expected.eos_token,
        expected.pad_token,
        expected.unk_token,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tokenizer of mini, to be changed."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINI / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("directory", [SMALL, MINI], ids=["small", "mini"])
def test_the_checkpoints_here_need_no_transformers(directory: Path) -> None:
    assert open_tokenizer_json(directory)
    assert_same_as_transformers(directory)


@pytest.mark.parametrize("directory", [SMALL, MINI], ids=["small", "mini"])
def test_samples_have_the_same_ids(directory: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in SAMPLES.glob("*.*")]
    found, expected = open_tokenizer(directory).backend, open_hf_tokenizer(directory).backend_tokenizer
    assert [found.encode(text).ids for text in texts] == [expected.encode(text).ids for text in texts]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("tokenizer_config.json", {"tokenizer_class": "T5TokenizerFast"}),
        ("tokenizer_config.json", {"tokenizer_class": "TokenizersBackend"}),
        ("tokenizer_config.json", {"extra_special_tokens": None, "sep_token": None}),
        ("tokenizer_config.json", {"eos_token": None, "pad_token": None, "unk_token": None}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"8100": {"content": "<sep>", **TOKEN}}}),
        ("tokenizer_config.json", {"sp_model_kwargs": {}, "clean_up_tokenization_spaces": True}),
        ("special_tokens_map.json", {"eos_token": {"content": "</s>", **TOKEN}, "pad_token": "<pad>"}),
        ("config.json", {"model_type": "t5", "tokenizer_class": "T5Tokenizer"}),
    ],
    ids=str,
)
def test_a_change_that_needs_no_transformers(name: str, changes: dict[str, Any], copy: Path) -> None:
    edit(copy, name, **changes)
    assert open_tokenizer_json(copy)
    assert_same_as_transformers(copy)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("tokenizer_config.json", {"tokenizer_class": "BertTokenizer"}),
        ("tokenizer_config.json", {"split_special_tokens": True}),
        ("tokenizer_config.json", {"sep_token": "<other>"}),
        ("tokenizer_config.json", {"extra_ids": 101}),
        ("tokenizer_config.json", {"extra_ids": "many"}),
        ("tokenizer_config.json", {"extra_special_tokens": ["<other>"]}),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": {"8100": {"content": "<sep>", **TOKEN, "lstrip": True}}},
        ),
        ("tokenizer_config.json", {"added_tokens_decoder": {"8101": {"content": "<other>", **TOKEN}}}),
        ("special_tokens_map.json", {"eos_token": "<unk>"}),
        ("added_tokens.json", {"<other>": 8101}),
        ("config.json", {"tokenizer_class": "evil.Evil"}),
        ("tokenizer.json", {"normalizer": {"type": "NFKC"}}),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}),
        ("tokenizer.json", {"decoder": {"type": "Fuse"}}),
    ],
    ids=str,
)
def test_a_change_that_is_left_to_transformers(name: str, changes: dict[str, Any], copy: Path) -> None:
    edit(copy, name, **changes)
    assert open_tokenizer_json(copy) is None


def test_a_plain_class_needs_its_special_tokens(copy: Path) -> None:
    edit(copy, "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", pad_token=None)
    assert open_tokenizer_json(copy) is None


def test_transformers_is_not_imported() -> None:
    program = (
        "import sys; from pathlib import Path; from qgbatch.models.tokenizer_files import open_tokenizer;"
        f"open_tokenizer(Path({str(SMALL)!r})); print(*sys.modules)"
    )
    imported = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert not {"torch", "transformers", "numpy"} & set(imported)
