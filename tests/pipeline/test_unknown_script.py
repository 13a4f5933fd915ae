"""Chunks in a script that the model's tokenizer does not know are left out, seen by a fake engine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import qgbatch
from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import DocumentError
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.records import Document, Question
from qgbatch.settings import CacheSettings, Settings
from tests.conftest import MINI


def english(*places: str) -> str:
    return " ".join(f"{place} has a tower of granite, and forty masons built it." for place in places)


ENGLISH = english("Alma", "Brest", "Corfu", "Dover", "Elba", "Faro")
CHINESE = "灯塔建于一八七二年。四十名石匠用花岗岩砌成。工程历时三年。" * 8
MIXED = f"{ENGLISH}\n\n{CHINESE}\n\n{english('Genoa', 'Hull', 'Izmir', 'Jaffa')}"


def make_components(**settings: Any) -> tuple[Components, FakeEngine]:
    engine = FakeEngine()
    values = Settings(model=str(MINI), engine="ctranslate2", device="cpu", target_tokens=64, **settings)
    return Components.find(values, CacheSettings().directory, load_engine=engine.load), engine


def ask(components: Components, directory: Path, *texts: str) -> tuple[list[Question], RunReport]:
    report = RunReport()
    documents = [Document.from_text(text, str(position)) for position, text in enumerate(texts)]
    with closing(SqliteStore(directory, 10**7)) as store:
        stream = Stream(components, open_cache(components, store), report, fail_fast=False)
        return list(stream.questions(documents)), report


def test_a_document_is_used_without_its_unknown_chunks(tmp_path: Path) -> None:
    components, engine = make_components()
    questions, report = ask(components, tmp_path, MIXED, ENGLISH)
    document = questions[0].chunk.document
    chunks = list(components.chunks(document))
    unknown = {chunk.chunk_index for chunk in chunks if chunk.unknown_script}
    assert unknown
    assert all("灯" in chunks[index].text for index in unknown)
    asked = {question.chunk.chunk_index for question in questions if question.chunk.document == document}
    assert asked == {chunk.chunk_index for chunk in chunks} - unknown
    assert max(asked) > max(unknown)
    assert report.omitted == {"unknown_script_chunks": len(unknown)}
    assert report.unknown_script_source == "0"
    assert (report.n_documents, report.failures) == (2, [])
    assert not any(components.tokenizer.unk_id in input_ids for input_ids in engine.inputs)


def test_a_document_that_is_unknown_throughout_fails_and_the_others_are_used(tmp_path: Path) -> None:
    components, _ = make_components(window_chunks=2)
    questions, report = ask(components, tmp_path, ENGLISH, CHINESE, ENGLISH)
    assert {question.chunk.document.source for question in questions} == {"0", "2"}
    (failure,) = report.failures
    assert (failure.source, failure.stage, failure.error) == ("1", "chunk", "DocumentError")
    assert failure.message.startswith(f"1: {MINI} cannot read its script")
    assert "multilingual model" in failure.message
    assert (report.n_inputs, report.n_documents, report.n_failed, report.exit_code) == (3, 2, 1, 3)
    assert not report.omitted  # as for any document that fails


def test_a_second_run_reuses_everything_and_counts_the_same(tmp_path: Path) -> None:
    questions, first = ask(make_components()[0], tmp_path, MIXED, CHINESE)
    components, engine = make_components()
    again, second = ask(components, tmp_path, MIXED, CHINESE)
    assert [question.id for question in again] == [question.id for question in questions]
    assert (second.omitted, second.failures) == (first.omitted, first.failures)
    assert (engine.inputs, second.n_reused) == ([], second.n_chunks)
    assert "tokenizer" not in vars(components)  # it is not loaded


def test_progress_ends_at_all_documents_if_the_last_chunks_are_unknown() -> None:
    components, _ = make_components()
    seen: list[float] = []
    cache = open_cache(components, SqliteStore(None, 0))
    stream = Stream(components, cache, RunReport(), fail_fast=True, on_batch=seen.append)
    list(stream.questions([Document.from_text(f"{ENGLISH}\n\n{CHINESE}", "a.txt")]))
    assert seen[-1] == 1


def test_the_python_api_refuses_a_text_that_is_unknown_throughout() -> None:
    with pytest.raises(DocumentError, match=r"^0: .* cannot read its script"):
        qgbatch.generate_questions([CHINESE], model=str(MINI))


def test_counts_of_the_parts_of_a_run_are_added() -> None:
    report = RunReport()
    for source, n_chunks in ((None, 0), ("b.txt", 2), ("c.txt", 3)):
        part = RunReport(unknown_script_source=source)
        part.omitted["unknown_script_chunks"] += n_chunks
        report.add(part.facts())
    assert report.omitted["unknown_script_chunks"] == 5
    assert report.unknown_script_source == "b.txt"
