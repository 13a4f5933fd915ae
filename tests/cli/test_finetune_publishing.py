"""``qgbatch finetune``: publishing, and a tracker that wants a process of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from qgbatch.errors import ExitCode
from tests.support.loopback_hub import LoopbackHub, hub_environment
from tests.support.training import (
    LEFT,
    command,
    in_process,
    names,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def published(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LoopbackHub, Path, subprocess.CompletedProcess[str]]:
    """A model that was trained under the eyes of wandb and published, with its directory."""
    output = tmp_path_factory.mktemp("published") / "out"
    (output / "runs").mkdir(parents=True)
    (output / "runs" / "events").touch()
    words = ("--max-steps", "2", "--report-to", "wandb", "--push-to-hub", "--hub-model-id", "asker")
    wandb = {"WANDB_MODE": "offline", "WANDB_DIR": str(output), "WANDB_SILENT": "true"}
    with LoopbackHub() as hub:
        environment = {**hub_environment(hub, output.parent / "home"), **wandb}
        result = in_process(command(home, output, *words), environment)
    assert result.returncode == 0, result.stderr
    return hub, output, result


def test_wandb_has_the_training_loss(
    published: tuple[LoopbackHub, Path, subprocess.CompletedProcess[str]],
) -> None:
    _, output, _ = published
    (run,) = output.glob("wandb/offline-run-*/*.wandb")
    assert b"train/loss" in run.read_bytes()


def test_publishing_leaves_checkpoints_and_trackers_here(
    published: tuple[LoopbackHub, Path, subprocess.CompletedProcess[str]],
) -> None:
    hub, output, result = published
    assert names(output) == LEFT | {"checkpoint-2", "runs", "wandb"}
    files = hub.repositories["ann/asker", "model"]
    assert files == {name: (output / name).read_bytes() for name in LEFT}
    assert b"--model ann/asker" in files["README.md"]
    assert f"{hub.url}/ann/asker/commit/" in result.stderr
    assert len(hub.commits) == 1


def test_a_wrong_token_fails_before_any_training(home: Path, tmp_path: Path) -> None:
    words = command(home, tmp_path / "out", "--max-steps", "1", "--push-to-hub")
    with LoopbackHub() as hub:
        environment = {**hub_environment(hub, tmp_path / "home"), "HF_TOKEN": "hf_eve"}
        result = in_process(words, environment)
    assert result.returncode == ExitCode.OUTPUT, result.stderr
    assert "cannot be published" in result.stderr
    assert "401" in result.stderr
    assert hub.repositories == {}
    assert list((tmp_path / "out").iterdir()) == []
