"""The whole way from files to rows, with the built-in model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import qgbatch
from qgbatch import Document, FileSettings, Settings
from qgbatch.chunking import chunker as chunking
from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import DocumentError
from qgbatch.readers.reading import read_document
from qgbatch.settings import CacheSettings
from tests.conftest import SAMPLES

FAST = Settings(num_beams=1, max_new_tokens=32)
ANEW = CacheSettings(cache=False)
TEXT = "Henry Winstanley built the first lighthouse on the rock in 1698. It stood for five years.\n\n"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``samples/`` run to all three formats, with context."""
    directory = tmp_path_factory.mktemp("outputs")
    for name in ("q.parquet", "q.csv", "q.jsonl"):
        qgbatch.run([str(SAMPLES)], str(directory / name), FAST, FileSettings(with_context=True))
    return directory


def test_the_three_formats_hold_the_same_rows(outputs: Path) -> None:
    parquet = pd.read_parquet(outputs / "q.parquet")
    assert len(parquet) > 300
    pd.testing.assert_frame_equal(parquet, pd.read_csv(outputs / "q.csv"), check_exact=True)
    # pandas reads JSON's floats fast and inexactly unless told otherwise.
    jsonl = pd.read_json(outputs / "q.jsonl", lines=True, precise_float=True)
    pd.testing.assert_frame_equal(parquet, jsonl, check_exact=True)


def test_every_row_leads_back_to_its_chunk(outputs: Path) -> None:
    rows = pd.read_parquet(outputs / "q.parquet")
    texts = {str(path): read_document(str(path)).text for path in SAMPLES.iterdir()}
    assert set(rows.source) == set(texts)
    for row in rows.itertuples():
        assert texts[str(row.source)][int(str(row.start_char)) : int(str(row.end_char))] == row.context
    assert rows.question_id.is_unique
    places = list(zip(rows.source, rows.chunk_index, rows.question_index, strict=True))
    assert places == sorted(places)


def test_the_same_inputs_give_the_same_bytes(outputs: Path, tmp_path: Path) -> None:
    qgbatch.run([str(SAMPLES)], str(tmp_path / "q.parquet"), FAST, FileSettings(with_context=True), ANEW)
    assert (tmp_path / "q.parquet").read_bytes() == (outputs / "q.parquet").read_bytes()


@pytest.mark.parametrize("changed", [{"window_chunks": 7}, {"batch_tokens": 128}])
def test_windows_and_batches_never_show(tmp_path: Path, changed: Any) -> None:
    fast: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 32}
    inputs = [str(SAMPLES / "lighthouses.txt"), str(SAMPLES / "tea.md")]
    qgbatch.run(inputs, str(tmp_path / "one.csv"), Settings(**fast), cache=ANEW)
    qgbatch.run(inputs, str(tmp_path / "two.csv"), Settings(**fast, **changed), cache=ANEW)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_input_grouping_never_shows(tmp_path: Path) -> None:
    paths = [str(SAMPLES / "lighthouses.txt"), str(SAMPLES / "tea.md")]
    for number, inputs in enumerate((paths, paths[:1], paths[1:])):
        qgbatch.run(inputs, str(tmp_path / f"{number}.csv"), FAST, cache=ANEW)
    together, first, second = (pd.read_csv(tmp_path / f"{number}.csv") for number in range(3))
    pd.testing.assert_frame_equal(together, pd.concat([first, second], ignore_index=True), check_exact=True)


@pytest.mark.parametrize("scope", ["chunk", "document", "corpus"])
def test_each_scope_keeps_one_of_equal_questions_within_it(tmp_path: Path, scope: Any) -> None:
    # The same chunk twice in each of two documents: four times the same questions.
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(TEXT * 2)
    report = qgbatch.run(
        [str(tmp_path)],
        str(tmp_path / "q.csv"),
        Settings(num_beams=1, target_tokens=32, dedupe_scope=scope),
    )
    rows = pd.read_csv(tmp_path / "q.csv")
    keys = {"chunk": ["source", "chunk_index"], "document": ["source"], "corpus": ["model"]}[scope]
    n_unique = rows.question.nunique()
    assert not rows.duplicated([*keys, "question"]).any()
    assert len(rows) == n_unique * {"chunk": 4, "document": 2, "corpus": 1}[scope]
    assert report.n_raw == report.n_written + report.dropped.total()


def test_questions_of_a_document_that_spans_windows_stay_together(tmp_path: Path) -> None:
    small_windows = Settings(num_beams=1, max_new_tokens=32, window_chunks=2)
    qgbatch.run([str(SAMPLES / "lighthouses.txt")], str(tmp_path / "q.csv"), small_windows)
    rows = pd.read_csv(tmp_path / "q.csv")
    assert all(a <= b for a, b in pairwise(rows.chunk_index))
    assert not rows.question.str.lower().duplicated().any()


