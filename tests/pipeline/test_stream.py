"""How windows and batches meet, with an engine that notes what it is given."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from qgbatch.engines.base import Batch
from qgbatch.engines.batching import BatchBudget
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.records import Document, Generation
from qgbatch.settings import CacheSettings, Settings

N_AHEAD = 2


class NotingEngine:
    """Takes two batches ahead, as CTranslate2 does, and asks one question of every row."""

    def __init__(self, question: tuple[int, ...]) -> None:
        self.question = question
        self.taken: list[Batch] = []
        self.n_given = 0
        self.most_ahead = 0

    budget = BatchBudget()

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        waiting: deque[Batch] = deque()
        for batch in batches:
            self.taken.append(batch)
            waiting.append(batch)
            self.most_ahead = max(self.most_ahead, len(waiting))
            if len(waiting) == N_AHEAD:
                yield self.ask(waiting.popleft())
        while waiting:
            yield self.ask(waiting.popleft())

    def ask(self, batch: Batch) -> list[Generation | None]:
        self.n_given += 1
        return [Generation((self.question,), -1.0, "eos") for _ in batch]

    @property
    def rows(self) -> list[tuple[int, ...]]:
        return [row for batch in self.taken for row in batch]


def make_components(window_chunks: int) -> tuple[Components, NotingEngine]:
    settings = Settings(window_chunks=window_chunks, engine="ctranslate2", device="cpu", dedupe="none")
    components = Components.find(settings, CacheSettings().directory)
    engine = NotingEngine(components.tokenizer.encode(["Who?"])[0][:-1])
    components.__dict__["engine"] = engine
    return components, engine


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
    stream = Stream(components, components.open_cache(SqliteStore(None, 0)), RunReport(), fail_fast=True)
    questions = list(stream.questions(documents(*TEXTS)))
    assert [question.chunk.document.source for question in questions] == ["0", "1", "2", "3"]
    assert engine.most_ahead == N_AHEAD


def test_equal_chunks_of_windows_under_way_are_generated_once(tmp_path: Path) -> None:
    components, engine = make_components(window_chunks=1)
    report = RunReport()
    stream = Stream(components, components.open_cache(SqliteStore(tmp_path, 10**6)), report, fail_fast=True)
    questions = list(stream.questions(documents(TEXTS[0], TEXTS[0], TEXTS[1], TEXTS[0])))
    assert len(questions) == 4
    assert len(engine.rows) == len(set(engine.rows)) == report.n_generated == 2


def test_what_is_known_needs_no_engine_and_holds_no_window_back(tmp_path: Path) -> None:
    components, engine = make_components(window_chunks=1)
    cache = components.open_cache(SqliteStore(tmp_path, 10**6))
    list(Stream(components, cache, RunReport(), fail_fast=True).questions(documents(*TEXTS)))
    n_before = len(engine.taken)
    report = RunReport()
    given = 0
    new = (*TEXTS, "A gull sat on it.", *TEXTS)
    for _ in Stream(components, cache, report, fail_fast=True).questions(documents(*new)):
        given += 1
        # The questions of a document wait for the next one's first chunk, and for the engine's two.
        assert report.n_chunks <= given + N_AHEAD + 1
    assert given == len(new)
    assert [len(batch) for batch in engine.taken[n_before:]].count(1) == 1
    assert report.n_reused == 8


def test_progress_counts_inputs_up_to_all_of_them() -> None:
    components, _ = make_components(window_chunks=2)
    seen: list[float] = []
    stream = Stream(
        components,
        components.open_cache(SqliteStore(None, 0)),
        RunReport(),
        fail_fast=True,
        on_batch=seen.append,
    )
    list(stream.questions(documents(*TEXTS, " ".join(TEXTS * 20))))
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] == 5
