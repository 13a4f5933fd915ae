"""The base model of a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import GenerationConfig

from qgbatch.models.checkpoint import find_model
from qgbatch.settings import Decoding
from qgbatch.training.base import load_base
from qgbatch.training.settings import TrainingSettings
from tests.support.training import make_base


def test_a_missing_start_token_is_that_of_t5(tmp_path: Path) -> None:
    directory = make_base(tmp_path / "base")
    path = directory / "config.json"
    config = json.loads(path.read_text())
    del config["decoder_start_token_id"]
    path.write_text(json.dumps(config))
    base = load_base(TrainingSettings(base=str(directory), train_file="none"))
    assert base.weights.config.decoder_start_token_id == base.tokenizer.pad_id


QUERIES = {"prefix": "", "suffix": "", "parser": "query"}
SAMPLING = {"do_sample": True, "top_k": 10, "top_p": 0.9, "num_beams": 1, "num_return_sequences": 5}


@pytest.mark.parametrize(
    "metadata", [QUERIES, {"parser": "question-answer"}, {"answer_separator": "<ans>"}]
)
def test_a_base_of_another_form_keeps_neither_its_form_nor_its_decoding(
    metadata: dict[str, str], tmp_path: Path
) -> None:
    directory = make_base(tmp_path / "base")
    (directory / "qgbatch.json").write_text(json.dumps(metadata))
    (directory / "generation_config.json").write_text(json.dumps({**SAMPLING, "max_length": 65}))
    base = load_base(TrainingSettings(base=str(directory), train_file="none"))
    assert base.metadata.parser == "questions"
    assert base.metadata.answer_separator is None
    assert base.tokenizer.separator_ids
    assert saved_decoding(base.weights.generation_config, tmp_path / "saved") == Decoding()


@pytest.mark.parametrize("decoding", [SAMPLING, {"num_beams": 5, "num_return_sequences": 2}])
def test_a_base_of_the_same_form_keeps_its_decoding(decoding: dict[str, Any], tmp_path: Path) -> None:
    directory = make_base(tmp_path / "base")
    (directory / "generation_config.json").write_text(json.dumps({**decoding, "max_new_tokens": 64}))
    base = load_base(TrainingSettings(base=str(directory), train_file="none"))
    saved = saved_decoding(base.weights.generation_config, tmp_path / "saved")
    assert saved == find_model(str(directory)).decoding


def saved_decoding(config: GenerationConfig, directory: Path) -> Decoding:
    """Return the decoding settings of a model that is saved with this configuration."""
    make_base(directory)
    config.save_pretrained(directory)
    return find_model(str(directory)).decoding
