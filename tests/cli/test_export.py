"""``qgbatch export``: all formats, from the output of a real run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import Result

from qgbatch.errors import ExitCode
from qgbatch.exports.export import FORMATS
from tests.conftest import SAMPLES
from tests.support.answering import make_answer_model
from tests.support.loopback_hub import LoopbackHub, hub_environment
from tests.support.runs import GREEDY
from tests.support.tables import write_rows

Qgbatch = Callable[..., Result]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Path:
    """``with.parquet`` has the text of passages, ``without.csv`` has not; ``passages.parquet`` has all."""
    from click.testing import CliRunner

    from qgbatch.cli import main

    home = tmp_path_factory.mktemp("questions")
    answers = ["--answers", str(make_answer_model(tmp_path_factory.mktemp("answers"), "bert"))]
    all_passages = ["--with-context", "--passages", str(home / "passages.parquet"), "--ambiguous", "keep"]
    for name, words in (("with.parquet", all_passages), ("without.csv", ["--csv-safe"])):
        given = ["run", str(SAMPLES / "lighthouses.txt"), "-o", str(home / name), *GREEDY, *answers, *words]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == ExitCode.OK, result.output
    return home


@pytest.mark.parametrize("export_format", FORMATS)
def test_the_output_of_a_run_can_be_exported(
    export_format: str, qgbatch: Qgbatch, questions: Path, tmp_path: Path
) -> None:
    words = ("--to", export_format, "--passages", questions / "passages.parquet", "-o", tmp_path / "out")
    result = qgbatch("export", questions / "with.parquet", *words)
    assert result.exit_code == ExitCode.OK, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("qgbatch: done\n")
    assert result.stderr.split()[-2:] == ["output", str(tmp_path / "out")]
    for name in (*FORMATS[export_format].file_names(), "README.md"):
        assert (tmp_path / "out" / name).stat().st_size > 500


@pytest.mark.parametrize("export_format", FORMATS)
def test_missing_passages_are_an_error_if_the_format_needs_them(
    export_format: str, qgbatch: Qgbatch, questions: Path, tmp_path: Path
) -> None:
    result = qgbatch("export", questions / "without.csv", "--to", export_format, "-o", tmp_path / "out")
    if FORMATS[export_format].needs_passages:
        assert result.exit_code == ExitCode.USAGE
        assert f"--to {export_format} needs --passages" in result.stderr
        assert not (tmp_path / "out").exists()
    elif FORMATS[export_format].needs_context:
        assert result.exit_code == ExitCode.NO_INPUT
        assert (
            f"no column 'context', and --to {export_format} needs the text of each passage" in result.stderr
        )
        assert "Run qgbatch run again with --with-context" in result.stderr
        assert not (tmp_path / "out").exists()
    else:
        assert result.exit_code == ExitCode.OK, result.output


def test_the_squad_export_can_be_made_a_dataset(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    qgbatch("export", questions / "with.parquet", "--to", "squad", "-o", tmp_path / "squad")
    result = qgbatch("dataset", tmp_path / "squad" / "squad.json", "-o", tmp_path / "data")
    assert result.exit_code == ExitCode.OK, result.output


def test_the_summary_can_be_json(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    words = ("--to", "beir", "-o", tmp_path / "out", "--log-format", "json")
    result = qgbatch("export", questions / "with.parquet", *words)
    summary = json.loads(result.stderr.splitlines()[-1])["summary"]
    assert summary["output"] == str(tmp_path / "out")
    assert summary["passages"] == str(len((tmp_path / "out" / "corpus.jsonl").read_text().splitlines()))


def test_bad_input_and_output(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    good, out = questions / "with.parquet", tmp_path / "out"
    assert qgbatch("export", good, "--to", "anki").exit_code == ExitCode.USAGE
    assert qgbatch("export", good, "--to", "odt", "-o", out).exit_code == ExitCode.USAGE
    assert qgbatch("export", tmp_path / "no.csv", "--to", "hf", "-o", out).exit_code == ExitCode.NO_INPUT
    assert qgbatch("export", tmp_path, "--to", "hf", "-o", out).exit_code == ExitCode.NO_INPUT
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "out"):
        result = qgbatch("export", good, "--to", "hf", "-o", place)
        assert result.exit_code == ExitCode.OUTPUT
        assert "cannot be used as the output directory" in result.stderr
    result = qgbatch("export", good, "--to", "beir", "-o", out, "--push-to-hub")
    assert result.exit_code == ExitCode.USAGE
    assert "--push-to-hub cannot be combined with --to beir" in result.stderr
    assert not out.exists()


def test_the_name_of_a_file_is_no_directory(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    result = qgbatch("export", questions / "with.parquet", "--to", "anki", "-o", tmp_path / "deck.tsv")
    assert result.exit_code == ExitCode.USAGE
    assert "export writes a directory, and .tsv is the suffix of a file" in result.stderr
    assert f"such as -o {tmp_path / 'deck'}." in result.stderr
    assert not (tmp_path / "deck.tsv").exists()


@pytest.mark.parametrize("export_format", FORMATS)
def test_a_directory_with_other_files_is_refused(
    export_format: str, qgbatch: Qgbatch, questions: Path, tmp_path: Path
) -> None:
    (tmp_path / "tea.txt").write_text("Tea is a drink.")
    words = ("--to", export_format, "--passages", questions / "passages.parquet", "-o", tmp_path)
    result = qgbatch("export", questions / "with.parquet", *words)
    assert result.exit_code == ExitCode.OUTPUT
    assert f"{tmp_path} contains tea.txt, and qgbatch export --to {export_format} did not" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tea.txt"]
    (tmp_path / "tea.txt").rename(tmp_path / ".hidden")
    for _ in range(2):  # hidden files are no obstacle, nor is an earlier export
        assert qgbatch("export", questions / "with.parquet", *words).exit_code == ExitCode.OK


def test_options_can_come_from_a_file(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    (tmp_path / "export.toml").write_text('to = "hf"\nlicense_name = "cc0-1.0"\n')
    words = ("--config", tmp_path / "export.toml", "-o", tmp_path / "out")
    assert qgbatch("export", questions / "with.parquet", *words).exit_code == ExitCode.OK
    assert "license: cc0-1.0" in (tmp_path / "out" / "README.md").read_text()


def test_publishing(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    given = ["export", questions / "with.parquet", "--to", "hf", "-o", tmp_path / "asked"]
    publish = ["--push-to-hub", "--hub-dataset-id", "ann/asked"]
    assert qgbatch(*given).exit_code == ExitCode.OK
    (tmp_path / "asked" / "private.txt").write_text("Not for others.")
    with LoopbackHub() as hub:
        result = subprocess.run(
            [sys.executable, "-m", "qgbatch", *map(str, given), *publish],
            env=hub_environment(hub, tmp_path / "hub"), capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert result.returncode == ExitCode.OK, result.stderr
        files = hub.repositories["ann/asked", "dataset"]
    assert files == {
        name: (tmp_path / "asked" / name).read_bytes()
        for name in ("README.md", "data/train-00000-of-00001.parquet")
    }
    assert "ann/asked" in result.stderr


def test_publishing_needs_the_hub(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    words = ("--to", "hf", "-o", tmp_path / "asked", "--push-to-hub")
    result = qgbatch("export", questions / "with.parquet", *words)
    assert result.exit_code == ExitCode.USAGE
    assert "HF_HUB_OFFLINE" in result.stderr
    assert not (tmp_path / "asked").exists()


def test_a_passage_that_is_not_in_the_file_is_an_error(
    qgbatch: Qgbatch, questions: Path, tmp_path: Path
) -> None:
    passages = pq.read_table(questions / "passages.parquet")
    pq.write_table(passages.slice(0, 1), tmp_path / "one.parquet")
    words = ("--to", "beir", "--passages", tmp_path / "one.parquet", "-o", tmp_path / "out")
    result = qgbatch("export", questions / "with.parquet", *words)
    assert result.exit_code == ExitCode.NO_INPUT
    assert "it belongs to another run" in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_questions_can_be_made_harder(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    rows = pq.read_table(questions / "with.parquet").to_pylist()
    rows = [{**row, "bm25_rank": 1 if number % 3 else None} for number, row in enumerate(rows)]
    path = write_rows(tmp_path / "ranked.jsonl", rows)
    words = ("--to", "beir", "--max-share-easy", "0.5", "-o", tmp_path / "out")
    result = qgbatch("export", path, *words)
    assert result.exit_code == ExitCode.OK, result.output
    lines = (tmp_path / "out" / "queries.jsonl").read_text().splitlines()
    ranks = [json.loads(line)["metadata"]["bm25_rank"] for line in lines]
    assert 0 < 2 * ranks.count(1) == len(ranks)
    assert f"1: {ranks.count(1)}, 2-3:" in result.stderr
    words = ("--to", "anki", *words[2:-1], tmp_path / "other")
    result = qgbatch("export", questions / "without.csv", *words)
    assert "no column 'bm25_rank', which --max-share-easy needs" in result.stderr
    for wrong in (("--max-share-easy", "1.1"), ("--min-rank", "0"), ("--negatives", "0")):
        result = qgbatch("export", questions / "with.parquet", *words, *wrong)
        assert result.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("--to", "beir", "--split", "a=0.5,b=0.4"),
            ExitCode.USAGE,
            "--split a=0.5,b=0.4: the shares add up",
        ),
        (
            ("--to", "anki", "--split", "a=0.5,b=0.5"),
            ExitCode.USAGE,
            "--split cannot be combined with --to anki",
        ),
        (("--to", "hf", "--split", "a=0.5,b=0.5"), ExitCode.NO_INPUT, "is empty"),  # one document
    ],
)
def test_a_split_that_is_not_possible(
    words: tuple[str, ...], code: ExitCode, message: str, qgbatch: Qgbatch, questions: Path, tmp_path: Path
) -> None:
    result = qgbatch("export", questions / "with.parquet", *words, "-o", tmp_path / "out")
    assert result.exit_code == code
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_split_with_one_part(qgbatch: Qgbatch, questions: Path, tmp_path: Path) -> None:
    words = ("--to", "beir", "--split", "dev=1", "-o", tmp_path / "out")
    result = qgbatch("export", questions / "with.parquet", *words)
    assert result.exit_code == ExitCode.OK, result.output
    assert [path.name for path in (tmp_path / "out" / "qrels").iterdir()] == ["dev.tsv"]
    assert "parts      dev: " in result.stderr
