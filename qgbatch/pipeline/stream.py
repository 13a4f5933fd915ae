"""Documents -> questions: one pass through all the stages.

Documents come in windows of chunks, read and cut by a thread that is a little ahead.
The engine gets the batches of one window after the other without a pause; only the windows
whose batches are under way and the questions of the document at hand are held in memory.
Results come out in input order, and what is wrong with one document stays with that
document.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from qgbatch.engines.base import Batch
from qgbatch.errors import DocumentError
from qgbatch.pipeline.cache import Cache
from qgbatch.pipeline.chunk_windows import ChunkWindow, make_windows
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.prefetch import prefetch
from qgbatch.questions.dedupe import find_duplicates
from qgbatch.questions.extraction import add_answer, decode_generation, extract_questions
from qgbatch.questions.filters import filter_questions, limit_per_chunk
from qgbatch.records import (
    Chunk,
    DecodedGeneration,
    Document,
    Failure,
    Generation,
    InputIds,
    Question,
    RunReport,
)
from qgbatch.settings import Settings

OnBatch = Callable[[float], None]
"""Called after each batch with how many inputs are done, a part of the last one counted as such."""

_ENOUGH_FOR_A_RATE = 32
"""Chunks; fewer say little of how long others will take."""
_ANSWERED_AT_ONCE = 512
"""Questions; they and their documents wait in memory."""
_WINDOWS_AHEAD = 1
"""Windows that are ready while the one before them is with the engine."""


@dataclass(slots=True)
class _OpenWindow:
    """A window whose batches are under way."""

    chunks: list[Chunk]
    generations: dict[InputIds, DecodedGeneration]
    """What is known of them so far."""
    n_missing: int
    n_waiting: int
    """Inputs that the engine is not done with, of ``n_missing`` when it was opened."""
    inputs_before: float
    inputs_after: float
    """How many inputs were done before it, and are with it."""

    @property
    def inputs_done(self) -> float:
        """How many inputs are done so far."""
        share = 1 - self.n_waiting / self.n_missing if self.n_missing else 1.0
        return self.inputs_before + (self.inputs_after - self.inputs_before) * share


class Stream:
    """One pass of documents through the stages; counts and failures go into the report."""

    def __init__(
        self,
        components: Components,
        cache: Cache,
        report: RunReport,
        *,
        fail_fast: bool,
        on_batch: OnBatch | None = None,
    ) -> None:
        self._components = components
        self._cache = cache
        self._report = report
        self._fail_fast = fail_fast
        self._on_batch = on_batch or (lambda inputs_done: None)
        self._failed: set[Document] = set()
        self._open: deque[_OpenWindow] = deque()
        self._under_way: dict[InputIds, list[_OpenWindow]] = {}

    def questions(self, documents: Iterable[Document | Failure]) -> Iterator[Question]:
        """Questions in input order, without duplicates but for those across documents."""
        most = self._components.settings.max_questions_per_chunk
        for questions in self._answered(self._selected(documents)):
            yield from limit_per_chunk(questions, most, self._report.dropped)
        if self._report.n_generated >= _ENOUGH_FOR_A_RATE:
            self._cache.keep_rate(self._report.seconds["generate"] / self._report.n_generated)

    def _selected(self, documents: Iterable[Document | Failure]) -> Iterator[list[Question]]:
        """The questions of each document that are left by filters and without duplicates."""
        results = self._generations(documents)
        for document, its_results in groupby(results, key=lambda result: result[0].document):
            dropped: Counter[str] = Counter()
            questions = self._extract(its_results, dropped)
            if document in self._failed:
                self._failed.discard(document)
                continue
            self._report.n_documents += 1
            self._report.n_raw += len(questions) + dropped.total()
            with self._report.timed("filter"):
                questions = filter_questions(questions, self._components.settings, dropped)
            self._report.dropped.update(dropped)
            yield self._drop_duplicates(questions)

    def _answered(self, selected: Iterable[list[Question]]) -> Iterator[list[Question]]:
        """The questions with answers, where there is an answer model, enough at once to fill batches."""
        if not self._components.answer_model:
            yield from selected
            return
        waiting: list[Question] = []
        for questions in selected:
            waiting += questions
            if len(waiting) >= _ANSWERED_AT_ONCE:
                yield self._answer(waiting)
                waiting = []
        yield self._answer(waiting)

    def _answer(self, questions: list[Question]) -> list[Question]:
        """The questions with their answers, but for those whose answer is not good enough."""
        with self._report.timed("answer"):
            pairs = [(question.question, question.chunk.text) for question in questions]
            answers = self._cache.answers(pairs)
            if new := [pair for pair in dict.fromkeys(pairs) if pair not in answers]:
                made = dict(zip(new, self._components.answerer.answer(new), strict=True))
                self._cache.keep_answers(made)
                answers |= made
        least = self._components.settings.min_answer_score or 0.0
        answered = [add_answer(q, answers[pair]) for q, pair in zip(questions, pairs, strict=True)]
        kept = [question for question in answered if (question.answer_score or 0.0) >= least]
        self._report.dropped["unanswered"] += len(questions) - len(kept)
        return kept

    def count(self, documents: Iterable[Document | Failure]) -> None:
        """Count what :meth:`questions` would have to do, without the model."""
        report, seen = self._report, set[int]()
        for window in self._windows(documents):
            known = self._reuse(window.chunks)
            new = {hash(chunk.input_ids) for chunk in window.chunks if chunk.input_ids not in known} - seen
            report.n_generated += len(new)
            seen |= new
        report.n_documents = report.n_inputs - len(report.failures)

    def _generations(
        self, documents: Iterable[Document | Failure]
    ) -> Iterator[tuple[Chunk, DecodedGeneration | None]]:
        results = self._components.generate(self._batches(documents))
        for batch, generations in self._report.timed_iter("generate", results):
            self._keep(batch, generations)
            if self._open:
                self._on_batch(self._open[0].inputs_done)
            while self._open and not self._open[0].n_waiting:
                yield from self._close(self._open.popleft())

    def _batches(self, documents: Iterable[Document | Failure]) -> Iterator[Batch]:
        """What the engine has to do, window by window; an empty batch where it is nothing."""
        inputs_done = 0.0
        for window in self._windows(documents):
            known = self._reuse(window.chunks)
            inputs_after = self._report.n_inputs - 1 + window.share_of_last
            opened = _OpenWindow(window.chunks, known, 0, 0, inputs_done, inputs_after)
            inputs_done = inputs_after
            new = self._wait_for_missing(opened)
            self._open.append(opened)
            if new:
                with self._report.timed("load"):
                    self._components.load()
            yield from self._components.batches(new) or [()]

    def _windows(self, documents: Iterable[Document | Failure]) -> Iterator[ChunkWindow]:
        """Windows as they come from their thread, counted."""
        report, components = self._report, self._components

        def cut(document: Document) -> Iterator[Chunk]:
            return self._cache.chunks(document, components.chunks)

        windows = make_windows(documents, cut, components.settings.window_chunks)
        for window in report.timed_iter("wait", prefetch(windows, _WINDOWS_AHEAD)):
            report.n_inputs += window.n_inputs
            report.n_chunks += len(window.chunks)
            report.n_hard_splits += sum(chunk.hard_split for chunk in window.chunks)
            report.n_source_tokens += sum(len(chunk.input_ids) for chunk in window.chunks)
            for stage, seconds in window.seconds.items():
                report.seconds[stage] += seconds
            self._failed.update(window.broken)
            for failure in window.failures:
                self._fail(failure)
            yield window

    def _reuse(self, chunks: Sequence[Chunk]) -> dict[InputIds, DecodedGeneration]:
        with self._report.timed("cache"):
            known = self._cache.generations([chunk.input_ids for chunk in chunks])
        self._report.n_reused += sum(chunk.input_ids in known for chunk in chunks)
        return known

    def _wait_for_missing(self, window: _OpenWindow) -> list[InputIds]:
        """Inputs of a window that are new; equal ones are done once, also if another window has them."""
        new = []
        wanted = (chunk.input_ids for chunk in window.chunks if chunk.document not in self._failed)
        for input_ids in dict.fromkeys(wanted):
            if input_ids in window.generations:
                continue
            if input_ids not in self._under_way:
                new.append(input_ids)
            self._under_way.setdefault(input_ids, []).append(window)
            window.n_missing += 1
        window.n_waiting = window.n_missing
        return new

    def _keep(self, batch: Batch, generations: Sequence[Generation | None]) -> None:
        """Hand the results of a batch to the windows that wait for them, and to the cache."""
        if not batch:
            return
        tokenizer = self._components.tokenizer
        made = {
            input_ids: decode_generation(generation, tokenizer.decode, tokenizer.unk_id)
            for input_ids, generation in zip(batch, generations, strict=True)
            if generation is not None
        }
        with self._report.timed("cache"):
            self._cache.keep(made)
        self._report.n_generated += len(made)
        for input_ids in batch:
            for window in self._under_way.pop(input_ids):
                window.n_waiting -= 1
                if input_ids in made:
                    window.generations[input_ids] = made[input_ids]

    def _close(self, window: _OpenWindow) -> Iterator[tuple[Chunk, DecodedGeneration | None]]:
        for chunk in window.chunks:
            if chunk.input_ids not in window.generations:
                self._fail_chunk(chunk)
            yield chunk, window.generations.get(chunk.input_ids)

    def _fail_chunk(self, chunk: Chunk) -> None:
        if chunk.document not in self._failed:
            self._failed.add(chunk.document)
            source, n_tokens = chunk.document.source, len(chunk.input_ids)
            device = self._components.engine_choice.device
            error = DocumentError(
                f"{source}: a chunk of {n_tokens} tokens does not fit into the memory of {device}.",
                "Lower --max-tokens or --num-beams.",
            )
            self._fail(Failure.of(source, "generate", error))

    def _extract(
        self, results: Iterable[tuple[Chunk, DecodedGeneration | None]], dropped: Counter[str]
    ) -> list[Question]:
        questions: list[Question] = []
        parser = self._components.model.metadata.parser
        for chunk, generation in results:
            if generation is not None:
                with self._report.timed("questions"):
                    questions += extract_questions(chunk, generation, parser, dropped)
        return questions

    def _drop_duplicates(self, questions: list[Question]) -> list[Question]:
        scope = self._components.settings.dedupe_scope
        if scope == "corpus":
            return questions
        with self._report.timed("dedupe"):
            if scope == "document":
                return unique(questions, self._components.settings, self._report)
            by_chunk = groupby(questions, key=lambda question: question.chunk)
            kept = (unique(list(group), self._components.settings, self._report) for _, group in by_chunk)
            return [question for group in kept for question in group]

    def _fail(self, failure: Failure) -> None:
        self._report.failures.append(failure)
        if self._fail_fast:
            raise DocumentError(failure.message)


def unique(questions: list[Question], settings: Settings, report: RunReport) -> list[Question]:
    """The questions without duplicates, in order; those left out are counted."""
    duplicates = find_duplicates(
        [question.question for question in questions],
        [question.score for question in questions],
        settings.dedupe,
        settings.near_threshold,
    )
    report.dropped.update(duplicates.values())
    return [question for index, question in enumerate(questions) if index not in duplicates]
