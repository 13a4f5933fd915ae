"""Which checkpoint a training resumes from, and which of its files become the model."""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from qgbatch.errors import ModelError, OutputError, SettingsError
from qgbatch.training import checkpoints

IDENTITY = {"base_sha256": "b", "train_sha256": "t", "seed": 42}
PLAN = {"early_stopping_patience": 2}
RECIPE: dict[str, Any] = {"identity": IDENTITY, "plan": PLAN}
MODEL = {"config.json", "generation_config.json", "model.safetensors", "qgbatch.json", "tokenizer.json"}
TRAINING = {"optimizer.pt", "scheduler.pt", "rng_state_0.pth", "rng_state_1.pth", "training_args.bin"}


def make_checkpoint(
    directory: Path, step: int, *, recipe: dict[str, Any] = RECIPE, stopped: bool = False, **state: Any
) -> Path:
    """A checkpoint whose files hold their names."""
    path = directory / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in MODEL | TRAINING:
        (path / name).write_text(name)
    (path / "recipe.json").write_text(json.dumps(recipe))
    callbacks = {"TrainerControl": {"args": {"should_training_stop": stopped}}}
    values = {
        "global_step": step, "epoch": 0.5, "log_history": [], "best_metric": None,
        "best_model_checkpoint": None, "stateful_callbacks": callbacks,
    }  # fmt: skip
    (path / "trainer_state.json").write_text(json.dumps(values | state))
    return path


def cut(checkpoint: Path) -> None:
    state = checkpoint / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:-7])


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The log, also where an earlier test has set up the command's own."""
    monkeypatch.setattr(logging.getLogger("qgbatch"), "propagate", True)
    return caplog


