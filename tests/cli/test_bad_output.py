"""Outputs, models and bounds that cannot work: refused before a document is read, old files untouched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.conftest import MINI

Qgbatch = Callable[..., Result]

FAST = ("--num-beams", "1", "--max-new-tokens", "16")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with documents."""
    (tmp_path / "good.txt").write_text("Bees live in hives. They make honey from the nectar of flowers.")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "rivers.txt").write_text("Rivers carry sand to the sea.")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("nowhere/q.csv", "nowhere is not a directory"),
        ("good.txt/q.csv", "good.txt is not a directory"),
        ("docs.csv", "is a directory"),
    ],
)
def test_impossible_output_exits_6_before_the_model_is_looked_for(
    here: Path, output: str, reason: str, qgbatch: Qgbatch
) -> None:
    (here / "docs.csv").mkdir()
    result = qgbatch("run", "good.txt", "-o", output, "--model", "./no-such-model")
    assert result.exit_code == 6
    assert output in result.stderr
    assert reason in result.stderr


@pytest.mark.parametrize("output", ["q.txt", "q", "q.xlsx", ".csv"])
def test_unknown_output_suffix_exits_2_and_names_the_known_ones(
    here: Path, output: str, qgbatch: Qgbatch
) -> None:
    result = qgbatch("run", "good.txt", "-o", output)
    assert result.exit_code == 2
    assert ".parquet" in result.stderr
    assert not (here / output).exists()


def test_parquet_to_standard_output_exits_2(here: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "good.txt", "-o", "-", "--format", "parquet")
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize("option", ["--report", "--failures"])
def test_impossible_side_file_exits_6_and_leaves_the_old_output(
    here: Path, option: str, qgbatch: Qgbatch
) -> None:
    (here / "q.csv").write_bytes(b"old")
    result = qgbatch("run", "good.txt", "-o", "q.csv", option, "nowhere/side.json", *FAST)
    assert result.exit_code == 6
    assert "nowhere" in result.stderr
    assert (here / "q.csv").read_bytes() == b"old"


@pytest.mark.parametrize("words", [("-o", "q.xlsx"), ("-o", "q.csv", "--max-tokens", "3")])
def test_wrong_usage_leaves_the_report_and_the_failures_of_an_earlier_run(
    here: Path, words: tuple[str, ...], qgbatch: Qgbatch
) -> None:
    side = {"--report": here / "r.json", "--failures": here / "f.jsonl"}
    for path in side.values():
        path.write_text("earlier")
    result = qgbatch("run", "good.txt", *words, *(word for pair in side.items() for word in pair))
    assert result.exit_code == 2
    assert [path.read_text() for path in side.values()] == ["earlier", "earlier"]


def test_output_that_is_an_input_exits_6(here: Path, qgbatch: Qgbatch) -> None:
    before = (here / "good.txt").read_bytes()
    result = qgbatch("run", "good.txt", "--format", "csv", "-o", "./good.txt", *FAST)
    assert result.exit_code == 6
    assert "is an input" in result.stderr
    assert (here / "good.txt").read_bytes() == before


def test_output_that_links_to_an_input_exits_6(here: Path, qgbatch: Qgbatch) -> None:
    (here / "q.csv").symlink_to("good.txt")
    assert qgbatch("run", "good.txt", "-o", "q.csv", *FAST).exit_code == 6


@pytest.mark.parametrize("option", ["--report", "--failures"])
def test_side_file_that_is_an_input_exits_6(here: Path, option: str, qgbatch: Qgbatch) -> None:
    before = (here / "good.txt").read_bytes()
    result = qgbatch("run", "good.txt", "-o", "q.csv", option, "good.txt", *FAST)
    assert (here / "good.txt").read_bytes() == before
    assert result.exit_code == 6


@pytest.mark.parametrize("option", ["--report", "--failures"])
def test_side_file_that_is_the_output_is_refused(here: Path, option: str, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "good.txt", "-o", "q.jsonl", option, "q.jsonl", *FAST)
    assert result.exit_code in (2, 6)
    assert not (here / "q.jsonl").exists()


def test_report_and_failures_in_one_file_are_refused(here: Path, qgbatch: Qgbatch) -> None:
    side = ("--report", "side.json", "--failures", "side.json")
    assert qgbatch("run", "good.txt", "-o", "q.jsonl", *side, *FAST).exit_code in (2, 6)


