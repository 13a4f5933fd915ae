"""Files and models with names that are not UTF-8 work; in reports and tables they have escapes."""

from __future__ import annotations

import json
import os
import shutil
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from qgbatch.errors import ExitCode
from tests.conftest import MINI
from tests.support.runs import GREEDY, LITTLE, Qgbatch, names, read_json

BAD = os.fsdecode(b"b\xffd")
SHOWN = r"b\xffd"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(MINI, tmp_path_factory.mktemp("models") / BAD))


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A directory with such a name."""
    directory = tmp_path / BAD
    directory.mkdir()
    return directory


def check_json(text: str) -> None:
    """Check that JSON has no half of a surrogate pair, which many programs refuse."""
    json.dumps(json.loads(text), ensure_ascii=False).encode()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_an_output_its_report_and_its_failures(qgbatch: Qgbatch, bad: Path, suffix: str) -> None:
    output, report, failures = bad / f"{BAD}.{suffix}", bad / f"{BAD}.json", bad / f"{BAD}.failures"
    words = ["run", LITTLE, bad / "missing.txt", "-o", output, "--report", report, "--failures", failures]
    result = qgbatch(*words, "--text-column", BAD, "--log-format", "json", *GREEDY)
    assert result.exit_code == ExitCode.PARTIAL, result.stderr
    assert set(names(bad)) == {output.name, report.name, failures.name}
    for text in (report.read_text(encoding="utf-8"), *result.stderr.splitlines()):
        check_json(text)
    assert read_json(report)["files"]["output"].endswith(f"{SHOWN}.{suffix}")
    assert read_json(failures)["source"].endswith(rf"{SHOWN}/missing.txt")


@pytest.mark.parametrize("engine", ["ctranslate2", "torch"])
def test_a_model(qgbatch: Qgbatch, model: Path, bad: Path, engine: str) -> None:
    outputs = [bad / "named.parquet", bad / "mini.parquet"]
    for directory, output in zip((model, MINI), outputs, strict=True):
        words = ["run", LITTLE, "-o", output, "--engine", engine, "--cache-dir", bad / "cache", *GREEDY]
        result = qgbatch(*words, "--model", directory)
        assert result.exit_code == ExitCode.OK, result.stderr
    tables = [pq.read_table(BytesIO(output.read_bytes())) for output in outputs]
    assert tables[0].drop_columns("model").equals(tables[1].drop_columns("model"))
    assert str(tables[0].column("model")[0]).endswith(SHOWN)
    check_json(tables[0].schema.metadata[b"qgbatch"].decode())


def test_a_dry_run_reads_the_size_of_a_model(qgbatch: Qgbatch, model: Path) -> None:
    result = qgbatch("run", LITTLE, "-o", "q.csv", "--dry-run", "--no-cache", *GREEDY, "--model", model)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert "unknown" not in result.stdout


def test_a_model_that_is_missing(qgbatch: Qgbatch, bad: Path) -> None:
    report = bad / "report.json"
    words = ["run", LITTLE, "-o", bad / "q.csv", "--report", report, "--model", bad / "missing"]
    result = qgbatch(*words)
    assert result.exit_code == ExitCode.MODEL, result.stderr
    assert SHOWN in read_json(report)["error"]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_an_export_and_a_report(qgbatch: Qgbatch, bad: Path, suffix: str) -> None:
    output, page = bad / f"{BAD}.{suffix}", bad / f"{BAD}.html"
    assert qgbatch("run", LITTLE, "-o", output, "--with-context", *GREEDY).exit_code == ExitCode.OK
    for name in ("beir", "squad", "hf", "anki", "doc2query"):
        directory = bad / f"{name}-{BAD}"
        result = qgbatch("export", output, "--to", name, "-o", directory)
        assert result.exit_code == ExitCode.OK, result.stderr
        assert f"{name}-{SHOWN}" in (directory / "README.md").read_text(encoding="utf-8")
    result = qgbatch("report", output, "-o", page)
    assert result.exit_code == ExitCode.OK, result.stderr


def test_the_cache(qgbatch: Qgbatch, bad: Path) -> None:
    result = qgbatch("cache", "info", "--cache-dir", bad)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert SHOWN in result.stdout


def test_data_for_training(qgbatch: Qgbatch, model: Path, bad: Path) -> None:
    data = bad / f"{BAD}.jsonl"
    row = {"context": "The bridge was built in 1850.", "questions": ["When was it built?"]}
    data.write_text(json.dumps(row) + "\n", encoding="utf-8")
    result = qgbatch("dataset", data, "-o", bad / f"dataset {BAD}")
    assert result.exit_code == ExitCode.OK, result.stderr
    assert f"# dataset {SHOWN}\n" in (bad / f"dataset {BAD}" / "README.md").read_text(encoding="utf-8")
    result = qgbatch("evaluate", "--data", data, "--model", model, "-o", bad / f"{BAD}.json")
    assert result.exit_code == ExitCode.OK, result.stderr
    check_json((bad / f"{BAD}.json").read_text(encoding="utf-8"))


def test_a_training(qgbatch: Qgbatch, model: Path, bad: Path, tmp_path: Path, one_thread: None) -> None:
    data = bad / f"{BAD}.jsonl"
    row = {"context": "The bridge was built in 1850.", "questions": ["When was it built?"]}
    data.write_text(json.dumps(row) + "\n", encoding="utf-8")
    words = ["finetune", "--train-file", data, "--base", model, "--max-steps", "1", "--report-to", "none"]
    result = qgbatch(*words, "-o", tmp_path / "trained")
    assert result.exit_code == ExitCode.OK, result.stderr
    recipe = (tmp_path / "trained" / "recipe.json").read_text(encoding="utf-8")
    check_json(recipe)
    assert json.loads(recipe)["base"] == SHOWN
    result = qgbatch(*words, "-o", bad / "trained")
    assert result.exit_code == ExitCode.OUTPUT, result.stderr


def test_the_doctor(qgbatch: Qgbatch, bad: Path) -> None:
    result = qgbatch("doctor", "-o", bad / "q.csv", "--model", bad / "missing", "--log-format", "json")
    assert SHOWN.replace("\\", "\\\\") in result.stdout
    for line in result.stdout.splitlines():
        check_json(line)
