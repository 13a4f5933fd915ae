"""``qgbatch finetune``: what it leaves, how it goes on, and what it says of what cannot work."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file
from transformers import AutoTokenizer
from transformers.integrations.integration_utils import TensorBoardCallback

from qgbatch.cli import main
from qgbatch.errors import ExitCode, ModelError
from qgbatch.models import find_model
from tests.conftest import SAMPLES
from tests.loopback_hub import LoopbackHub, hub_environment
from tests.training import logged, make_base, paragraphs, write_squad

Words = Sequence[str | Path]
Finetune = Callable[..., Result]

QUICK = ("--per-device-train-batch-size", "2", "--gradient-accumulation-steps", "2", "--logging-steps", "1")
TINY = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
WORSE = ("--learning-rate", "100", "--eval-steps", "1")
"""After a first step with this rate each further one makes the validation loss worse."""
THREE_STEPS = ("--max-steps", "3", "--save-steps", "1", "--save-total-limit", "9")
LEFT = {
    "README.md", "config.json", "generation_config.json", "losses.png", "model.safetensors",
    "qgbatch.json", "recipe.json", "tokenizer.json", "tokenizer_config.json", "training_log.jsonl",
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a base, training and validation data."""
    home = tmp_path_factory.mktemp("home")
    make_base(home / "base")
    write_squad(home / "train.json", paragraphs(9))
    write_squad(home / "dev.json", paragraphs(4, start=100))
    return home


@pytest.fixture(scope="module")
def finetune(home: Path) -> Finetune:
    """Run the command on the base and the training file, into a directory: ``finetune(tmp_path, ...)``."""

    def invoke(output: Path, *words: str | Path) -> Result:
        return run_command(*command(home, output, *words))

    return invoke


