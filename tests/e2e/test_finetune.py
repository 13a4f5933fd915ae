"""``qgbatch finetune``: the notebook's losses, going on after a kill, several processes."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, get_linear_schedule_with_warmup

from qgbatch.errors import ExitCode, ModelError
from qgbatch.models.checkpoint import find_model
from qgbatch.training.data import read_split
from qgbatch.training.sampling import StepSampler
from tests.support.training import logged, make_base, paragraphs, write_squad
from tests.support.warm_process import PATIENCE_S, WarmProcess

pytestmark = pytest.mark.usefixtures("one_thread")

N_EXAMPLES = 31
BATCH = ("--per-device-train-batch-size", "2", "--gradient-accumulation-steps", "4")
QUICK = (*BATCH, "--report-to", "none", "--logging-steps", "1", "--learning-rate", "0.003")


@pytest.fixture(scope="module")
def train_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squad(tmp_path_factory.mktemp("data") / "train.json", paragraphs(N_EXAMPLES))


@pytest.fixture(scope="module")
def validation_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squad(tmp_path_factory.mktemp("data") / "dev.json", paragraphs(5, start=100))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def notebook_losses(base: Path, train_file: Path, n_epochs: int) -> dict[int, float]:
    """The notebook's procedure, plainly: its strings, its static padding, its collator, its optimizer.

    Only the order of examples is taken from here, and the generator of torch it used.
    """
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(base, dtype=torch.float32).train()
    rows = []
    for paragraph in read_split(str(train_file)).paragraphs:
        questions = " ".join(f"{question} {{sep_token}}" for question in paragraph.questions)
        source = tokenizer(
            "generate questions: " + paragraph.context + " </s>",
            max_length=512, truncation=True, padding="max_length", return_tensors="pt",
        )  # fmt: skip
        target = tokenizer(
            questions.replace("{sep_token}", "<sep>") + " </s>",
            max_length=64, truncation=True, padding="max_length", return_tensors="pt",
        )  # fmt: skip
        labels = target["input_ids"].clone()
        labels[labels == 0] = -100
        rows.append(
            {
                "input_ids": source["input_ids"],
                "attention_mask": source["attention_mask"],
                "labels": labels,
                "decoder_attention_mask": target["attention_mask"],
            }
        )
    n_steps = n_epochs * (len(rows) // 8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.0)
    scheduler = get_linear_schedule_with_warmup(optimizer, 0, n_steps)
    sampler = StepSampler([(0, 0)] * len(rows), 8, 42, group_by_length=False)
    losses: dict[int, float] = {}
    for epoch in range(n_epochs):
        sampler.set_epoch(epoch)
        order = list(sampler)
        for start in range(0, len(order), 8):
            step = order[start : start + 8]
            batches = [step[i : i + 2] for i in range(0, len(step), 2)]
            total = 0.0
            for batch in batches:
                tensors = {key: torch.cat([rows[i][key] for i in batch]) for key in rows[0]}
                loss = model(**tensors).loss / len(batches)
                loss.backward()
                total += loss.item()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            losses[len(losses) + 1] = total
    return losses


def test_losses_are_the_notebooks(
    qgbatch: Callable[..., Result], base: Path, train_file: Path, tmp_path: Path
) -> None:
    words = ("--base", base, "--train-file", train_file, "--num-train-epochs", "2", *QUICK)
    result = qgbatch("finetune", *words, "--no-group-by-length", "-o", tmp_path)
    assert result.exit_code == ExitCode.OK, result.output
    expected = notebook_losses(base, train_file, 2)
    assert logged(tmp_path) == pytest.approx(expected, abs=2e-5)
    assert expected[6] < expected[1] - 0.5  # it learns


@pytest.fixture(scope="module")
def data(train_file: Path, validation_file: Path) -> list[str]:
    """The options of a training with validation."""
    files = ("--train-file", str(train_file), "--validation-file", str(validation_file))
    return [*files, *QUICK, "--eval-steps", "3"]


def test_killed_and_resumed_is_as_never_killed(
    qgbatch: Callable[..., Result], warm_process: WarmProcess, data: list[str], tmp_path: Path
) -> None:
    base = make_base(tmp_path / "base", dropout=0.1)
    words = ["finetune", "--base", str(base), *data, "--num-train-epochs", "4", "--save-steps", "4"]
    never_killed, killed = tmp_path / "never-killed", tmp_path / "killed"
    assert qgbatch(*words, "-o", never_killed).exit_code == ExitCode.OK

    kill_at = random.randrange(5, 10)
    with subprocess.Popen(
        warm_process.command("qgbatch", *words, "-o", killed),
        env=warm_process.environment(), stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while process.poll() is None and max(logged(killed), default=0) < kill_at:
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
    with pytest.raises(ModelError, match="no weights"):
        find_model(str(killed))

    result = qgbatch(*words, "-o", killed)
    assert result.exit_code == ExitCode.OK, result.output
    assert "Resuming from" in result.output, f"killed at step {kill_at}"
    assert_same_weights(never_killed, killed, atol=1e-6, rtol=1e-5)
    assert logged(killed) == pytest.approx(logged(never_killed), abs=1e-5)


def test_two_processes_reach_the_losses_of_one(
    qgbatch: Callable[..., Result], warm_process: WarmProcess, base: Path, data: list[str], tmp_path: Path
) -> None:
    words = ["finetune", "--base", str(base), *data, "--num-train-epochs", "1"]
    assert qgbatch(*words, "-o", tmp_path / "one").exit_code == ExitCode.OK
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # What torchrun sets.
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            warm_process.command("qgbatch", *words, "-o", tmp_path / "two"),
            env=warm_process.environment(RANK=rank, LOCAL_RANK=rank, LOCAL_WORLD_SIZE="2", **common),
            stderr=subprocess.PIPE, text=True,
        )
        for rank in "01"
    ]  # fmt: skip
    for process in processes:
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, stderr
    assert logged(tmp_path / "two") == pytest.approx(logged(tmp_path / "one"), abs=1e-4)
    assert_same_weights(tmp_path / "one", tmp_path / "two", atol=1e-4, rtol=1e-3)


@pytest.mark.faults
def test_torchrun_starts_the_processes(
    qgbatch: Callable[..., Result], base: Path, data: list[str], tmp_path: Path
) -> None:
    words = ["finetune", "--base", str(base), *data, "--num-train-epochs", "2"]
    assert qgbatch(*words, "-o", tmp_path / "one").exit_code == ExitCode.OK
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    script = str(Path(sys.executable).with_name("qgbatch"))
    result = subprocess.run(
        [*torchrun, "--no-python", script, *words, "-o", tmp_path / "two"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert logged(tmp_path / "two") == pytest.approx(logged(tmp_path / "one"), abs=1e-4)
    assert_same_weights(tmp_path / "one", tmp_path / "two", atol=1e-4, rtol=1e-3)


def assert_same_weights(expected: Path, got: Path, *, atol: float, rtol: float) -> None:
    """Compare the models of two trainings, tensor by tensor."""
    there, here = (load_file(directory / "model.safetensors") for directory in (expected, got))
    assert there.keys() == here.keys()
    for name, tensor in there.items():
        torch.testing.assert_close(here[name], tensor, atol=atol, rtol=rtol)
