"""Documents -> questions: one pass through all the stages.

Documents come in windows of chunks; nothing but the open window and the questions of
the document at hand is held in memory. Results come out in input order, and what is
wrong with one document stays with that document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice

from qgbatch.cache import Cache
from qgbatch.dedupe import find_duplicates
from qgbatch.errors import DocumentError, ModelError, SettingsError
from qgbatch.questions import decode_generation, extract_questions
from qgbatch.records import Chunk, DecodedGeneration, Document, Failure, InputIds, Question, RunReport
from qgbatch.settings import Settings
from qgbatch.stages import Stages

OnBatch = Callable[[Chunk, float], None]
"""Called after each batch with the last chunk of its window and the share of that window that is done."""

_ENOUGH_FOR_A_RATE = 32
"""Chunks; fewer say little of how long others will take."""


class Stream:
    """One pass of documents through the stages; counts and failures go into the report."""

    def __init__(
        self,
        stages: Stages,
        cache: Cache,
        report: RunReport,
        *,
        fail_fast: bool,
        on_batch: OnBatch | None = None,
    ) -> None:
        self._stages = stages
        self._cache = cache
        self._report = report
        self._fail_fast = fail_fast
        self._on_batch = on_batch or (lambda last, share: None)
        self._failed: set[Document] = set()

    def questions(self, documents: Iterable[Document | Failure]) -> Iterator[Question]:
        """Questions in input order, without duplicates but for those across documents."""
        results = self._generations(documents)
        for document, its_results in groupby(results, key=lambda result: result[0].document):
            dropped: Counter[str] = Counter()
            questions = self._extract(its_results, dropped)
            if document in self._failed:
                self._failed.discard(document)
                continue
            self._report.n_documents += 1
            self._report.n_raw += len(questions) + dropped.total()
            self._report.dropped.update(dropped)
            yield from self._drop_duplicates(questions)
        if self._report.n_generated >= _ENOUGH_FOR_A_RATE:
            self._cache.keep_rate(self._report.seconds["generate"] / self._report.n_generated)

    def count(self, documents: Iterable[Document | Failure]) -> None:
        """Count what :meth:`questions` would have to do, without the model."""
        report, seen = self._report, set[int]()
        for window in self._windows(documents):
            known = self._reuse(window)
            new = {hash(chunk.input_ids) for chunk in window if chunk.input_ids not in known} - seen
            report.n_generated += len(new)
            seen |= new
        report.n_documents = report.n_inputs - len(report.failures)

    def _windows(self, documents: Iterable[Document | Failure]) -> Iterator[list[Chunk]]:
        report, chunks = self._report, self._chunks(documents)
        while window := list(islice(chunks, self._stages.settings.window_chunks)):
            report.n_chunks += len(window)
            report.n_hard_splits += sum(chunk.hard_split for chunk in window)
            report.n_source_tokens += sum(len(chunk.input_ids) for chunk in window)
            yield window

    def _chunks(self, documents: Iterable[Document | Failure]) -> Iterator[Chunk]:
        report = self._report
        for document in documents:
            report.n_inputs += 1
            if isinstance(document, Failure):
                self._fail(document)
                continue
            chunk = None
            chunks = self._cache.chunks(document, self._stages.chunks)
            try:
                for chunk in report.timed_iter("chunk", chunks):
                    if document in self._failed:
                        break
                    yield chunk
            except (ModelError, SettingsError):  # the tokenizer, which no document can do without
                raise
            except Exception as error:  # whatever odd text sets off must not stop the others
                if chunk is not None:  # else nothing of it is under way
                    self._failed.add(document)
                self._fail(Failure.of(document.source, "chunk", error))

    def _generations(
        self, documents: Iterable[Document | Failure]
    ) -> Iterator[tuple[Chunk, DecodedGeneration | None]]:
        for window in self._windows(documents):
            generations = self._reuse(window)
            self._generate(window, generations)
            for chunk in window:
                if chunk.input_ids not in generations:
                    self._fail_chunk(chunk)
                yield chunk, generations.get(chunk.input_ids)

    def _reuse(self, window: Sequence[Chunk]) -> dict[InputIds, DecodedGeneration]:
        with self._report.timed("cache"):
            known = self._cache.generations([chunk.input_ids for chunk in window])
        self._report.n_reused += sum(chunk.input_ids in known for chunk in window)
        return known

    def _generate(self, window: Sequence[Chunk], known: dict[InputIds, DecodedGeneration]) -> None:
        """Complete what is known of a window; equal chunks are done once, batches kept one by one."""
        report, stages = self._report, self._stages
        distinct = dict.fromkeys(chunk.input_ids for chunk in window)
        missing = [input_ids for input_ids in distinct if input_ids not in known]
        if not missing:
            self._on_batch(window[-1], 1.0)
            return
        with report.timed("load"):
            prompt, _ = stages.prompt, stages.engine
        n_done = 0
        for batch, generations in report.timed_iter("generate", stages.generate(missing)):
            made = {
                input_ids: decode_generation(generation, prompt.decode, prompt.unk_id)
                for input_ids, generation in zip(batch, generations, strict=True)
                if generation is not None
            }
            with report.timed("cache"):
                self._cache.keep(made)
            known.update(made)
            report.n_generated += len(made)
            n_done += len(batch)
            self._on_batch(window[-1], n_done / len(missing))

    def _fail_chunk(self, chunk: Chunk) -> None:
        if chunk.document not in self._failed:
            self._failed.add(chunk.document)
            source, n_tokens = chunk.document.source, len(chunk.input_ids)
            device = self._stages.engine_choice.device
            error = DocumentError(
                f"{source}: a chunk of {n_tokens} tokens does not fit into the memory of {device}.",
                "Lower --max-tokens or --num-beams.",
            )
            self._fail(Failure.of(source, "generate", error))

    def _extract(
        self, results: Iterable[tuple[Chunk, DecodedGeneration | None]], dropped: Counter[str]
    ) -> list[Question]:
        questions: list[Question] = []
        for chunk, generation in results:
            if generation is not None:
                with self._report.timed("questions"):
                    questions += extract_questions(chunk, generation, dropped)
        return questions

    def _drop_duplicates(self, questions: list[Question]) -> list[Question]:
        scope = self._stages.settings.dedupe_scope
        if scope == "corpus":
            return questions
        with self._report.timed("dedupe"):
            if scope == "document":
                return unique(questions, self._stages.settings, self._report)
            by_chunk = groupby(questions, key=lambda question: question.chunk)
            kept = (unique(list(group), self._stages.settings, self._report) for _, group in by_chunk)
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