def test_the_report_counts_everything(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(TEXT)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    report = qgbatch.run([str(tmp_path)], str(tmp_path / "q.jsonl"), FAST)
    assert (report.n_inputs, report.n_documents, report.n_chunks) == (2, 1, 1)
    assert report.skipped == {"suffix .png": 1}
    assert [failure.source for failure in report.failures] == [str(tmp_path / "empty.txt")]
    assert report.n_written == len((tmp_path / "q.jsonl").read_text().splitlines()) > 0
    assert json.loads(json.dumps(report.facts().to_json()))["exit_code"] == 3


def test_no_usable_document_leaves_the_old_output(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "q.csv").write_text("old")
    report = qgbatch.run([str(tmp_path / "empty.txt")], str(tmp_path / "q.csv"), FAST)
    assert int(report.exit_code) == 4
    assert (tmp_path / "q.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.txt", "q.csv"]


def test_python_gives_what_the_command_writes(tmp_path: Path) -> None:
    path = SAMPLES / "lighthouses.txt"
    qgbatch.run([str(path)], str(tmp_path / "q.parquet"), FAST)
    document = Document.from_text(path.read_text(encoding="utf-8"), str(path))
    questions = qgbatch.generate_questions([document], num_beams=1, max_new_tokens=32)
    table = qgbatch.to_dataframe(questions, model="small")
    pd.testing.assert_frame_equal(table, pd.read_parquet(tmp_path / "q.parquet"), check_dtype=False)


def test_python_gives_what_the_command_writes_of_a_corpus(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 32, "target_tokens": 32}
    settings |= {"dedupe_scope": "corpus", "max_questions_per_chunk": 1}
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(TEXT * 2)
    files = FileSettings(with_context=True)
    qgbatch.run(
        [tmp_path / "a.txt", tmp_path / "b.txt"], tmp_path / "q.parquet", Settings(**settings), files
    )
    documents = [Document.from_text(TEXT * 2, str(tmp_path / name)) for name in ("a.txt", "b.txt")]
    questions = qgbatch.generate_questions(documents, **settings)
    table = qgbatch.to_dataframe(questions, model="small", with_context=True)
    pd.testing.assert_frame_equal(table, pd.read_parquet(tmp_path / "q.parquet"), check_dtype=False)
    assert len(json.loads(table["other_passages"][0])) == 1  # the passage of both spans in b.txt


def test_texts_are_read_as_questions_are_taken() -> None:
    taken: list[int] = []

    def texts() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield TEXT

    questions = qgbatch.iter_questions(texts(), num_beams=1, max_new_tokens=32, window_chunks=4)
    assert next(questions).chunk.document.source == "0"
    assert len(taken) == 4


def test_python_is_told_of_a_text_that_cannot_be_used() -> None:
    with pytest.raises(DocumentError, match="1: the document is empty"):
        qgbatch.generate_questions([TEXT, ""], num_beams=1, max_new_tokens=32)


def test_a_document_that_does_not_fit_into_memory_fails_without_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_text("Rivers carry sand to the sea.")
    (tmp_path / "c.txt").write_text("Bees live in hives.")
    engine = FakeEngine(too_large=["Rivers carry sand"])
    report = qgbatch.run([tmp_path], tmp_path / "q.csv", FAST, load_engine=engine.load)
    (failure,) = report.failures
    assert (failure.stage, failure.source[-5:]) == ("generate", "b.txt")
    assert "does not fit into the memory of cpu" in failure.message
    assert {source[-5:] for source in pd.read_csv(tmp_path / "q.csv").source} == {"a.txt", "c.txt"}
    assert report.n_raw == report.n_written + report.dropped.total()


@pytest.mark.parametrize("n_good_chunks", [0, 1, 9])
def test_a_document_that_fails_while_it_is_chunked_stays_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_good_chunks: int
) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        shutil.copy(SAMPLES / "lighthouses.txt", tmp_path / name)
    real_chunk_document = chunking.chunk_document

    def chunk_document(document: Document, *components: Any) -> Iterator[qgbatch.Chunk]:
        chunks = real_chunk_document(document, *components)
        if not document.source.endswith("b.txt"):
            yield from chunks
            return
        yield from islice(chunks, n_good_chunks)
        raise RecursionError("odd text")

    monkeypatch.setattr("qgbatch.pipeline.components.chunk_document", chunk_document)
    small_windows = Settings(num_beams=1, max_new_tokens=32, window_chunks=4)
    report = qgbatch.run([tmp_path], tmp_path / "q.csv", small_windows, cache=ANEW)
    (failure,) = report.failures
    assert (failure.stage, failure.error, failure.source[-5:]) == ("chunk", "RecursionError", "b.txt")
    assert {source[-5:] for source in pd.read_csv(tmp_path / "q.csv").source} == {"a.txt", "c.txt"}
    assert (report.n_inputs, report.n_documents) == (3, 2)
    assert report.n_raw == report.n_written + report.dropped.total()


def test_one_string_is_not_taken_for_many_texts() -> None:
    with pytest.raises(TypeError, match="texts must be an iterable"):
        qgbatch.generate_questions("Tea.")


@pytest.mark.parametrize("name", ["a\0.txt", "\ud800.txt"])
def test_a_name_that_no_file_can_have_is_a_failure_like_others(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    report = qgbatch.run([tmp_path / "a.txt", name], tmp_path / "q.csv", FAST)
    assert (report.n_documents, len(report.failures)) == (1, 1)
    assert "not a possible file name" in report.failures[0].message


@pytest.mark.parametrize(("package", "is_reused"), [("nltk", True), ("ctranslate2", False)])
def test_a_new_version_of_a_package_costs_what_it_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, is_reused: bool
) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    qgbatch.run([tmp_path], tmp_path / "q.csv", FAST)
    monkeypatch.setattr(
        "qgbatch.pipeline.cache_keys.version", lambda name: "99" if name == package else version(name)
    )
    report = qgbatch.run([tmp_path], tmp_path / "q.csv", FAST)
    assert (report.n_reused, report.n_generated) == ((1, 0) if is_reused else (0, 1))
