"""Documents whose files are unchanged are not opened again; the output is that of a run that reads all."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import qgbatch
from qgbatch import CacheSettings, FileSettings, RunReport, Settings
from qgbatch.engines.fake import FakeEngine
from qgbatch.pipeline import unchanged
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.questions.review import FORMAT
from qgbatch.readers import reading
from qgbatch.records import Document, Failure

TEXT = "The bridge number {} was built of oak in 1850. It carries the old road to the mill."


class Runner:
    """Runs over the files of a directory, and notes which of them were opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[str] = []
        read_document = reading.read_document

        def read(path: str, encodings: Sequence[str]) -> Document:
            self.opened.append(path)
            return read_document(path, encodings)

        monkeypatch.setattr(reading, "read_document", read)

    def __call__(
        self, settings: dict[str, Any] | None = None, cache: dict[str, Any] | None = None, **files: Any
    ) -> RunReport:
        self.opened = []
        return qgbatch.run(
            ["docs"],
            "q.jsonl",
            Settings(engine="ctranslate2", **(settings or {})),
            FileSettings(**files),
            CacheSettings(cache_dir="cache", **(cache or {})),
            load_engine=FakeEngine().load,
        )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A runner over three documents, all of which are old enough."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(unchanged, "_MIN_AGE_S", -3600.0)
    Path("docs").mkdir()
    for number in range(3):
        Path(f"docs/{number}.txt").write_text(TEXT.format(number))
    return Runner(monkeypatch)


def counts(report: RunReport) -> dict[str, object]:
    """The counts of a report, except how the work was shared between the cache and the model."""
    names = {spec.name for spec in fields(report) if spec.name.startswith("n_")}
    values = {name: getattr(report, name) for name in names - {"n_unchanged", "n_reused", "n_generated"}}
    return {**values, "dropped": +report.dropped, "omitted": +report.omitted}


@pytest.mark.parametrize("settings", [{}, {"dedupe_scope": "corpus"}, {"max_questions_per_chunk": 1}])
def test_a_rerun_opens_no_document(settings: dict[str, Any], run: Runner) -> None:
    first = run(settings)
    content = Path("q.jsonl").read_bytes()
    assert len(run.opened) == 3
    second = run(settings)
    assert run.opened == []
    assert Path("q.jsonl").read_bytes() == content
    assert counts(second) == counts(first)
    assert (second.n_unchanged, second.n_reused, second.n_generated) == (3, first.n_chunks, 0)


def replace_file(path: Path) -> None:
    """Put another file of the same size and time of modification in the place of a file."""
    status = path.stat()
    other = path.with_name("other")
    other.write_text(path.read_text().replace("oak", "elm"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


def edit_file(path: Path) -> None:
    """Change a file, and set its time of modification back."""
    status = path.stat()
    path.write_text(path.read_text().replace("oak", "elm"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [replace_file, edit_file, lambda path: path.write_text("Elm is hard.")])
def test_a_changed_file_is_read(change: Callable[[Path], None], run: Runner) -> None:
    run()
    change(Path("docs/1.txt"))
    report = run()
    assert run.opened == ["docs/1.txt"]
    assert report.n_unchanged == 2
    incremental = Path("q.jsonl").read_text()
    assert "lm" in incremental
    run(cache={"cache": False})
    assert Path("q.jsonl").read_text() == incremental


def test_a_new_document_comes_in_its_place(run: Runner) -> None:
    run()
    Path("docs/0b.txt").write_text(TEXT.format("new"))
    Path("docs/2b.txt").write_text("")
    Path("docs/3.txt").write_text(TEXT.format("last"))
    report = run()
    assert run.opened == ["docs/0b.txt", "docs/2b.txt", "docs/3.txt"]
    assert (report.n_inputs, report.n_documents, report.n_failed) == (6, 5, 1)
    sources = [json.loads(line)["source"] for line in Path("q.jsonl").read_text().splitlines()]
    assert sources == sorted(sources)
    assert set(sources) == {f"docs/{name}.txt" for name in ("0", "0b", "1", "2", "3")}


def test_verify_reads_all_documents(run: Runner) -> None:
    run()
    run(cache={"verify": True})
    assert len(run.opened) == 3


def test_a_file_that_has_just_changed_is_read_again(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "_MIN_AGE_S", 3600.0)
    run()
    run()
    assert len(run.opened) == 3


def test_a_file_that_changes_while_it_is_read_is_read_again(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_document = reading.read_document

    def read_and_change(path: str, encodings: Sequence[str]) -> Document:
        document = read_document(path, encodings)
        Path(path).write_text(TEXT.format("changed"))
        return document

    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_document", read_and_change)
        run()
    assert run().n_unchanged == 0


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        ({"num_beams": 2}, {}),
        ({"min_score": -50.0}, {}),
        ({"target_tokens": 32}, {}),
        ({}, {"with_context": True}),
        ({}, {"encoding": ("cp1252",)}),
        ({}, {"review_with": "d.json"}),
    ],
)
def test_other_settings_read_the_documents(
    settings: dict[str, Any], files: dict[str, Any], run: Runner
) -> None:
    decisions = {"format": FORMAT, "table": "q", "fingerprint": "", "decisions": {}}
    Path("d.json").write_text(json.dumps(decisions))
    run()
    run(settings, **files)
    assert len(run.opened) == 3


def test_other_code_reads_the_documents(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setattr(unchanged, "_code_version", lambda: [("qgbatch.py", 1, 1)])
    run()
    assert len(run.opened) == 3


def test_a_run_with_passages_reads_all_documents(run: Runner) -> None:
    for _ in range(2):
        assert run(passages="p.jsonl").n_passages == 3
    assert len(run.opened) == 3


def test_a_document_of_which_a_part_could_not_be_read_is_read_again(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_document = reading.read_document

    def read_in_part(path: str, encodings: Sequence[str]) -> Document:
        failure = Failure(path, "part", "DocumentError", f"{path}: a chapter is damaged.")
        return replace(read_document(path, encodings), unread_parts=(failure,) * path.endswith("1.txt"))

    monkeypatch.setattr(reading, "read_document", read_in_part)
    for _ in range(2):
        assert int(run().exit_code) == 3
    assert run.opened == ["docs/1.txt"]


@pytest.mark.parametrize(
    "value",
    [
        b"no zlib",
        b"[]",
        b"[[], {}, 1]",
        b"[[[1, 2]], {}]",
        b'[[], {"n_chunks": "many"}]',
        b'[[], {"n_other": 1}]',
    ],
)
def test_a_stored_value_of_another_program_is_ignored(
    value: bytes, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    content = value if value == b"no zlib" else zlib.compress(value)
    monkeypatch.setattr(SqliteStore, "get", lambda self, keys: dict.fromkeys(keys, content))
    report = run()
    assert (len(run.opened), report.n_unchanged, report.n_failed) == (3, 0, 0)