@pytest.mark.parametrize("given", ["docs", ".", "docs/*.txt", "./docs/*.txt", "docs/**/*.txt"])
def test_output_that_the_next_run_would_read_exits_6(here: Path, given: str, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", given, "--format", "csv", "-o", "docs/q.txt", *FAST)
    assert result.exit_code == 6
    assert "next run" in result.stderr
    assert not (here / "docs" / "q.txt").exists()


def test_output_inside_an_input_directory_under_another_suffix_is_written(
    here: Path, qgbatch: Qgbatch
) -> None:
    for _ in range(2):
        assert qgbatch("run", "docs", "-o", "docs/q.csv", *FAST).exit_code == 0
    assert "docs/rivers.txt" in (here / "docs" / "q.csv").read_text()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("option", ["--output", "--report", "--failures"])
def test_pipe_or_device_is_not_replaced_by_a_file(here: Path, option: str, qgbatch: Qgbatch) -> None:
    os.mkfifo("pipe")  # stands for /dev/null and /dev/stderr, which root could replace
    reader = os.open("pipe", os.O_RDWR | os.O_NONBLOCK)
    words = () if option == "--output" else ("-o", "q.jsonl")
    try:
        qgbatch("run", "good.txt", option, "pipe", *words, "--format", "jsonl", *FAST)
    finally:
        os.close(reader)
    assert (here / "pipe").is_fifo()


def test_model_without_weights_exits_5(here: Path, qgbatch: Qgbatch) -> None:
    (here / "bare").mkdir()
    shutil.copy(MINI / "config.json", here / "bare")
    (here / "q.csv").write_bytes(b"old")
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--model", "bare")
    assert result.exit_code == 5
    assert "model.safetensors" in result.stderr
    assert (here / "q.csv").read_bytes() == b"old"


def test_tokenizer_larger_than_the_embedding_exits_5(here: Path, qgbatch: Qgbatch) -> None:
    shutil.copytree(MINI, here / "cut")
    config = json.loads((MINI / "config.json").read_text())
    (here / "cut" / "config.json").write_text(json.dumps(config | {"vocab_size": 4711}))
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--model", "cut")
    assert result.exit_code == 5
    assert "4711" in result.stderr
    assert "tokenizer" in result.stderr
    assert not (here / "q.csv").exists()


def test_model_that_is_nowhere_exits_5_and_says_what_to_give(here: Path, qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "good.txt", "-o", "q.csv", "--model", "./no-such-model")
    assert result.exit_code == 5
    assert "./no-such-model" in result.stderr
    assert "small" in result.stderr


@pytest.mark.parametrize("option", ["--max-tokens", "--target-tokens"])
def test_bound_smaller_than_the_prompt_exits_2_and_says_the_least(
    here: Path, option: str, qgbatch: Qgbatch
) -> None:
    result = qgbatch("run", "good.txt", "-o", "q.csv", option, "3")
    assert result.exit_code == 2
    assert f"{option} 3" in result.stderr
    assert "at least" in result.stderr


def test_model_and_settings_are_checked_before_documents_are_read(here: Path, qgbatch: Qgbatch) -> None:
    (here / "empty.txt").touch()
    result = qgbatch("run", "empty.txt", "-o", "q.csv", "--model", "./no-such-model")
    assert result.exit_code == 5
    assert "empty.txt" not in result.stderr


def test_what_an_input_links_to_is_not_overwritten(here: Path, qgbatch: Qgbatch) -> None:
    (here / "linked").mkdir()
    (here / "linked" / "l.txt").symlink_to("../good.txt")
    before = (here / "good.txt").read_bytes()
    assert qgbatch("run", "linked", "--format", "csv", "-o", "good.txt", *FAST).exit_code == 6
    assert (here / "good.txt").read_bytes() == before


def test_the_list_of_inputs_is_not_overwritten(here: Path, qgbatch: Qgbatch) -> None:
    (here / "list.csv").write_text("good.txt")
    assert qgbatch("run", "--files-from", "list.csv", "-o", "list.csv", *FAST).exit_code == 6
    assert (here / "list.csv").read_text() == "good.txt"


def test_a_replaced_file_keeps_its_rights(here: Path, qgbatch: Qgbatch) -> None:
    (here / "q.csv").touch(mode=0o600)
    assert qgbatch("run", "good.txt", "-o", "q.csv", *FAST).exit_code == 0
    assert (here / "q.csv").stat().st_mode & 0o777 == 0o600
