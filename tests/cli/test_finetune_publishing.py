"""``qgbatch finetune``: publishing, and a tracker that needs a process."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qgbatch.errors import ExitCode
from tests.support.loopback_hub import LoopbackHub, hub_environment
from tests.support.training import LEFT, command, names
from tests.support.warm_process import WarmProcess

Published = tuple[Path, "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def publisher(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """Runs commands that know this hub: ``huggingface_hub`` reads where it is once, when imported."""
    with WarmProcess(hub_environment(hub, tmp_path_factory.mktemp("home"))) as process:
        yield process


@pytest.fixture(scope="module")
def published(home: Path, publisher: WarmProcess, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The directory of a model that wandb tracked and that was published, and what the command said."""
    output = tmp_path_factory.mktemp("published") / "out"
    (output / "runs").mkdir(parents=True)
    (output / "runs" / "events").touch()
    words = ("--max-steps", "2", "--report-to", "wandb", "--push-to-hub", "--hub-model-id", "asker")
    wandb = {"WANDB_MODE": "offline", "WANDB_DIR": str(output), "WANDB_SILENT": "true"}
    result = publisher.run("qgbatch", *command(home, output, *words), variables=wandb)
    assert result.returncode == 0, result.stderr
    return output, result


def test_a_wrong_token_fails_before_any_training(
    home: Path, hub: LoopbackHub, publisher: WarmProcess, tmp_path: Path
) -> None:
    before = set(hub.repositories)
    words = command(home, tmp_path / "out", "--max-steps", "1", "--push-to-hub")
    result = publisher.run("qgbatch", *words, variables={"HF_TOKEN": "hf_eve"})
    assert result.returncode == ExitCode.OUTPUT, result.stderr
    assert "cannot be published" in result.stderr
    assert "401" in result.stderr
    assert set(hub.repositories) == before
    assert list((tmp_path / "out").iterdir()) == []


def test_wandb_has_the_training_loss(published: Published) -> None:
    output, _ = published
    (run,) = output.glob("wandb/offline-run-*/*.wandb")
    assert b"train/loss" in run.read_bytes()


def test_publishing_leaves_checkpoints_and_trackers_here(hub: LoopbackHub, published: Published) -> None:
    output, result = published
    assert names(output) == LEFT | {"checkpoint-2", "runs", "wandb"}
    files = hub.repositories["ann/asker", "model"]
    assert files == {name: (output / name).read_bytes() for name in LEFT}
    assert b"--model ann/asker" in files["README.md"]
    assert f"{hub.url}/ann/asker/commit/" in result.stderr
    assert len(hub.commits) == 1
