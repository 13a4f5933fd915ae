"""How chunk windows and batches meet, seen by an engine that keeps what it is given."""

from __future__ import annotations

from pathlib import Path

from qgbatch.engines.fake import FakeEngine
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.records import Document
from qgbatch.settings import CacheSettings, Settings

N_AHEAD = 2
"""Batches that the engine takes before it returns the first result, as CTranslate2 does."""


def make_components(window_chunks: int) -> tuple[Components, FakeEngine]:
    settings = Settings(
        window_chunks=window_chunks, engine="ctranslate2", device="cpu", max_questions_per_chunk=1
    )
    engine = FakeEngine(n_ahead=N_AHEAD)
    return Components.find(settings, CacheSettings().directory, load_engine=engine.load), engine


def documents(*texts: str) -> list[Document]:
    return [Document.from_text(text, str(number)) for number, text in enumerate(texts)]


TEXTS = (
    "The tower is old.",
    "It was built of granite.",
    "The sea is near.",
    "Nobody lives there any more.",
)


def test_the_engine_gets_the_next_window_before_it_is_done_with_one(tmp_path: Path) -> None:
    components, engine = make_components(window_chunks=1)
    stream = Stream(components, open_cache(components, SqliteStore(None, 0)), RunReport(), fail_fast=True)
    questions = list(stream.questions(documents(*TEXTS)))
    assert [question.chunk.document.source for question in questions] == ["0", "1", "2", "3"]
    assert engine.max_waiting == N_AHEAD


def test_equal_chunks_of_windows_under_way_are_generated_once(tmp_path: Path) -> None:
    components, engine = make_components(window_chunks=1)
    report = RunReport()
    stream = Stream(
        components, open_cache(components, SqliteStore(tmp_path, 10**6)), report, fail_fast=True
    )
    questions = list(stream.questions(documents(TEXTS[0], TEXTS[0], TEXTS[1], TEXTS[0])))
    assert len(questions) == 4
    assert len(engine.inputs) == len(set(engine.inputs)) == report.n_generated == 2


def test_what_is_known_needs_no_engine_and_holds_no_window_back(tmp_path: Path) -> None:
    components, engine = make_components(window_chunks=1)
    cache = open_cache(components, SqliteStore(tmp_path, 10**6))
    list(Stream(components, cache, RunReport(), fail_fast=True).questions(documents(*TEXTS)))
    n_before = len(engine.batches)
    report = RunReport()
    given = 0
    new = (*TEXTS, "A gull sat on it.", *TEXTS)
    for _ in Stream(components, cache, report, fail_fast=True).questions(documents(*new)):
        given += 1
        # The questions of a document wait for the next one's first chunk, and for the engine's two.
        assert report.n_chunks <= given + N_AHEAD + 1
    assert given == len(new)
    assert [len(batch) for batch in list(engine.batches)[n_before:]].count(1) == 1
    assert report.n_reused == 8


def test_progress_counts_inputs_up_to_all_of_them() -> None:
    components, _ = make_components(window_chunks=2)
    seen: list[float] = []
    stream = Stream(
        components,
        open_cache(components, SqliteStore(None, 0)),
        RunReport(),
        fail_fast=True,
        on_batch=seen.append,
    )
    list(stream.questions(documents(*TEXTS, " ".join(TEXTS * 20))))
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] == 5