@pytest.fixture(scope="module")
def finished(home: Path, finetune: Finetune, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished directory, for tests that leave it as it is."""
    output = tmp_path_factory.mktemp("models") / "asker"
    result = finetune(output, *finished_words(home))
    assert result.exit_code == ExitCode.OK, result.output
    return output


def finished_words(home: Path) -> Words:
    words = (
        "--max-steps",
        "3",
        "--eval-steps",
        "1",
        "--max-source-length",
        "96",
        "--report-to",
        "tensorboard",
    )
    return ("--validation-file", home / "dev.json", *words)


def command(home: Path, output: Path, *words: str | Path) -> list[str]:
    data = ("--base", home / "base", "--train-file", home / "train.json")
    given = ("finetune", *data, *QUICK, "--report-to", "none", *words, "-o", output)
    return [str(word) for word in given]


def run_command(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def in_process(words: Words, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, where the environment counts from the start."""
    return subprocess.run(
        [sys.executable, "-m", "qgbatch", *map(str, words)],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def names(directory: Path, pattern: str = "*") -> set[str]:
    return {path.name for path in directory.glob(pattern)}


def snapshot(directory: Path) -> dict[Path, tuple[int, str]]:
    """When each file was written, and what it holds."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, sha256(path.read_bytes()).hexdigest()) for path in files}


def assert_runs(model: Path, output: Path) -> None:
    words = ("--num-beams", "1", "--max-new-tokens", "8")
    documents = SAMPLES / "lighthouses.txt"
    result = run_command("run", str(documents), "--model", str(model), "-o", str(output / "q.csv"), *words)
    assert result.exit_code == ExitCode.OK, result.output


def assert_no_model(directory: Path) -> None:
    with pytest.raises(ModelError, match="no weights"):
        find_model(str(directory))


# What it leaves


def test_everything_is_left(finished: Path) -> None:
    assert names(finished) == LEFT | {"runs", "checkpoint-2", "checkpoint-3"}


def test_the_weights_are_the_best_checkpoints_in_float32(finished: Path) -> None:
    losses = logged(finished, "eval_loss")
    best = min(losses, key=losses.__getitem__)
    weights = (finished / "model.safetensors").read_bytes()
    assert weights == (finished / f"checkpoint-{best:.0f}" / "model.safetensors").read_bytes()
    assert {tensor.dtype for tensor in load_file(finished / "model.safetensors").values()} == {
        torch.float32
    }


def test_the_tokenizer_knows_the_separator(finished: Path) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(finished)
    assert len(tokenizer("<sep>", add_special_tokens=False)["input_ids"]) == 1


def test_metadata_says_how_it_was_trained_and_decoding_how_to_run(finished: Path) -> None:
    assert read(finished / "qgbatch.json") == {
        "prefix": "generate questions: ", "suffix": " </s>", "separator": "<sep>",
        "max_source_tokens": 96, "target_tokens": None, "license": None,
    }  # fmt: skip
    decoding = read(finished / "generation_config.json")
    del decoding["transformers_version"]
    assert decoding == {
        "max_length": 256, "num_beams": 4, "length_penalty": 1.5, "no_repeat_ngram_size": 3,
        "early_stopping": True, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip


def test_the_card_has_recipe_data_versions_hardware_and_metrics(finished: Path, home: Path) -> None:
    card = (finished / "README.md").read_text(encoding="utf-8")
    metrics = read(finished / "recipe.json")["metrics"]
    assert metrics["eval_loss"] == logged(finished, "eval_loss")[metrics["step"]]
    assert metrics["train_loss"] == logged(finished)[3]
    for split, file, counts in (("train", "train.json", "9 | 18"), ("validation", "dev.json", "4 | 8")):
        digest = sha256((home / file).read_bytes()).hexdigest()
        assert f"| {split}: {file} | {counts} | `{digest}` |" in card
    for name, value in [
        *((name, version(name)) for name in ("torch", "transformers", "accelerate", "tokenizers")),
        *((name, f"{value:.6g}") for name, value in metrics.items()),
        ("max_source_length", 96), ("learning_rate", 0.0001), ("max_steps", 3), ("examples per step", 4),
        ("seed", 42), ("devices", 1), ("precision", "float32"),
    ]:  # fmt: skip
        assert f"| {name} | {value} |" in card
    assert "| hardware | " in card
    assert "--model asker" in card
    assert "3 steps were done" in card


def test_what_is_published_tells_no_path_of_this_machine(finished: Path, home: Path) -> None:
    for name in ("README.md", "recipe.json", "config.json", "tokenizer_config.json"):
        text = (finished / name).read_text(encoding="utf-8")
        assert str(home) not in text
        assert str(finished.parent) not in text


def test_the_log_has_each_loss_and_the_picture_is_one(finished: Path) -> None:
    assert list(logged(finished)) == list(logged(finished, "eval_loss")) == [1, 2, 3]
    picture = (finished / "losses.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(picture[i : i + 4]) for i in (16, 20)] == [960, 540]


def test_tensorboard_has_the_losses(finished: Path) -> None:
    reader: Any = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    (run,) = (finished / "runs").iterdir()
    events = reader.EventAccumulator(str(run)).Reload()
    for tag, key in (("train/loss", "loss"), ("eval/loss", "eval_loss")):
        recorded = {event.step: event.value for event in events.Scalars(tag)}
        assert recorded == pytest.approx(logged(finished, key))


def test_run_takes_the_model(finished: Path, tmp_path: Path) -> None:
    assert_runs(finished, tmp_path)


# Which model, and when to stop


def test_the_best_checkpoint_becomes_the_model_not_the_last(
    home: Path, finetune: Finetune, tmp_path: Path
) -> None:
    words = ("--validation-file", home / "dev.json", *WORSE, "--max-steps", "2")
    result = finetune(tmp_path, *words)
    assert result.exit_code == ExitCode.OK, result.output
    losses = logged(tmp_path, "eval_loss")
    assert losses[1] < losses[2]
    first, last, model = (
        (tmp_path / name / "model.safetensors").read_bytes()
        for name in ("checkpoint-1", "checkpoint-2", "")
    )
    assert model == first != last
    recipe = read(tmp_path / "recipe.json")
    assert recipe["n_steps"] == 2
    assert recipe["metrics"] == {"step": 1, "train_loss": logged(tmp_path)[2], "eval_loss": losses[1]}


def test_without_validation_data_the_last_becomes_the_model_and_that_is_said(
    finetune: Finetune, tmp_path: Path
) -> None:
    result = finetune(tmp_path, "--max-steps", "4", "--save-steps", "1", "--save-total-limit", "2")
    assert "No validation data: the last checkpoint becomes the model" in result.stderr
    assert read(tmp_path / "recipe.json")["metrics"] == {"step": 4, "train_loss": logged(tmp_path)[4]}
    assert names(tmp_path, "checkpoint-*") == {"checkpoint-3", "checkpoint-4"}


def test_early_stopping_stops_and_a_higher_patience_goes_on(
    home: Path, finetune: Finetune, tmp_path: Path
) -> None:
    words = ("--validation-file", home / "dev.json", *WORSE, "--max-steps", "9")
    assert finetune(tmp_path, *words, "--early-stopping-patience", "1").exit_code == ExitCode.OK
    assert list(logged(tmp_path)) == [1, 2]
    assert read(tmp_path / "recipe.json")["n_steps"] == 2
    stopped = (tmp_path / "model.safetensors").read_bytes()

    (tmp_path / "model.safetensors").unlink()  # as if killed before it was made
    result = finetune(tmp_path, *words, "--early-stopping-patience", "1")
    assert "Going on" not in result.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == stopped

    result = finetune(tmp_path, *words, "--early-stopping-patience", "2")
    assert "Going on from" in result.stderr
    assert list(logged(tmp_path)) == [1, 2, 3]


# Again, and going on


def test_the_same_command_again_finds_the_work_done(home: Path, finished: Path, finetune: Finetune) -> None:
    before = snapshot(finished)
    other_shape = ("--per-device-train-batch-size", "1", "--gradient-accumulation-steps", "4")
    for more in ((), other_shape):
        result = finetune(finished, *finished_words(home), *more)
        assert result.exit_code == ExitCode.OK, result.output
        assert "holds the finished model of this very training" in result.stderr
    assert snapshot(finished) == before


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--learning-rate", "0.5"), "learning_rate was 0.0001, is 0.5"),
        (("--seed", "7"), "seed was 42, is 7"),
        (("--gradient-accumulation-steps", "4"), "examples_per_step was 4, is 8"),
        (("--max-source-length", "64"), "max_source_length was 96, is 64"),
        (("--max-target-length", "24"), "max_target_length was 64, is 24"),
        (("--no-group-by-length",), "group_by_length was True, is False"),
        (("--train-file", "dev.json"), "train_sha256 was"),
        (("--base", "mini"), "base_sha256 was"),
        (("--tokenizer", "other"), "vocabulary_sha256 was"),
        (("--max-steps", "2"), "max_steps was 3, is 2"),
        (("--validation-file", "train.json"), "validation_sha256 was"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_checkpoints_of_another_training_exit_2_and_stay(
    words: Words, name: str, home: Path, finished: Path, finetune: Finetune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    if words[-1] == "other":
        swap_tokens(home / "base", home / "other")
    before = snapshot(finished)
    result = finetune(finished, *finished_words(home), *words)
    assert result.exit_code == ExitCode.USAGE, result.output
    assert name in result.stderr
    assert "--resume never" in result.stderr
    assert snapshot(finished) == before


def swap_tokens(base: Path, directory: Path) -> None:
    """A tokenizer of the same size that gives two words each other's ids."""
    shutil.copytree(base, directory, dirs_exist_ok=True)
    tokenizer = read(directory / "tokenizer.json")
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary[5000], vocabulary[5001] = vocabulary[5001], vocabulary[5000]
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))


