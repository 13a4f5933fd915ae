"""``qgbatch finetune``: what it says of what cannot work, and what it leaves alone."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from transformers.integrations.integration_utils import TensorBoardCallback

from qgbatch.errors import ExitCode
from tests.support.runs import no_file_larger_than
from tests.support.training import (
    LEFT,
    THREE_STEPS,
    Finetune,
    Words,
    assert_no_model,
    command,
    finished_words,
    in_new_process,
    logged,
    names,
    paragraphs,
    read,
    run_command,
    snapshot,
    write_data_set,
    write_squad,
)

pytestmark = pytest.mark.usefixtures("one_thread")


# What cannot work


def test_what_the_length_limits_cut_is_said(finetune: Finetune, home: Path, tmp_path: Path) -> None:
    limits = ("--max-target-length", "16", "--max-source-length", "40")
    result = finetune(tmp_path, *limits, "--max-steps", "1")
    assert result.exit_code == ExitCode.OK, result.output
    tokenizer: Any = AutoTokenizer.from_pretrained(home / "base")
    made = [
        (paragraph["context"], [qa["question"] for qa in paragraph["qas"]]) for paragraph in paragraphs(9)
    ]
    sources = tokenizer([f"generate questions: {context} </s>" for context, _ in made])["input_ids"]
    targets = tokenizer(["".join(f"{q} <sep> " for q in asked) + "</s>" for _, asked in made])["input_ids"]
    for what, rows, limit in (("source", sources, 40), ("target", targets, 16)):
        n_cut = sum(len(row) > limit for row in rows)
        assert 0 < n_cut < 9
        share = f"{n_cut} of 9 {what}s ({100 * n_cut / 9:.1f} %)"
        told = (
            f"--max-{what}-length {limit} truncates {share}; the longest has {max(map(len, rows))} tokens"
        )
        assert told in result.stderr


def test_paragraphs_that_are_left_out_are_counted(finetune: Finetune, tmp_path: Path) -> None:
    data = write_squad(tmp_path / "some.json", [*paragraphs(4), {"context": "Nobody asks.", "qas": []}])
    result = finetune(tmp_path / "out", "--train-file", data, "--max-steps", "1")
    assert result.exit_code == ExitCode.OK, result.output
    assert "some.json: 4 paragraphs, 7 questions, 1 paragraphs without questions skipped" in result.stderr


NO_INPUT = {
    "missing": ("no.json", None, "no.json: cannot be read"),
    "broken": ("a.json", '{"data": [', "a.json: not JSON"),
    "no-field": ("a.json", '{"data": [{"title": "A"}]}', "data[0]: no 'paragraphs'"),
    "no-questions": ("a.jsonl", '{"context": "x", "questions": []}', "no paragraph with a question"),
    "empty": ("a.json", '{"data": []}', "a.json: no paragraph with a question"),
}


@pytest.mark.parametrize(("name", "content", "reason"), NO_INPUT.values(), ids=list(NO_INPUT))
@pytest.mark.parametrize("option", ["--train-file", "--validation-file"])
def test_data_that_cannot_be_read_exits_4(
    option: str, name: str, content: str | None, reason: str, finetune: Finetune, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    result = finetune(tmp_path / "out", option, tmp_path / name)
    assert result.exit_code == ExitCode.NO_INPUT, result.output
    assert reason in result.stderr
    assert_no_model(tmp_path / "out")


def test_a_data_set_that_is_not_to_be_had_exits_4(home: Path, tmp_path: Path) -> None:
    words = ("finetune", "--base", str(home / "base"), "--dataset", "ann/no-such-set")
    result = run_command(*words, "--report-to", "none", "-o", str(tmp_path))
    assert result.exit_code == ExitCode.NO_INPUT, result.output
    assert "ann/no-such-set: not a directory here, and cannot be loaded" in result.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--dataset", "ann/set"], "either the dataset or the files"),
        (["--early-stopping-patience", "2"], "--validation-file"),
        (["--init-from-scratch", "tiny.json"], "Add --tokenizer"),
        (["--init-from-scratch", "tiny.json", "--base", "google/flan-t5-base"], "cannot be combined"),
        (["--learning-rate", "nan"], "--learning-rate nan"),
        (["--num-train-epochs", "0"], "--num-train-epochs 0"),
        (["--max-steps", "0"], "--max-steps 0"),
        (["--report-to", "paper"], "'tensorboard', 'wandb', 'none'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_settings_at_odds_exit_2_before_anything_is_made(
    words: Words, reason: str, finetune: Finetune, tmp_path: Path
) -> None:
    result = finetune(tmp_path / "out", *words)
    assert result.exit_code == ExitCode.USAGE, result.output
    assert reason in result.stderr
    assert not (tmp_path / "out").exists()


def test_no_data_exits_2(tmp_path: Path) -> None:
    result = run_command("finetune", "-o", str(tmp_path))
    assert result.exit_code == ExitCode.USAGE
    assert "--train-file" in result.stderr


def test_a_data_set_without_training_data_exits_2(home: Path, tmp_path: Path) -> None:
    write_data_set(tmp_path / "set", validation=4)
    words = ("finetune", "--base", home / "base", "--dataset", tmp_path / "set", "-o", tmp_path / "out")
    result = run_command(*map(str, words), "--report-to", "none")
    assert result.exit_code == ExitCode.USAGE, result.output
    assert "no split train" in result.stderr


def no_weights(base: Path) -> None:
    (base / "model.safetensors").unlink()


def cut_weights(base: Path) -> None:
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def another_type(base: Path) -> None:
    (base / "config.json").write_text(json.dumps({**read(base / "config.json"), "model_type": "bert"}))


def cut_tokenizer(base: Path) -> None:
    (base / "tokenizer.json").write_text("{")


def no_tokenizer(base: Path) -> None:
    (base / "tokenizer.json").unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (shutil.rmtree, "no such directory"),
        (no_weights, "no weights"),
        (cut_weights, "cannot be loaded"),
        (another_type, "a model of type 'bert'"),
        (cut_tokenizer, "tokenizer cannot be loaded"),
        (no_tokenizer, "--tokenizer"),
    ],
)
def test_a_base_that_is_missing_or_damaged_exits_5(
    damage: Callable[[Path], None], reason: str, home: Path, finetune: Finetune, tmp_path: Path
) -> None:
    shutil.copytree(home / "base", tmp_path / "base")
    damage(tmp_path / "base")
    result = finetune(tmp_path / "out", "--base", tmp_path / "base")
    assert result.exit_code == ExitCode.MODEL, result.output
    assert reason in result.stderr
    assert_no_model(tmp_path / "out")


@pytest.mark.parametrize(
    "content", [None, "{", "[]", '{"num_heads": "four"}', '{"model_type": "bert"}', '{"d_model": -1}']
)
def test_a_configuration_that_makes_no_model_exits_5(
    content: str | None, home: Path, finetune: Finetune, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "tiny.json").write_text(content)
    words = ("--init-from-scratch", tmp_path / "tiny.json", "--tokenizer", home / "base")
    result = finetune(tmp_path / "out", *words)
    assert result.exit_code == ExitCode.MODEL, result.output
    assert "tiny.json: cannot create a model from it" in result.stderr


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt"])
def test_a_damaged_checkpoint_exits_5_and_is_named(
    name: str, finished: Path, home: Path, finetune: Finetune, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint-2"
    shutil.copytree(finished / "checkpoint-2", checkpoint)
    (checkpoint / name).write_bytes((checkpoint / name).read_bytes()[:-1000])
    result = finetune(tmp_path, *finished_words(home))
    assert result.exit_code == ExitCode.MODEL, result.output
    assert f"{checkpoint}: the checkpoint cannot be loaded" in result.stderr
    assert_no_model(tmp_path)


def test_a_checkpoint_that_is_not_there_exits_5(finetune: Finetune, tmp_path: Path) -> None:
    result = finetune(tmp_path / "out", "--resume", tmp_path / "checkpoint-9")
    assert result.exit_code == ExitCode.MODEL, result.output
    assert "checkpoint-9: not a complete checkpoint" in result.stderr


@pytest.mark.parametrize("name", ["accelerate", "matplotlib", "tensorboard", "wandb", "datasets"])
def test_a_package_that_is_missing_exits_5_with_the_line_that_installs_it(
    name: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec

    def find_others(wanted: str, package: str | None = None) -> Any:
        return None if wanted == name else find_spec(wanted, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)
    data = ("--dataset", "ann/set") if name == "datasets" else ("--train-file", str(home / "train.json"))
    tracker = name if name in ("tensorboard", "wandb") else "none"
    result = run_command("finetune", *data, "--report-to", tracker, "-o", str(tmp_path / "out"))
    assert result.exit_code == ExitCode.MODEL, result.output
    assert f"package {name}" in result.stderr
    assert ("pip install wandb" if name == "wandb" else "pip install 'qgbatch[train]'") in result.stderr


def test_a_plain_install_says_what_to_install(home: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.machinery as machinery\n"
        "find_spec = machinery.PathFinder.find_spec\n"
        "missing = 'accelerate', 'datasets', 'matplotlib', 'tensorboard'\n"
        "machinery.PathFinder.find_spec = staticmethod(\n"
        "    lambda name, *rest: None if name in missing else find_spec(name, *rest)\n"
        ")\n"
    )
    result = in_new_process(command(home, tmp_path / "out"), {**os.environ, "PYTHONPATH": str(tmp_path)})
    assert result.returncode == ExitCode.MODEL, result.stderr
    assert "pip install 'qgbatch[train]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_output_that_cannot_be_a_directory_exits_6(finetune: Finetune, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    for output in (tmp_path / "file", tmp_path / "file" / "out"):
        result = finetune(output)
        assert result.exit_code == ExitCode.OUTPUT, result.output
        assert f"{output}: cannot be used as the output directory" in result.stderr
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("left", ["model.safetensors", "README.md", "config.json", "checkpoint-3"])
def test_what_somebody_else_left_is_not_replaced(
    left: str, finished: Path, finetune: Finetune, tmp_path: Path
) -> None:
    if (finished / left).is_dir():
        shutil.copytree(finished / left, tmp_path / left)
        (tmp_path / left / "recipe.json").unlink()
    else:
        shutil.copy(finished / left, tmp_path)
    before = snapshot(tmp_path)
    result = finetune(tmp_path, "--resume", "never")
    assert result.exit_code == ExitCode.OUTPUT, result.output
    assert "name another directory" in result.stderr
    assert snapshot(tmp_path) == before


def test_the_base_is_not_replaced_by_what_is_made_of_it(
    finished: Path, finetune: Finetune, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "model")
    (tmp_path / "link").symlink_to("model")
    before = snapshot(tmp_path / "model")
    result = finetune(tmp_path / "link", "--base", tmp_path / "model", "--resume", "never")
    assert result.exit_code == ExitCode.OUTPUT, result.output
    assert "is the base model itself" in result.stderr
    assert snapshot(tmp_path / "model") == before


@pytest.fixture
def interrupted(home: Path, finetune: Finetune, tmp_path: Path) -> Path:
    """A directory as a kill after the first of three steps leaves it."""
    assert finetune(tmp_path, *THREE_STEPS).exit_code == ExitCode.OK
    for path in tmp_path.iterdir():
        if path.is_file():
            path.unlink()
        elif path.name != "checkpoint-1":
            shutil.rmtree(path)
    return tmp_path


@pytest.mark.parametrize("largest", ["model.safetensors", "optimizer.pt"])
def test_a_full_disk_while_saving_exits_6_and_the_same_command_goes_on(
    largest: str, interrupted: Path, finetune: Finetune
) -> None:
    first, second = interrupted / "checkpoint-1", interrupted / "checkpoint-2"
    with no_file_larger_than((first / largest).stat().st_size - 1):
        result = finetune(interrupted, *THREE_STEPS)
    assert result.exit_code == ExitCode.OUTPUT, result.output
    assert f"{second}: the checkpoint cannot be written" in result.stderr
    assert names(interrupted) == {"checkpoint-1", "training_log.jsonl"}
    assert_no_model(interrupted)
    result = finetune(interrupted, *THREE_STEPS)
    assert result.exit_code == ExitCode.OK, result.output
    assert f"Resuming from {first}" in result.stderr
    assert list(logged(interrupted)) == [1, 2, 3]


def test_a_full_disk_while_making_the_model_leaves_none(finetune: Finetune, tmp_path: Path) -> None:
    assert finetune(tmp_path, "--max-steps", "1").exit_code == ExitCode.OK
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    with no_file_larger_than(len(whole) - 1):
        result = finetune(tmp_path, "--max-steps", "1")
    assert result.exit_code == ExitCode.OUTPUT, result.output
    assert "model.safetensors: cannot be written" in result.stderr
    assert names(tmp_path) == (LEFT - {"model.safetensors"}) | {"checkpoint-1"}
    assert_no_model(tmp_path)
    assert finetune(tmp_path, "--max-steps", "1").exit_code == ExitCode.OK
    assert weights.read_bytes() == whole


def test_a_disk_that_is_full_for_the_tracker_exits_6(
    finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TensorBoardCallback, "on_log", fail)  # its own thread would die and say so
    result = finetune(tmp_path, "--max-steps", "1", "--report-to", "tensorboard")
    assert result.exit_code == ExitCode.OUTPUT, result.output
    assert f"{tmp_path}: cannot be written (No space left on device)" in result.stderr
    assert_no_model(tmp_path)
