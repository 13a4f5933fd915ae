"""A whole distributed run, with this process instead of a cluster."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qgbatch.output.run_facts import RunFacts
from qgbatch.pipeline import run_report
from qgbatch.pipeline.distributed import driver, worker
from qgbatch.pipeline.distributed.parts import PartsDirectory, write_part
from qgbatch.pipeline.distributed.worker import group_into_blocks
from qgbatch.pipeline.run_report import COUNT_NAMES, RunReport
from qgbatch.questions.review import FORMAT
from tests.support.ray_free import run_distributed, table_of, without_ray
from tests.support.web_server import Answer, WebServer

__all__ = ["without_ray"]

pytestmark = pytest.mark.usefixtures("without_ray")

N_INTACT = 64
"""Rows of a damaged table that can be read: one batch of the reader."""
MONDAY, TUESDAY = "Mon, 06 Jan 2025 10:00:00 GMT", "Tue, 07 Jan 2025 10:00:00 GMT"
CORPUS = {"dedupe_scope": "corpus"}


def write_table(path: Path, *, is_damaged: bool) -> None:
    """Write a table of which only the rows of the first group can be read if it is damaged."""
    texts = [f"The tower number {number} was built of granite." for number in range(N_INTACT + 1)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=N_INTACT, use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    if is_damaged:
        content = bytearray(path.read_bytes())
        end = column.data_page_offset + column.total_compressed_size
        content[column.data_page_offset : end] = b"\xff" * column.total_compressed_size
        path.write_bytes(content)


def write_documents(directory: Path, n_documents: int) -> list[Path]:
    paths = [directory / f"{number}.txt" for number in range(n_documents)]
    for path in paths:
        text = f"The bridge number {path.stem} was built in 1850 and is made of wood. It is old."
        path.write_text(text, encoding="utf-8")
    return paths


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*")}


def counts_of(report: RunReport) -> dict[str, object]:
    counts = {
        name: getattr(report, name) for name in COUNT_NAMES if name not in ("n_generated", "n_reused")
    }
    return {**counts, "dropped": report.dropped, "failures": sorted(map(str, report.failures))}


def test_the_rows_before_the_damage_of_a_table_are_written(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", is_damaged=True)
    report = run_distributed([tmp_path / "t.parquet"], tmp_path / "out")
    assert report.n_documents == N_INTACT
    assert len(report.failures) == 1
    rows = table_of(tmp_path / "out")
    assert len(rows) == report.n_written
    assert rows["source"].nunique() == N_INTACT


@pytest.mark.parametrize("is_mended", [True, False])
def test_a_table_that_broke_off_is_read_again(tmp_path: Path, *, is_mended: bool) -> None:
    table, *others = tmp_path / "t.parquet", *write_documents(tmp_path, 3)
    write_table(table, is_damaged=True)
    run_distributed([table, *others], tmp_path / "out")
    write_table(table, is_damaged=not is_mended)
    again = run_distributed([table, *others], tmp_path / "out")
    fresh = run_distributed([table, *others], tmp_path / "fresh")
    pd.testing.assert_frame_equal(table_of(tmp_path / "out"), table_of(tmp_path / "fresh"))
    assert counts_of(again) == counts_of(fresh)


def test_a_file_that_failed_is_tried_again_without_the_others_of_its_block(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done, missing = write_documents(tmp_path, 2)
    missing.rename(tmp_path / "elsewhere")
    first = run_distributed([done, missing], tmp_path / "out")
    assert [failure.source for failure in first.failures] == [str(missing)]
    (tmp_path / "elsewhere").rename(missing)
    caplog.set_level("INFO", "qgbatch")
    again = run_distributed([done, missing], tmp_path / "out")
    assert "1 of 2 documents are already done." in caplog.messages
    fresh = run_distributed([done, missing], tmp_path / "fresh")
    pd.testing.assert_frame_equal(table_of(tmp_path / "out"), table_of(tmp_path / "fresh"))
    assert counts_of(again) == counts_of(fresh)


def test_buckets_of_a_killed_dedupe_are_not_in_the_next_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    documents = write_documents(tmp_path, 8)
    with monkeypatch.context() as patch:
        patch.setattr(PartsDirectory, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            run_distributed(documents, tmp_path / "out", CORPUS)
    assert [*tmp_path.glob("out/.parts/*/*.parquet")]
    report = run_distributed(documents[:2], tmp_path / "out", CORPUS)
    rows = table_of(tmp_path / "out")
    assert set(rows["source"]) <= set(map(str, documents[:2]))
    assert len(rows) == report.n_written


@pytest.mark.parametrize("n_done", [1, 4, 7])
def test_a_run_that_goes_on_writes_the_bytes_of_one_that_was_never_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_done: int
) -> None:
    documents = write_documents(tmp_path, 24)
    monkeypatch.setattr(driver, "group_into_blocks", group_into_blocks)
    fresh = run_distributed(documents, tmp_path / "fresh")
    later = datetime(2100, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(run_report, "datetime", SimpleNamespace(now=lambda zone: later))
    n_left = n_done

    def write_part_or_die(*arguments: Any, **facts: Any) -> None:
        nonlocal n_left
        n_left -= 1
        if n_left < 0:
            raise KeyboardInterrupt
        write_part(*arguments, **facts)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "write_part", write_part_or_die)
        with pytest.raises(KeyboardInterrupt):
            run_distributed(documents, tmp_path / "out")
    again = run_distributed(documents, tmp_path / "out")
    assert counts_of(again) == counts_of(fresh)
    assert 0 < again.n_generated < fresh.n_generated
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "fresh")


def test_parts_that_no_block_of_this_run_wrote_are_not_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of a killed run may finish its part after the next run has begun."""
    first, second = write_documents(tmp_path, 2)
    run_distributed([first], tmp_path / "other")
    (late,) = tmp_path.glob("other/*.parquet")
    add = RunReport.add

    def add_then_write(report: RunReport, facts: RunFacts) -> None:
        add(report, facts)
        (tmp_path / "out" / ".parts" / "part-late.parquet").write_bytes(late.read_bytes())

    monkeypatch.setattr(RunReport, "add", add_then_write)
    run_distributed([second], tmp_path / "out")
    assert set(table_of(tmp_path / "out")["source"]) == {str(second)}


