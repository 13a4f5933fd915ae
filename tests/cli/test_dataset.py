"""``qgbatch dataset``: the notebook's dataset, for training and for the hub."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from qgbatch.errors import ExitCode
from qgbatch.training.data import load_splits, read_split
from tests.support.loopback_hub import LoopbackHub, hub_environment
from tests.support.training import paragraphs, write_squad


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A training and a development file."""
    train = write_squad(tmp_path / "train-v1.1.json", paragraphs(12))
    return [train, write_squad(tmp_path / "dev-v1.1.json", paragraphs(4, start=50))]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_a_written_dataset_reads_back_unchanged(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path, file_format: str
) -> None:
    result = qgbatch("dataset", *files, "-o", tmp_path / "out", "--format", file_format)
    assert result.exit_code == ExitCode.OK, result.output
    assert "12 paragraphs, 24 questions" in result.stderr
    loaded = load_splits(str(tmp_path / "out"))
    for name, path in zip(("train", "validation"), files, strict=True):
        original = read_split(str(path)).paragraphs
        assert loaded[name].paragraphs == original
        assert read_split(str(tmp_path / "out" / f"{name}.{file_format}")).paragraphs == original


def test_inputs_may_be_in_the_configuration(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text(f"inputs = {json.dumps([str(path) for path in files])}")
    result = qgbatch("dataset", "--config", tmp_path / "c.toml", "-o", tmp_path / "out")
    assert "12 paragraphs, 24 questions" in result.stderr


def test_source_and_target_are_those_of_the_notebook(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    qgbatch("dataset", files[0], "-o", tmp_path / "out", "--format", "jsonl")
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text().splitlines()[1])
    assert row["source"] == f"generate questions: {row['context']} </s>"
    assert row["target"] == (
        "When was the bridge of town 1 opened? <sep> Who designed the bridge? <sep> </s>"
    )
    assert row["questions"] == ["When was the bridge of town 1 opened?", "Who designed the bridge?"]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_answers_are_written_and_read_back(
    qgbatch: Callable[..., Result], tmp_path: Path, file_format: str
) -> None:
    made = paragraphs(6, answers=True)
    made[1]["qas"][0]["answers"] = []
    path, out = write_squad(tmp_path / "train.json", made), tmp_path / "out"
    result = qgbatch("dataset", path, "-o", out, "--with-answers", "--format", file_format)
    assert result.exit_code == ExitCode.OK, result.output
    assert "6 paragraphs, 11 questions" in result.stderr
    assert "1 questions without an answer" in result.stderr
    original = read_split(str(path), with_answers=True).paragraphs
    assert load_splits(str(out))["train"].paragraphs == original
    assert read_split(str(out / f"train.{file_format}")).paragraphs == original
    card = (out / "README.md").read_text()
    assert "1 questions without an answer of the split train were left out" in card
    assert "`Q1 <ans> A1 <sep> Q2 <ans> A2 <sep> ... Qn <ans> An`" in card


def test_source_and_target_with_answers_are_those_of_a_model_that_writes_answers(
    qgbatch: Callable[..., Result], tmp_path: Path
) -> None:
    path = write_squad(tmp_path / "train.json", paragraphs(2, answers=True))
    qgbatch("dataset", path, "-o", tmp_path / "out", "--with-answers", "--format", "jsonl")
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text().splitlines()[1])
    assert row["source"] == f"generate questions and answers: {row['context']} </s>"
    first, second = "When was the bridge of town 1 opened?", "Who designed the bridge?"
    assert row["target"] == f"{first} <ans> 1801 <sep> {second} <ans> engineer 7"
    answers = ((first, "1801"), (second, "engineer 7"))
    assert row["questions"] == [{"question": question, "answer": answer} for question, answer in answers]


def test_answers_change_nothing_by_default(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "answered").mkdir()
    answered = write_squad(tmp_path / "answered" / "train-v1.1.json", paragraphs(12, answers=True))
    for path, out in ((files[0], "a"), (answered, "b")):
        qgbatch("dataset", path, "-o", tmp_path / out)
    written = [(tmp_path / out / "train.parquet").read_bytes() for out in "ab"]
    assert written[0] == written[1]


