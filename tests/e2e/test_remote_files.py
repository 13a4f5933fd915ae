"""Inputs and outputs as URIs, on a local S3-compatible server and on a file system in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import boto3
import fsspec
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from qgbatch.errors import ExitCode
from qgbatch.output.remote import remote_file_version
from tests.conftest import SAMPLES
from tests.support.runs import GREEDY, Qgbatch, read_json

BUCKET = "library"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    """An S3 file system with a bucket that contains the sample documents."""
    for name, value in (
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    fsspec.filesystem("s3").clear_instance_cache()
    file_system = fsspec.filesystem("s3", skip_instance_cache=True)
    for path in sorted(SAMPLES.iterdir()):
        file_system.pipe_file(f"{BUCKET}/docs/{path.name}", path.read_bytes())
    file_system.pipe_file(f"{BUCKET}/docs/picture.png", b"PNG")
    file_system.pipe_file(f"{BUCKET}/docs/.hidden/a.txt", b"Hidden files are skipped.")
    yield file_system
    file_system.rm(BUCKET, recursive=True)


def test_a_run_on_uris_gives_the_same_output_as_on_files(
    qgbatch: Qgbatch, s3: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    local, report = tmp_path / "q.parquet", tmp_path / "report.json"
    assert qgbatch("run", SAMPLES, "-o", local, *GREEDY).exit_code == ExitCode.OK
    words = ["run", f"s3://{BUCKET}/docs/", "-o", f"s3://{BUCKET}/out/q.parquet", *GREEDY]
    result = qgbatch(*words, "--report", report)
    assert result.exit_code == ExitCode.OK, result.stderr
    s3.invalidate_cache()
    with s3.open(f"{BUCKET}/out/q.parquet", "rb") as stream:
        written = pd.read_parquet(stream)
    expected = pd.read_parquet(local)
    expected["source"] = [f"s3://{BUCKET}/docs/{Path(source).name}" for source in expected["source"]]
    for name in ("question_id", "passage_id"):
        ids = written.pop(name), expected.pop(name)
        assert not set(ids[0]) & set(ids[1])  # they depend on the source's name
    pd.testing.assert_frame_equal(written, expected)
    assert read_json(report)["skipped"] == {"suffix .png": 1, "hidden": 1}


def test_an_edit_of_the_same_size_is_another_version(s3: fsspec.AbstractFileSystem) -> None:
    uri = f"s3://{BUCKET}/docs/a.txt"
    versions = []
    for text in (b"1850", b"1851"):
        s3.pipe_file(uri, text)
        versions.append(remote_file_version(uri))
        assert versions[-1] == remote_file_version(uri)
    assert None not in versions[0]
    assert versions[0] != versions[1]


def test_patterns_tables_and_files_are_read(
    qgbatch: Qgbatch, s3: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    s3.pipe_file(f"{BUCKET}/tables/a.csv", b"text\nBees live in hives.\nTea is made of leaves.\n")
    words = [f"s3://{BUCKET}/docs/li*.txt", f"s3://{BUCKET}/tables/a.csv", f"s3://{BUCKET}/docs/tea.md"]
    result = qgbatch("run", *words, "-o", tmp_path / "q.csv", "--report", tmp_path / "r.json", *GREEDY)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert read_json(tmp_path / "r.json")["n_documents"] == 4


def test_each_uri_that_cannot_be_read_is_a_failure(
    qgbatch: Qgbatch, s3: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    valid = f"s3://{BUCKET}/docs/tea.md"
    for invalid, reason in (
        (f"s3://{BUCKET}/docs/none.txt", "none.txt"),
        (f"s3://{BUCKET}/nothing/*.txt", "no file matches"),
        (f"s3://{BUCKET}/docs/picture.png", "unknown kind"),
        ("s3://no-such-bucket/*.txt", "no-such-bucket"),
        ("nonsense://a/b.txt", "nonsense"),
    ):
        result = qgbatch("run", valid, invalid, "-o", tmp_path / "q.csv", *GREEDY)
        assert result.exit_code == ExitCode.PARTIAL, (invalid, result.stderr)
        assert reason in result.stderr


def test_an_output_that_cannot_be_written_is_an_output_error(
    qgbatch: Qgbatch, s3: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    result = qgbatch("run", SAMPLES / "tea.md", "-o", "s3://no-such-bucket/q.csv", *GREEDY)
    assert result.exit_code == ExitCode.OUTPUT
    assert "s3://no-such-bucket/q.csv: cannot be written" in result.stderr


def test_an_output_that_is_also_an_input_is_refused(
    qgbatch: Qgbatch, s3: fsspec.AbstractFileSystem
) -> None:
    s3.pipe_file(f"{BUCKET}/tables/a.csv", b"text\nBees live in hives.\n")
    for words in (
        [f"s3://{BUCKET}/docs/tea.md", "-o", f"s3://{BUCKET}/docs/tea.md"],
        [f"s3://{BUCKET}/tables/*.csv", "-o", f"s3://{BUCKET}/tables/q.csv"],
    ):
        assert qgbatch("run", *words, "--format", "csv", *GREEDY).exit_code == ExitCode.OUTPUT


def test_a_failed_run_does_not_replace_the_old_output(qgbatch: Qgbatch, tmp_path: Path) -> None:
    file_system = fsspec.filesystem("memory")
    file_system.pipe_file("/out/q.csv", b"old")
    file_system.pipe_file("/in/a.txt", b"Bees live in hives.")
    file_system.pipe_file("/in/b.txt", b"")
    words = ["run", "memory://in", "-o", "memory://out/q.csv", *GREEDY]
    assert qgbatch(*words, "--fail-fast").exit_code == ExitCode.PARTIAL
    assert file_system.cat_file("/out/q.csv") == b"old"
    assert qgbatch(*words).exit_code == ExitCode.PARTIAL
    assert b"question_id" in file_system.cat_file("/out/q.csv")


def test_an_error_names_the_missing_package(qgbatch: Qgbatch, tmp_path: Path) -> None:
    result = qgbatch("run", "gs://bucket/a.txt", "-o", tmp_path / "q.csv")
    assert result.exit_code == ExitCode.MODEL
    assert "pip install 'qgbatch[gs]'" in result.stderr
