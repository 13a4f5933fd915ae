"""The directory of Parquet parts: atomic replacement, and reuse by a second run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pandas as pd
import pytest

from qgbatch.errors import OutputError
from qgbatch.output.rows import COLUMNS, Row
from qgbatch.pipeline.distributed.parts import (
    FileVersion,
    PartsDirectory,
    file_version,
    is_unchanged,
    read_part,
    write_part,
)
from qgbatch.pipeline.run_report import RunReport
from tests.support.runs import names
from tests.support.steps import n_calls
from tests.support.tables import PROVENANCE

A: dict[str, FileVersion] = {"a.txt": (1, 10)}
B: dict[str, FileVersion] = {"b.txt": (2, 20)}

REPORT = RunReport(n_inputs=1).facts()


def a_row(source: str) -> Row:
    values: dict[str, Any] = {"string": source, "int64": 0, "float64": -0.5}
    return {name: values[kind] for name, kind in COLUMNS.items()}


def write(directory: PartsDirectory, documents: dict[str, FileVersion], **changes: Any) -> None:
    rows = [a_row(source) for source in documents]
    name = " ".join(documents)
    write_part(
        directory.draft,
        name,
        rows,
        replace(PROVENANCE, **changes),
        COLUMNS,
        documents=documents,
        report=REPORT,
    )


def make_table(path: Path, documents: dict[str, FileVersion]) -> None:
    with PartsDirectory(path) as directory:
        write(directory, documents)
        directory.finish(sorted(directory.draft.glob("*.parquet")))


def test_readers_see_the_old_table_until_the_new_one_is_complete(tmp_path: Path) -> None:
    make_table(tmp_path, A)
    with PartsDirectory(tmp_path) as directory:
        write(directory, B)
        assert list(pd.read_parquet(tmp_path)["source"]) == ["a.txt"]
    make_table(tmp_path, B)
    assert list(pd.read_parquet(tmp_path)["source"]) == ["b.txt"]
    assert len(names(tmp_path)) == 2
    assert "_SUCCESS" in names(tmp_path)


def test_other_tools_read_the_directory_as_one_table(tmp_path: Path) -> None:
    parts = tmp_path / "out"
    with PartsDirectory(parts) as directory:
        write(directory, A)
        write(directory, B)
        directory.finish(sorted(directory.draft.glob("*.parquet")))
    assert sorted(pd.read_parquet(parts)["source"]) == ["a.txt", "b.txt"]
    query = f"SELECT source FROM '{parts}/*.parquet' ORDER BY source"
    assert duckdb.execute(query).fetchall() == [("a.txt",), ("b.txt",)]
    loaded = datasets.load_dataset(str(parts), split="train", cache_dir=str(tmp_path / "cache"))
    assert sorted(loaded["source"]) == ["a.txt", "b.txt"]


def test_a_second_run_reuses_the_parts_of_unchanged_documents(tmp_path: Path) -> None:
    with PartsDirectory(tmp_path) as directory:
        write(directory, A)
        write(directory, B)
    with PartsDirectory(tmp_path) as again:
        assert [part.documents for part in again.reuse({**A, "b.txt": (2, 21)}, PROVENANCE)] == [A]
        assert len([*again.draft.iterdir()]) == 1  # the part of the changed document was removed
        assert again.reuse({}, PROVENANCE) == []


@pytest.mark.parametrize(
    ("changes", "n_reused"), [({"model": "other"}, 0), ({"schema": 1}, 0), ({"device": "cuda"}, 1)]
)
def test_parts_of_another_model_or_schema_are_not_reused(
    tmp_path: Path, changes: dict[str, Any], n_reused: int
) -> None:
    with PartsDirectory(tmp_path) as directory:
        write(directory, A, **changes)
        assert len(directory.reuse(A, PROVENANCE)) == n_reused


def test_a_document_whose_version_is_unknown_is_read_again(tmp_path: Path) -> None:
    unknown: dict[str, FileVersion] = {"a.txt": (1, None)}
    with PartsDirectory(tmp_path) as directory:
        write(directory, unknown)
        assert directory.reuse(unknown, PROVENANCE) == []
        write(directory, unknown)
        assert directory.reuse({}, PROVENANCE) == []


def test_a_file_that_is_not_there_has_no_version(tmp_path: Path) -> None:
    assert not is_unchanged(file_version(str(tmp_path / "a.txt")), file_version(str(tmp_path / "a.txt")))


def test_a_file_of_the_same_size_and_time_is_another_version(tmp_path: Path) -> None:
    """As those have that come from an archive with one time for all."""
    path, other = tmp_path / "a.txt", tmp_path / "b.txt"
    path.write_text("1850", encoding="utf-8")
    os.utime(path, (0, 0))
    before = file_version(str(path))
    assert is_unchanged(before, file_version(str(path)))
    other.write_text("1851", encoding="utf-8")
    os.utime(other, (0, 0))
    other.rename(path)
    assert not is_unchanged(before, file_version(str(path)))


def test_a_run_without_parts_leaves_no_directory(tmp_path: Path) -> None:
    with PartsDirectory(tmp_path / "out"):
        assert names(tmp_path) == ["out"]
    assert names(tmp_path) == []


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(OutputError, match="did not write it"), PartsDirectory(tmp_path):
        pass
    assert names(tmp_path) == ["mine.parquet"]


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    message = "cannot be used as the output directory"
    with pytest.raises(OutputError, match=message), PartsDirectory(tmp_path / "out"):
        pass


def test_the_error_names_a_damaged_part(tmp_path: Path) -> None:
    (tmp_path / "part-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutputError, match="part-1"):
        read_part(tmp_path / "part-1.parquet")


def test_a_part_takes_no_longer_beside_many_others(tmp_path: Path) -> None:
    with PartsDirectory(tmp_path) as directory:
        write(directory, A)
        among_few = n_calls(lambda: write(directory, A))
        for number in range(1000):
            (directory.draft / f"part-{number}.parquet").touch()
        assert n_calls(lambda: write(directory, A)) < among_few + 100


def test_incomplete_parts_of_killed_workers_are_removed_with_the_draft(tmp_path: Path) -> None:
    with PartsDirectory(tmp_path) as directory:
        write(directory, A)
        (directory.draft / ".part-1.parquet.01234567.89abcdef.partial").touch()
        directory.finish(sorted(directory.draft.glob("*.parquet")))
    assert len(names(tmp_path)) == 2
    assert "_SUCCESS" in names(tmp_path)
