"""A directory of parts: whole or as it was, and what a second attempt finds done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qgbatch.distributed.parts import FileVersion, PartsDirectory, read_part, write_part
from qgbatch.errors import OutputError
from qgbatch.writers import COLUMNS, Row
from tests.runs import names

FACTS = {"model": "mini", "device": "cpu"}
A, B = {"a.txt": (1, 10)}, {"b.txt": (2, 20)}


def a_row(source: str) -> Row:
    values: dict[str, Any] = {"string": source, "int64": 0, "float64": -0.5}
    return {name: values[kind] for name, kind in COLUMNS.items()}


def write(directory: PartsDirectory, documents: dict[str, FileVersion], **facts: str) -> None:
    rows = [a_row(source) for source in documents]
    name = " ".join(documents)
    write_part(
        directory.draft,
        name,
        rows,
        {**FACTS, **facts},
        with_context=False,
        documents=documents,
        report={"n": 1},
    )


def open_directory(path: Path) -> PartsDirectory:
    return PartsDirectory(path, FACTS)


def finish(directory: PartsDirectory) -> None:
    directory.finish(sorted(directory.draft.glob("*.parquet")))


def test_a_reader_sees_the_old_table_until_the_new_one_is_whole(tmp_path: Path) -> None:
    directory = open_directory(tmp_path / "out")
    write(directory, A)
    finish(directory)
    assert list(pd.read_parquet(tmp_path / "out")["source"]) == ["a.txt"]
    directory = open_directory(tmp_path / "out")
    write(directory, B)
    assert list(pd.read_parquet(tmp_path / "out")["source"]) == ["a.txt"]
    finish(directory)
    assert list(pd.read_parquet(tmp_path / "out")["source"]) == ["b.txt"]
    assert len(names(tmp_path / "out")) == 2
    assert "_SUCCESS" in names(tmp_path / "out")


def test_a_second_attempt_finds_what_is_done(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    write(directory, A)
    write(directory, B)
    again = open_directory(tmp_path)
    assert [part.documents for part in again.reuse({**A, "b.txt": (2, 21)})] == [A]
    assert len([*again.draft.iterdir()]) == 1  # the other one is of a text that is no more
    assert open_directory(tmp_path).reuse({}) == []


@pytest.mark.parametrize(("facts", "n_reused"), [({"model": "other"}, 0), ({"device": "cuda"}, 1)])
def test_parts_of_another_model_are_not_used(tmp_path: Path, facts: dict[str, str], n_reused: int) -> None:
    directory = open_directory(tmp_path)
    write(directory, A, **facts)
    assert len(directory.reuse(A)) == n_reused


def test_what_others_wrote_is_left_alone(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(OutputError, match="no part that qgbatch wrote"):
        open_directory(tmp_path)
    assert names(tmp_path) == ["mine.parquet"]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="no directory that can be written"):
        open_directory(tmp_path / "out")


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutputError, match="part-1"):
        read_part(tmp_path / "part-1.parquet")