def test_data_without_answers_is_an_error(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    result = qgbatch("dataset", files[0], "-o", tmp_path / "out", "--with-answers")
    assert result.exit_code == ExitCode.NO_INPUT
    assert "train-v1.1.json: no question has an answer" in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_card_names_data_licence_and_files(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    qgbatch("dataset", *files, "-o", tmp_path / "out", "--license", "cc-by-sa-4.0")
    card = (tmp_path / "out" / "README.md").read_text()
    split = read_split(str(files[0]))
    assert f"| train | 12 | 24 | train-v1.1.json | `{split.sha256}` |" in card
    assert "license: cc-by-sa-4.0" in card
    assert "path: validation.parquet" in card
    assert str(tmp_path) not in card


def test_unanswerable_questions_are_left_out_and_counted(
    qgbatch: Callable[..., Result], tmp_path: Path
) -> None:
    made: list[dict[str, Any]] = paragraphs(3)
    made[2]["qas"][0]["is_impossible"] = True
    path = write_squad(tmp_path / "squad.json", made)
    result = qgbatch("dataset", path, "-o", tmp_path / "out")
    assert "3 paragraphs, 5 questions" in result.stderr
    assert "1 unanswerable questions" in result.stderr
    assert (
        "1 unanswerable questions of the split train were left out"
        in (tmp_path / "out" / "README.md").read_text()
    )
    result = qgbatch("dataset", path, "-o", tmp_path / "out", "--keep-unanswerable")
    assert "3 paragraphs, 6 questions" in result.stderr


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("dev-v1.1.json", "validation"),
        ("squad_val.jsonl", "validation"),
        ("validation.parquet", "validation"),
        ("my-test.json", "test"),
        ("developers.json", "train"),
        ("evaluations.json", "train"),
        ("train-v2.0.json.gz", "train"),
    ],
)
def test_splits_by_name(name: str, split: str) -> None:
    from qgbatch.training.dataset import split_name

    assert split_name(f"/some/dev/{name}") == split


def test_bad_input(qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    other = write_squad(tmp_path / "more.json", paragraphs(2))
    result = qgbatch("dataset", files[0], other, "-o", out)
    assert result.exit_code == ExitCode.USAGE
    assert "would both be the split train" in result.stderr
    assert qgbatch("dataset", tmp_path / "no.json", "-o", out).exit_code == ExitCode.NO_INPUT
    assert qgbatch("dataset", "ann/questions", "-o", out).exit_code == ExitCode.NO_INPUT
    assert not out.exists()


def test_foreign_files_are_not_overwritten(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "README.md").write_text("Ann's own notes.")
    result = qgbatch("dataset", files[0], "-o", home)
    assert result.exit_code == ExitCode.OUTPUT
    assert (home / "README.md").read_text() == "Ann's own notes."
    (home / "README.md").unlink()
    row = {"context": "Ann came.", "questions": ["Who came?"]}
    (home / "train.jsonl").write_text(json.dumps(row) + "\n")
    result = qgbatch("dataset", home / "train.jsonl", "-o", home, "--format", "jsonl")
    assert result.exit_code == ExitCode.OUTPUT
    assert json.loads((home / "train.jsonl").read_text()) == row


def test_a_directory_with_other_files_is_refused(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    result = qgbatch("dataset", files[0], "-o", tmp_path)
    assert result.exit_code == ExitCode.OUTPUT
    assert f"{tmp_path} contains dev-v1.1.json, and qgbatch dataset did not write" in result.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("change", [("--format", "jsonl"), ()])
def test_no_file_of_an_earlier_dataset_stays_beside_the_new_one(
    change: tuple[str, ...], qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for _ in range(2):  # the same files are replaced
        assert qgbatch("dataset", *files, "-o", out).exit_code == ExitCode.OK
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    result = qgbatch("dataset", files[0], "-o", out, *change)
    assert result.exit_code == ExitCode.OUTPUT
    assert "would stay beside the new dataset" in result.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_the_name_of_a_file_is_no_directory(
    qgbatch: Callable[..., Result], files: list[Path], tmp_path: Path
) -> None:
    result = qgbatch("dataset", files[0], "-o", tmp_path / "data.parquet")
    assert result.exit_code == ExitCode.USAGE
    assert "dataset writes a directory, and .parquet is the suffix of a file" in result.stderr
    assert not (tmp_path / "data.parquet").exists()


@pytest.mark.parametrize(("is_there", "reason"), [(True, "404: Repository not found"), (False, "refused")])
def test_a_name_that_the_hub_does_not_give_is_asked_for_once(
    is_there: bool, reason: str, tmp_path: Path
) -> None:
    with LoopbackHub() as hub:
        environment = hub_environment(hub, tmp_path / "hub")
        if not is_there:
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                environment["HF_ENDPOINT"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = subprocess.run(
            [sys.executable, "-m", "qgbatch", "dataset", "ann/askd", "-o", str(tmp_path / "out")],
            env=environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert result.returncode == ExitCode.NO_INPUT
    assert result.stderr.startswith("qgbatch: error: ann/askd: not a directory here, and cannot be loaded")
    assert reason in result.stderr.splitlines()[0]
    assert "Retrying" not in result.stderr


def test_publishing(files: list[Path], tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        words = [
            "dataset",
            *files,
            "-o",
            tmp_path / "asked",
            "--push-to-hub",
            "--hub-dataset-id",
            "ann/asked",
        ]
        result = subprocess.run(
            [sys.executable, "-m", "qgbatch", *map(str, words)],
            env=hub_environment(hub, tmp_path / "hub"), capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert result.returncode == ExitCode.OK, result.stderr
        assert hub.repositories["ann/asked", "dataset"].keys() == {
            "README.md", "train.parquet", "validation.parquet",
        }  # fmt: skip
    assert "ann/asked" in result.stderr
