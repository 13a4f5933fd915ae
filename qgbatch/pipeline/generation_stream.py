"""One pass of documents through the model: chunks to generations.

A thread prefetches chunk windows. The engine receives the batches of one window after the
other without a pause. Memory holds only the open windows, whose batches are not finished.
Generations are yielded in input order, and an error in one document affects only that document.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from qgbatch.engines.base import Batch
from qgbatch.errors import DocumentError, name_setting
from qgbatch.pipeline.cache import Cache
from qgbatch.pipeline.checked_chunking import CheckedChunking
from qgbatch.pipeline.chunk_windows import ChunkWindow, make_chunk_windows
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.prefetch import prefetch
from qgbatch.pipeline.run_report import RunReport
from qgbatch.questions.extraction import decode_generation
from qgbatch.records import Chunk, DecodedGeneration, Document, Failure, Generation, InputIds

OnChunks = Callable[[Iterable[Chunk]], None]
"""Called with the chunks of each window, also with those that the model cannot read."""
OnBatch = Callable[[float], None]
"""Called after each batch with the number of finished documents, such as 3.5 for three and a half."""

_PREFETCHED_WINDOWS = 1
"""Number of windows to prepare ahead of the one that the engine works on."""


@dataclass(slots=True)
class _OpenWindow:
    """A chunk window whose batches are not all finished."""

    chunks: list[Chunk]
    generations: dict[InputIds, DecodedGeneration]
    """The generations that are available so far, by input."""
    n_missing: int
    """Model inputs that had no generation when the window was opened."""
    n_pending: int
    """Model inputs that still have no generation."""
    documents_before: float
    """Number of documents that were finished before this window."""
    documents_after: float
    """Number of documents that will be finished after it; a fraction for a document cut by its end."""

    @property
    def documents_done(self) -> float:
        """Number of documents that are finished so far."""
        share = 1 - self.n_pending / self.n_missing if self.n_missing else 1.0
        return self.documents_before + (self.documents_after - self.documents_before) * share


class GenerationStream:
    """One pass of documents through the model. Counts and failures go into the report.

    Attributes:
        failed: Documents that failed after some of their chunks were yielded or are about to be.
        partly_readable: Documents with chunks in an unknown script.
    """

    def __init__(
        self,
        components: Components,
        cache: Cache,
        report: RunReport,
        *,
        fail_fast: bool,
        on_batch: OnBatch | None = None,
        on_chunks: OnChunks | None = None,
    ) -> None:
        self.failed: set[Document] = set()
        self.partly_readable: set[Document] = set()
        self._components = components
        self._cache = cache
        self._report = report
        self._fail_fast = fail_fast
        self._on_batch = on_batch or (lambda documents_done: None)
        self._on_chunks = on_chunks or (lambda chunks: None)
        self._chunk = CheckedChunking(components, cache)
        self._n_inputs = 0
        self._open: deque[_OpenWindow] = deque()
        self._pending: dict[InputIds, list[_OpenWindow]] = {}

    def generations(
        self, documents: Iterable[Document | Failure]
    ) -> Iterator[tuple[Chunk, DecodedGeneration | None]]:
        """Yield the chunks of documents with their generations; ``None`` for one that failed."""
        results = self._components.generate(self._batches(documents))
        for batch, generations in self._report.stopwatch.measure_items("generate", results):
            self._store(batch, generations)
            if self._open:
                self._on_batch(self._open[0].documents_done)
            while self._open and not self._open[0].n_pending:
                yield from self._close(self._open.popleft())

    def count(self, documents: Iterable[Document | Failure]) -> None:
        """Count the work of :meth:`generations` without loading the model."""
        report, seen = self._report, set[int]()
        for window in self._windows(documents):
            known = self._reuse(window.chunks)
            new = {hash(chunk.input_ids) for chunk in window.chunks if chunk.input_ids not in known} - seen
            report.n_generated += len(new)
            seen |= new
        report.n_documents = report.n_inputs - report.n_failed

    def _batches(self, documents: Iterable[Document | Failure]) -> Iterator[Batch]:
        """Yield batches window by window; a window with nothing to generate yields an empty batch."""
        documents_done = 0.0
        for window in self._windows(documents):
            known = self._reuse(window.chunks)
            documents_after = self._n_inputs - 1 + window.last_document_share
            opened = _OpenWindow(window.chunks, known, 0, 0, documents_done, documents_after)
            documents_done = documents_after
            new = self._register_missing(opened)
            self._open.append(opened)
            if new:
                with self._report.stopwatch.measure("load"):
                    self._components.load()
            yield from self._components.batches(new) or [()]

    def _windows(self, documents: Iterable[Document | Failure]) -> Iterator[ChunkWindow]:
        """Chunk windows from the prefetching thread; counts them."""
        import qgbatch.chunking.punkt  # noqa: F401  # before the thread starts, see its docstring

        report, window_chunks = self._report, self._components.settings.window_chunks
        windows = make_chunk_windows(documents, self._chunk, window_chunks)
        for window in report.stopwatch.measure_items("wait", prefetch(windows, _PREFETCHED_WINDOWS)):
            report.n_inputs += window.n_inputs
            self._n_inputs += window.n_inputs
            report.n_chunks += len(window.chunks)
            report.n_hard_splits += sum(chunk.hard_split for chunk in window.chunks)
            report.n_source_tokens += sum(len(chunk.input_ids) for chunk in window.chunks)
            for stage, seconds in window.seconds.items():
                report.seconds[stage] += seconds
            self.failed.update(window.partly_chunked)
            self.partly_readable.update(window.partly_readable)
            report.omitted.update(window.omitted)
            report.unknown_script_source = report.unknown_script_source or window.unknown_script_source
            for failure in window.failures:
                self._fail(failure)
            chunks = chain(window.chunks, window.unreadable_chunks)
            self._on_chunks(chunk for chunk in chunks if chunk.document not in self.failed)
            yield window

    def _reuse(self, chunks: Sequence[Chunk]) -> dict[InputIds, DecodedGeneration]:
        with self._report.stopwatch.measure("cache"):
            known = self._cache.get_generations([chunk.input_ids for chunk in chunks])
        self._report.n_reused += sum(chunk.input_ids in known for chunk in chunks)
        return known

    def _register_missing(self, window: _OpenWindow) -> list[InputIds]:
        """Record the inputs that a window waits for; return those that no other window requested."""
        new = []
        wanted = (chunk.input_ids for chunk in window.chunks if chunk.document not in self.failed)
        for input_ids in dict.fromkeys(wanted):
            if input_ids in window.generations:
                continue
            if input_ids not in self._pending:
                new.append(input_ids)
            self._pending.setdefault(input_ids, []).append(window)
            window.n_missing += 1
        window.n_pending = window.n_missing
        return new

    def _store(self, batch: Batch, generations: Sequence[Generation | None]) -> None:
        """Pass the generations of a batch to the windows that need them, and store them in the cache."""
        if not batch:
            return
        tokenizer = self._components.tokenizer
        made = {
            input_ids: decode_generation(generation, tokenizer.decode, tokenizer.unk_id)
            for input_ids, generation in zip(batch, generations, strict=True)
            if generation is not None
        }
        with self._report.stopwatch.measure("cache"):
            self._cache.put_generations(made)
        self._report.n_generated += len(made)
        for input_ids in batch:
            for window in self._pending.pop(input_ids):
                window.n_pending -= 1
                if input_ids in made:
                    window.generations[input_ids] = made[input_ids]

    def _close(self, window: _OpenWindow) -> Iterator[tuple[Chunk, DecodedGeneration | None]]:
        for chunk in window.chunks:
            if chunk.input_ids not in window.generations:
                self._fail_chunk(chunk)
            yield chunk, window.generations.get(chunk.input_ids)

    def _fail_chunk(self, chunk: Chunk) -> None:
        if chunk.document not in self.failed:
            self.failed.add(chunk.document)
            source, n_tokens = chunk.document.source, len(chunk.input_ids)
            device = self._components.engine_choice.device
            error = DocumentError(
                f"{source}: a chunk of {n_tokens} tokens does not fit into the memory of {device}.",
                f"Lower {name_setting('max_tokens')} or {name_setting('num_beams')}.",
            )
            self._fail(Failure.of(source, "generate", error))

    def _fail(self, failure: Failure) -> None:
        self._report.failures.append(failure)
        if self._fail_fast:
            raise DocumentError(failure.message)
