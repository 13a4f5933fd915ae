"""``qgbatch finetune``: what it leaves, and how it goes on."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from qgbatch.engines.weights import load_weights
from qgbatch.errors import ExitCode
from qgbatch.models.checkpoint import find_model
from qgbatch.models.known_models import ModelMetadata
from tests.support.int8 import make_int8_base, make_untied_base
from tests.support.training import (
    LEFT,
    QUICK,
    TINY,
    WORSE,
    Finetune,
    Words,
    assert_runs,
    finished_words,
    logged,
    make_base,
    names,
    paragraphs,
    read,
    run_command,
    snapshot,
    write_data_set,
    write_squad,
)

pytestmark = pytest.mark.usefixtures("one_thread")


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
        "parser": "questions", "max_source_tokens": 96, "target_tokens": None, "license": None,
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
    assert "to 0 at the planned end; 3 steps" in card


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
    assert "Resuming" not in result.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == stopped

    result = finetune(tmp_path, *words, "--early-stopping-patience", "2")
    assert "Resuming from" in result.stderr
    assert list(logged(tmp_path)) == [1, 2, 3]


# Again, and going on


def test_the_same_command_again_finds_the_work_done(home: Path, finished: Path, finetune: Finetune) -> None:
    before = snapshot(finished)
    other_shape = ("--per-device-train-batch-size", "1", "--gradient-accumulation-steps", "4")
    for more in ((), other_shape):
        result = finetune(finished, *finished_words(home), *more)
        assert result.exit_code == ExitCode.OK, result.output
        assert "already contains the model of this training" in result.stderr
    assert snapshot(finished) == before


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--learning-rate", "0.5"), "its learning_rate is 0.0001, not 0.5"),
        (("--seed", "7"), "its seed is 42, not 7"),
        (("--gradient-accumulation-steps", "4"), "its examples_per_step is 4, not 8"),
        (("--max-source-length", "64"), "its max_source_length is 96, not 64"),
        (("--max-target-length", "24"), "its max_target_length is 64, not 24"),
        (("--no-group-by-length",), "its group_by_length is True, not False"),
        (("--train-file", "dev.json"), "its train_sha256 is"),
        (("--base", "small"), "its base_sha256 is"),
        (("--tokenizer", "other"), "its vocabulary_sha256 is"),
        (("--max-steps", "2"), "its max_steps is 3, not 2"),
        (("--validation-file", "train.json"), "its validation_sha256 is"),
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
    assert "Resuming" not in result.stderr
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
        assert f"Resuming from {here / 'checkpoint-1'}" in result.stderr, result.output
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
    assert "Resuming" not in result.stderr
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


def test_answers_are_learned_on_request(home: Path, finetune: Finetune, tmp_path: Path) -> None:
    made = paragraphs(9, answers=True)
    made[1]["qas"][0]["answers"] = []
    data = write_squad(tmp_path / "train.json", made)
    base = make_base(tmp_path / "base", vocab_size=8101)
    words = ("--base", base, "--train-file", data, "--with-answers", "--max-steps", "1")
    result = finetune(tmp_path / "out", *words)
    assert result.exit_code == ExitCode.OK, result.output
    assert "9 paragraphs, 17 questions, 1 questions without an answer skipped" in result.stderr
    metadata = find_model(str(tmp_path / "out")).metadata
    assert metadata == ModelMetadata(prefix="generate questions and answers: ", answer_separator="<ans>")
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("<ans>", add_special_tokens=False)["input_ids"] == [8101]
    assert load_file(tmp_path / "out" / "model.safetensors")["shared.weight"].shape == (8102, 32)
    assert "`Q1 <ans> A1 <sep> Q2 <ans> A2 <sep> ...`" in (tmp_path / "out" / "README.md").read_text()
    assert_runs(tmp_path / "out", tmp_path)


def test_answers_change_nothing_by_default(home: Path, finetune: Finetune, tmp_path: Path) -> None:
    data = write_squad(tmp_path / "train.json", paragraphs(9, answers=True))
    for out, path in (("with", data), ("without", home / "train.json")):
        finetune(tmp_path / out, "--train-file", path, "--max-steps", "1")
    for name in ("model.safetensors", "qgbatch.json", "tokenizer.json"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_a_base_that_writes_answers_learns_plain_questions_by_default(
    finetune: Finetune, tmp_path: Path
) -> None:
    base = make_base(tmp_path / "base")
    metadata = {"prefix": "ask and answer: ", "suffix": "", "answer_separator": "<ans>", "license": "mit"}
    (base / "qgbatch.json").write_text(json.dumps(metadata))
    result = finetune(tmp_path / "out", "--base", base, "--max-steps", "1")
    assert result.exit_code == ExitCode.OK, result.output
    assert find_model(str(tmp_path / "out")).metadata == ModelMetadata(suffix="", license="mit")
    assert_runs(tmp_path / "out", tmp_path)


def test_training_with_answers_needs_answers(finetune: Finetune, tmp_path: Path) -> None:
    result = finetune(tmp_path, "--with-answers", "--max-steps", "1")
    assert result.exit_code == ExitCode.NO_INPUT
    assert "train.json: no question has an answer" in result.stderr


def test_a_base_in_int8_is_trained_and_saved_in_float32(
    finetune: Finetune, bare_tokenizer: Path, tmp_path: Path
) -> None:
    source = make_untied_base(tmp_path / "float", vocab_size=8100)  # lacks a row for the separator
    base = make_int8_base(tmp_path / "int8", source)
    words = ("--base", base, "--tokenizer", bare_tokenizer, "--max-steps", "1", "--learning-rate", "0")
    result = finetune(tmp_path / "out", *words)
    assert result.exit_code == ExitCode.OK, result.output
    assert "tie" not in result.stderr
    saved = load_file(tmp_path / "out" / "model.safetensors")
    assert saved.keys() == load_file(source / "model.safetensors").keys()
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
    assert read(tmp_path / "out" / "config.json")["tie_word_embeddings"] is False

    ids = torch.arange(3, 40)[None]
    models = [load_weights(find_model(str(path)), torch.float32) for path in (base, tmp_path / "out")]
    with torch.inference_mode():
        before, after = (model(input_ids=ids, decoder_input_ids=ids).logits for model in models)
    assert torch.equal(after[..., :8100], before)
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


def test_validation_on_training_data_is_warned_of(home: Path, finetune: Finetune, tmp_path: Path) -> None:
    result = finetune(tmp_path, "--validation-file", home / "train.json", "--max-steps", "1")
    assert "train.json: contains paragraphs of the training data" in result.stderr


def test_each_line_of_a_json_log_has_its_time(finetune: Finetune, tmp_path: Path) -> None:
    result = finetune(tmp_path, "--max-steps", "1", "--log-format", "json")
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert all(line["time"].endswith("Z") for line in lines)
    assert lines[-1]["summary"]["steps"] == "1"