def test_never_starts_anew(finetune: Finetune, tmp_path: Path) -> None:
    words = ("--save-steps", "1", "--save-total-limit", "9")
    assert finetune(tmp_path, *words, "--max-steps", "3", "--seed", "7").exit_code == ExitCode.OK
    result = finetune(tmp_path, *words, "--max-steps", "2", "--resume", "never")
    assert result.exit_code == ExitCode.OK, result.output
    assert "Going on" not in result.stderr
    assert names(tmp_path, "checkpoint-*") == {"checkpoint-1", "checkpoint-2"}
    assert list(logged(tmp_path)) == [1, 2]
    assert read(tmp_path / "recipe.json")["settings"]["seed"] == 42


def test_a_named_checkpoint_is_gone_on_from_also_elsewhere(finetune: Finetune, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    words = ("--max-steps", "3", "--save-steps", "1", "--save-total-limit", "9")
    finetune(here, *words)
    losses, weights = logged(here), (here / "model.safetensors").read_bytes()
    for output in (here, there):  # here there are newer ones
        result = finetune(output, *words, "--resume", here / "checkpoint-1")
        assert f"Going on from {here / 'checkpoint-1'}" in result.stderr, result.output
        assert "step 2 of 3" in result.stderr
        assert logged(output) == losses
        assert (output / "model.safetensors").read_bytes() == weights
    result = finetune(tmp_path / "copy", *words, "--resume", there / "checkpoint-3")
    assert result.exit_code == ExitCode.OK, result.output
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == weights


def test_a_training_at_its_last_step_is_not_gone_on_with(
    home: Path, finetune: Finetune, tmp_path: Path
) -> None:
    words = ("--validation-file", home / "dev.json", "--max-steps", "2")
    finetune(tmp_path, *words)
    result = finetune(tmp_path, *words, "--early-stopping-patience", "5")
    assert result.exit_code == ExitCode.OK, result.output
    assert "Going on" not in result.stderr
    assert list(logged(tmp_path)) == [1, 2]


def test_a_configuration_file_gives_the_options(home: Path, tmp_path: Path) -> None:
    config = tmp_path / "finetune.toml"
    lines = [f"base = '{home / 'base'}'", f"train-file = '{home / 'train.json'}'", "max_steps = 1"]
    config.write_text("\n".join([*lines, "seed = 7", "report_to = 'none'", "group-by-length = false"]))
    result = run_command("finetune", "--config", str(config), "--seed", "8", "-o", str(tmp_path / "out"))
    assert result.exit_code == ExitCode.OK, result.output
    settings = read(tmp_path / "out" / "recipe.json")["settings"]
    shown = ("base", "max_steps", "seed", "report_to", "group_by_length")
    assert [settings[key] for key in shown] == ["base", 1, 8, "none", False]


# What it starts from


def test_a_new_model_is_made_from_a_configuration(home: Path, finetune: Finetune, tmp_path: Path) -> None:
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps({**TINY, "dtype": "bfloat16"}))
    words = ("--init-from-scratch", config, "--tokenizer", home / "base", "--max-steps", "1")
    result = finetune(tmp_path / "out", *words)
    assert result.exit_code == ExitCode.OK, result.output
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert weights["shared.weight"].shape == (8101, 32)
    assert weights["shared.weight"].dtype == torch.float32
    assert read(tmp_path / "out" / "recipe.json")["base"] == "new, tiny.json"
    assert_runs(tmp_path / "out", tmp_path)


