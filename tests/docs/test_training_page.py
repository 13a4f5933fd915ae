"""docs/training.md: its commands run, from the data to the published model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.pages import blocks
from tests.support.loopback_hub import LoopbackHub, hub_environment
from tests.support.training import make_base, paragraphs, write_squad
from tests.warm_process import WarmProcess


def test_the_training_runs(tmp_path: Path) -> None:
    (script,) = blocks("training.md", "bash")
    write_squad(tmp_path / "train-v1.1.json", paragraphs(20))
    write_squad(tmp_path / "dev-v1.1.json", paragraphs(4, start=50))
    base = make_base(tmp_path / "base")
    with LoopbackHub() as hub:
        hub.repositories["google/flan-t5-base", "model"] = {
            path.name: path.read_bytes() for path in base.iterdir()
        }
        quick = {"QGBATCH_MAX_STEPS": "2", "QGBATCH_GRADIENT_ACCUMULATION_STEPS": "2"}
        with WarmProcess({**hub_environment(hub, tmp_path / "home"), **quick}) as warm:
            result = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=warm.environment(),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        assert result.returncode == 0, result.stderr
        (published,) = (files for (name, _), files in hub.repositories.items() if "squad-questions" in name)
    assert {"model.safetensors", "tokenizer.json", "qgbatch.json", "README.md"} <= published.keys()
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"]["validation_loss"] > 0