def test_the_newest_checkpoint_has_the_highest_step(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        make_checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-best").mkdir()
    assert checkpoints.find_newest(tmp_path) == tmp_path / "checkpoint-100"
    assert checkpoints.find_newest(tmp_path / "checkpoint-best") is None


def test_incomplete_checkpoints_are_skipped_with_a_warning(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    whole = make_checkpoint(tmp_path, 3)
    cut(make_checkpoint(tmp_path, 5))
    (make_checkpoint(tmp_path, 7) / "trainer_state.json").unlink()
    (make_checkpoint(tmp_path, 9) / "trainer_state.json").write_text("[]")
    (make_checkpoint(tmp_path, 11) / "model.safetensors").unlink()
    (make_checkpoint(tmp_path, 13) / "optimizer.pt").unlink()
    make_checkpoint(tmp_path, 15, log_history=[1])
    (tmp_path / "checkpoint-17").touch()
    assert checkpoints.choose_checkpoint(tmp_path, "auto", IDENTITY) == whole
    warned = [record.getMessage() for record in log.records if record.levelno == logging.WARNING]
    names = [message.partition(" is incomplete")[0] for message in warned]
    assert names == [str(tmp_path / f"checkpoint-{step}") for step in (17, 15, 13, 11, 9, 7, 5)]


@pytest.mark.parametrize("key", IDENTITY)
def test_a_checkpoint_of_another_training_is_refused_with_the_difference(key: str, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 3, recipe={"identity": {**IDENTITY, key: "theirs"}})
    message = rf"checkpoint-3 belongs to another training: its {key} is 'theirs', not {IDENTITY[key]!r}\."
    for resume in ("auto", str(checkpoint)):
        with pytest.raises(SettingsError, match=message):
            checkpoints.choose_checkpoint(tmp_path, resume, IDENTITY)


def test_a_checkpoint_that_qgbatch_did_not_write_is_refused(tmp_path: Path) -> None:
    (make_checkpoint(tmp_path, 3) / "recipe.json").unlink()
    with pytest.raises(SettingsError, match=r"its base_sha256 is None, not 'b'"):
        checkpoints.choose_checkpoint(tmp_path, "auto", IDENTITY)


def test_a_checkpoint_can_be_named_or_ignored(tmp_path: Path) -> None:
    older = make_checkpoint(tmp_path / "elsewhere", 3)
    make_checkpoint(tmp_path, 5)
    assert checkpoints.choose_checkpoint(tmp_path, str(older), IDENTITY) == older
    assert checkpoints.choose_checkpoint(tmp_path, "never", IDENTITY) is None
    assert checkpoints.choose_checkpoint(older, "auto", IDENTITY) is None


@pytest.mark.parametrize("kind", ["cut", "missing", "model"])
def test_an_incomplete_named_checkpoint_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-3"
    if kind != "missing":
        make_checkpoint(tmp_path, 3)
    if kind == "cut":
        cut(path)
    if kind == "model":
        (path / "trainer_state.json").unlink()
    with pytest.raises(ModelError, match=rf"--resume {path}: not a complete checkpoint"):
        checkpoints.choose_checkpoint(tmp_path, str(path), IDENTITY)


def test_mark_incomplete_makes_a_checkpoint_incomplete(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 3)
    checkpoints.mark_incomplete(checkpoint)
    assert checkpoints.read_state(checkpoint) is None
    checkpoints.mark_incomplete(tmp_path / "checkpoint-4")


def test_a_complete_checkpoint_without_a_recipe_is_foreign(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, 3)
    cut_off = make_checkpoint(tmp_path, 5)
    (cut_off / "recipe.json").unlink()
    cut(cut_off)  # it may be ours: the recipe comes after the weights
    assert checkpoints.find_foreign_checkpoint(tmp_path) is None
    foreign = make_checkpoint(tmp_path, 7)
    (foreign / "recipe.json").unlink()
    assert checkpoints.find_foreign_checkpoint(tmp_path) == foreign


def test_only_checkpoints_that_qgbatch_wrote_are_removed(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, 3)
    cut(make_checkpoint(tmp_path, 5))
    (make_checkpoint(tmp_path, 7) / "recipe.json").unlink()
    (tmp_path / "notes.txt").touch()
    checkpoints.remove_checkpoints(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-7", "notes.txt"}


def test_the_best_checkpoint_is_found_after_a_move(tmp_path: Path) -> None:
    best = make_checkpoint(tmp_path / "old", 3)
    last = make_checkpoint(tmp_path / "old", 9, best_model_checkpoint=str(best))
    assert checkpoints.best_of(last) == best
    elsewhere = make_checkpoint(tmp_path / "new", 9, best_model_checkpoint=str(best))
    assert checkpoints.best_of(elsewhere) == best
    moved = make_checkpoint(tmp_path / "new", 3)
    assert checkpoints.best_of(elsewhere) == moved


def test_the_last_checkpoint_replaces_an_incomplete_best_one(tmp_path: Path) -> None:
    without = make_checkpoint(tmp_path, 2, best_model_checkpoint=None)
    assert checkpoints.best_of(without) == without
    best = make_checkpoint(tmp_path, 3)
    last = make_checkpoint(tmp_path, 9, best_model_checkpoint=str(best))
    cut(best)
    assert checkpoints.best_of(last) == last


def test_only_the_model_files_are_moved_and_the_weights_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, output = make_checkpoint(tmp_path, 3), tmp_path / "model"
    shards = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}
    weights = {*shards, "model.safetensors", "model.safetensors.index.json"}
    for name in (*weights, "added_tokens.json"):
        (checkpoint / name).write_text(name)
    output.mkdir()
    for name in ("pytorch_model.bin", "notes.txt"):
        (output / name).write_text("old")
    moved: list[str] = []
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        if Path(target).parent == output:
            moved.append(path.name)
            assert not (output / "pytorch_model.bin").exists()
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    with checkpoints.replacing_model(checkpoint, output) as draft:
        (draft / "recipe.json").write_text("recipe.json")
        (draft / "losses.png").write_text("losses.png")
        assert {path.name for path in output.iterdir()} == {draft.name, "notes.txt", "pytorch_model.bin"}
    expected = MODEL | weights | {"added_tokens.json", "losses.png", "recipe.json"}
    assert moved[0] == "recipe.json"
    assert set(moved[-4:]) == weights
    assert set(moved) == expected
    assert {path.name for path in output.iterdir()} == expected | {"notes.txt"}
    assert all((output / name).read_text() == name for name in expected)


def test_an_old_model_is_kept_if_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    checkpoint, output = make_checkpoint(tmp_path, 3), tmp_path / "model"
    output.mkdir()
    (output / "model.safetensors").write_text("old")
    message = r"model: the model cannot be written \(No space left"
    with pytest.raises(OutputError, match=message), checkpoints.replacing_model(checkpoint, output):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [path.name for path in output.iterdir()] == ["model.safetensors"]
    assert (output / "model.safetensors").read_text() == "old"


def test_a_training_is_finished_if_its_model_has_the_same_recipe(tmp_path: Path) -> None:
    assert not checkpoints.is_finished(tmp_path, RECIPE)
    (tmp_path / "recipe.json").write_text(json.dumps({**RECIPE, "metrics": {"eval_loss": 1.5}}))
    assert not checkpoints.is_finished(tmp_path, RECIPE), "it has no weights"
    (tmp_path / "model.safetensors").touch()
    assert checkpoints.is_finished(tmp_path, RECIPE)
    assert not checkpoints.is_finished(tmp_path, {**RECIPE, "identity": {**IDENTITY, "seed": 1}})
    assert not checkpoints.is_finished(tmp_path, {**RECIPE, "plan": {"early_stopping_patience": 3}})


def test_a_training_is_at_its_end_at_the_checkpoint_where_it_stopped(tmp_path: Path) -> None:
    stopped = make_checkpoint(tmp_path, 9, stopped=True)
    assert checkpoints.is_at_end(stopped, RECIPE)
    assert not checkpoints.is_at_end(stopped, {**RECIPE, "plan": {"early_stopping_patience": 3}})
    assert not checkpoints.is_at_end(make_checkpoint(tmp_path, 3), RECIPE)
    checkpoints.mark_incomplete(stopped)
    assert not checkpoints.is_at_end(stopped, RECIPE)


@pytest.mark.parametrize("odd", [None, 5, "x", [], {"TrainerControl": []}, {"TrainerControl": {"args": 3}}])
def test_damaged_states_and_recipes_match_nothing(odd: object, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 3, stateful_callbacks=odd)
    assert not checkpoints.is_at_end(checkpoint, RECIPE)
    (checkpoint / "recipe.json").write_text(json.dumps({"identity": odd}))
    with pytest.raises(SettingsError, match="belongs to another training"):
        checkpoints.choose_checkpoint(tmp_path, "auto", IDENTITY)


def test_the_draft_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 3)
    (tmp_path / ".model-old").mkdir()
    (tmp_path / ".model-old" / "model.safetensors").touch()
    with checkpoints.replacing_model(checkpoint, tmp_path):
        pass
    assert not list(tmp_path.glob(".model-*"))
    assert (tmp_path / "model.safetensors").exists()