def test_weights_alone_take_a_tokenizer_and_its_separator(
    finetune: Finetune, weights_only_checkpoint: Path, bare_tokenizer: Path, tmp_path: Path
) -> None:
    words = ("--base", weights_only_checkpoint, "--tokenizer", bare_tokenizer, "--max-steps", "1")
    result = finetune(tmp_path / "out", *words)
    assert result.exit_code == ExitCode.OK, result.output
    assert find_model(str(tmp_path / "out")).vocab_size == 8101
    assert_runs(tmp_path / "out", tmp_path)


def test_an_embedding_that_lacks_the_separator_grows(
    finetune: Finetune, bare_tokenizer: Path, tmp_path: Path
) -> None:
    base = make_base(tmp_path / "base", vocab_size=8100)
    result = finetune(tmp_path / "out", "--base", base, "--tokenizer", bare_tokenizer, "--max-steps", "1")
    assert result.exit_code == ExitCode.OK, result.output
    assert load_file(tmp_path / "out" / "model.safetensors")["shared.weight"].shape == (8101, 32)
    assert find_model(str(tmp_path / "out")).vocab_size == 8101
    assert_runs(tmp_path / "out", tmp_path)


def test_a_base_that_decodes_greedily_stays_so(finetune: Finetune, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    (base / "generation_config.json").write_text('{"num_beams": 1, "max_length": 20}')
    result = finetune(tmp_path / "out", "--base", base, "--max-steps", "1")
    assert result.exit_code == ExitCode.OK, result.output
    decoding = find_model(str(tmp_path / "out")).decoding
    assert (decoding.num_beams, decoding.max_new_tokens) == (1, 19)


def test_a_data_set_is_trained_on_and_named_without_its_path(home: Path, tmp_path: Path) -> None:
    write_data_set(tmp_path / "set", train=9, validation=4)
    (tmp_path / "set" / "test.jsonl").write_text('{"context": "x", "questions": [""]}')
    words = (*QUICK, "--report-to", "none", "--max-steps", "1", "--eval-steps", "1")
    data = ("--base", home / "base", "--dataset", tmp_path / "set")
    result = run_command("finetune", *map(str, data), *words, "-o", str(tmp_path / "out"))
    assert result.exit_code == ExitCode.OK, result.output
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| train: set, train | 9 | 18 |" in card
    assert "| validation: set, validation | 4 | 7 |" in card
    assert str(tmp_path) not in card + (tmp_path / "out" / "recipe.json").read_text(encoding="utf-8")


def write_data_set(directory: Path, **splits: int) -> None:
    """A directory for ``datasets`` with so many paragraphs a split."""
    directory.mkdir()
    for name, n in splits.items():
        rows = [
            {"context": paragraph["context"], "questions": [qa["question"] for qa in paragraph["qas"]]}
            for paragraph in paragraphs(n)
        ]
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


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
        told = f"--max-{what}-length {limit} cuts {share}; {max(map(len, rows))} would cut none"
        assert told in result.stderr


def test_paragraphs_that_are_left_out_are_counted(finetune: Finetune, tmp_path: Path) -> None:
    data = write_squad(tmp_path / "some.json", [*paragraphs(4), {"context": "Nobody asks.", "qas": []}])
    result = finetune(tmp_path / "out", "--train-file", data, "--max-steps", "1")
    assert result.exit_code == ExitCode.OK, result.output
    assert "some.json: 4 paragraphs, 7 questions, 1 paragraphs without questions left out" in result.stderr


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
    assert "--dataset ann/no-such-set: cannot be loaded" in result.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--dataset", "ann/set"], "not both"),
        (["--early-stopping-patience", "2"], "--validation-file"),
        (["--init-from-scratch", "tiny.json"], "Give --tokenizer"),
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
    assert "tiny.json: no model can be made of it" in result.stderr


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
    assert "checkpoint-9: not a whole checkpoint" in result.stderr


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
    result = in_process(command(home, tmp_path / "out"), {**os.environ, "PYTHONPATH": str(tmp_path)})
    assert result.returncode == ExitCode.MODEL, result.stderr
    assert "pip install 'qgbatch[train]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_output_that_cannot_be_a_directory_exits_6(finetune: Finetune, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    for output in (tmp_path / "file", tmp_path / "file" / "out"):
        result = finetune(output)
        assert result.exit_code == ExitCode.OUTPUT, result.output
        assert f"{output}: cannot be written" in result.stderr
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
    assert "is the base itself" in result.stderr
    assert snapshot(tmp_path / "model") == before


@contextmanager
def no_file_beyond(n_bytes: int) -> Iterator[None]:
    """Every file is full at so many bytes, as on a disk that is."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


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
    with no_file_beyond((first / largest).stat().st_size - 1):
        result = finetune(interrupted, *THREE_STEPS)
    assert result.exit_code == ExitCode.OUTPUT, result.output
    assert f"{second}: the checkpoint cannot be written" in result.stderr
    assert names(interrupted) == {"checkpoint-1", "training_log.jsonl"}
    assert_no_model(interrupted)
    result = finetune(interrupted, *THREE_STEPS)
    assert result.exit_code == ExitCode.OK, result.output
    assert f"Going on from {first}" in result.stderr
    assert list(logged(interrupted)) == [1, 2, 3]


def test_a_full_disk_while_making_the_model_leaves_none(finetune: Finetune, tmp_path: Path) -> None:
    assert finetune(tmp_path, "--max-steps", "1").exit_code == ExitCode.OK
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    with no_file_beyond(len(whole) - 1):
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


# Publishing, and a tracker that wants a process of its own


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
