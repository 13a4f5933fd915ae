"""The base model of a training."""

from __future__ import annotations

import json
from pathlib import Path

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
