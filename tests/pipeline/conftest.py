"""Fixtures that several tests of the pipeline use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import MINI

_RANKER = {"weights": {"answer_log_probability": 1.0}, "intercept": 0.0, "min_score": 0.4}
_METADATA = {
    "prefix": "generate questions and answers: ", "suffix": "", "answer_separator": "<ans>",
    "context_separator": "<ctx>", "target_tokens": 64, "language": "english",
}  # fmt: skip


@pytest.fixture
def answering_model(tmp_path: Path) -> str:
    """A checkpoint with a ranker, whose metadata say that it writes answers."""
    directory = tmp_path / "model"
    directory.mkdir()
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINI / name, directory)
    (directory / "model.safetensors").symlink_to(MINI / "model.safetensors")
    config = json.loads((MINI / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"vocab_size": 8192}))
    (directory / "qgbatch.json").write_text(json.dumps(_METADATA))
    (directory / "ranker.json").write_text(json.dumps(_RANKER))
    return str(directory)