def test_ids_with_a_number_sign_have_a_place_in_the_order_of_the_corpus(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,text\nA#1,The bridge is old.\nA#1#2,The bridge is old.\n", encoding="utf-8")
    run_distributed([table], tmp_path / "out", CORPUS, id_column="id")
    assert set(table_of(tmp_path / "out")["source"]) == {f"{table}#A#1"}


@pytest.mark.parametrize(
    ("before", "after", "is_read_again"),
    [
        ({"ETag": '"1"'}, {"ETag": '"1"'}, False),
        ({"ETag": '"1"'}, {"ETag": '"2"'}, True),
        ({"Last-Modified": MONDAY}, {"Last-Modified": MONDAY}, False),
        ({"Last-Modified": MONDAY}, {"Last-Modified": TUESDAY}, True),
        ({}, {}, True),
    ],
)
def test_an_edit_of_the_same_size_on_a_web_server(
    tmp_path: Path, before: dict[str, str], after: dict[str, str], *, is_read_again: bool
) -> None:
    edited = "1870" if is_read_again else "1850"
    with WebServer() as server:
        for year, headers in (("1850", before), (edited, after)):
            text = f"The bridge was built in {year}."
            server.answers["/a.txt"] = Answer(text.encode(), "text/plain", headers=headers)
            server.requests.clear()
            run_distributed([f"{server.url}/a.txt"], tmp_path / "out")
        assert ("GET /a.txt" in server.requests) == is_read_again
    assert table_of(tmp_path / "out")["question"].str.contains(edited).any()


@pytest.mark.parametrize("settings", [{}, CORPUS])
def test_names_that_are_not_utf_8(tmp_path: Path, settings: dict[str, str]) -> None:
    """Read, resumed and published; the rows have the names with escapes."""
    directory = tmp_path / os.fsdecode(b"d\xff")
    directory.mkdir()
    (directory / os.fsdecode(b"a\xfe.txt")).write_text("The bridge is old.", encoding="utf-8")
    failed = directory / os.fsdecode(b"b\xfe.txt")
    failed.touch()
    report = run_distributed([directory], directory / "out", settings)
    assert set(table_of(directory / "out")["source"]) == {rf"{tmp_path}/d\xff/a\xfe.txt"}
    assert [failure.source for failure in report.failures] == [rf"{tmp_path}/d\xff/b\xfe.txt"]
    failed.write_text("The tower is new.", encoding="utf-8")
    again = run_distributed([directory], directory / "out", settings)
    assert set(table_of(directory / "out")["source"]) == {
        rf"{tmp_path}/d\xff/{name}\xfe.txt" for name in "ab"
    }
    assert not again.failures


@pytest.mark.parametrize("settings", [{}, CORPUS])
def test_decisions_of_a_reader_apply_as_in_one_process(tmp_path: Path, settings: dict[str, str]) -> None:
    inputs = write_documents(tmp_path, 4)
    run_distributed(inputs, tmp_path / "before", settings)
    kept, dropped = table_of(tmp_path / "before")["question_id"].iloc[:2]
    decisions = {kept: {"decision": "keep"}, dropped: {"decision": "drop"}, "q0": {"decision": "drop"}}
    content = {"format": FORMAT, "table": "q", "fingerprint": "0" * 64, "decisions": decisions}
    (tmp_path / "d.json").write_text(json.dumps(content))
    report = run_distributed(inputs, tmp_path / "before", settings, review_with=str(tmp_path / "d.json"))
    table = table_of(tmp_path / "before")
    assert table.loc[table["question_id"] == kept, "review"].tolist() == ["kept"]
    assert dropped not in table["question_id"].tolist()
    assert (report.n_applied_decisions, report.n_decisions, report.dropped["rejected"]) == (2, 3, 1)
    assert report.n_raw == len(table) + report.dropped.total()
