"""One pass of documents through all stages, from chunks to questions.

Memory holds only the questions of the current document, and what the generations need. Questions are
yielded in input order, and an error in one document affects only that document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from qgbatch.pipeline.cache import Cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.document_result import DocumentCounts, DocumentResult
from qgbatch.pipeline.generation_stream import GenerationStream, OnBatch, OnChunks
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.selection import dedupes_corpus, drop_duplicates, number_repetitions, select_questions
from qgbatch.questions.extraction import extract_questions, with_answer
from qgbatch.questions.filters import limit_per_chunk
from qgbatch.questions.form import is_english_prose
from qgbatch.questions.review import ReviewDecisions
from qgbatch.records import Chunk, DecodedGeneration, Document, Failure, Question

_MIN_CHUNKS_FOR_RATE = 32
"""The rate of a run is only stored if the model processed at least this many chunks."""
_QUESTIONS_PER_ANSWER_CALL = 512
"""Number of questions to collect before each call of the answer model, so that its batches are full."""


class Stream:
    """One pass of documents through the stages. Counts and failures go into the report."""

    def __init__(
        self,
        components: Components,
        cache: Cache,
        report: RunReport,
        *,
        fail_fast: bool,
        decisions: ReviewDecisions | None = None,
        on_batch: OnBatch | None = None,
        on_chunks: OnChunks | None = None,
    ) -> None:
        self._components = components
        self._cache = cache
        self._report = report
        self._decisions = decisions
        self._generating = GenerationStream(
            components, cache, report, fail_fast=fail_fast, on_batch=on_batch, on_chunks=on_chunks
        )

    def questions(self, documents: Iterable[Document | Failure]) -> Iterator[Question]:
        """Yield the questions of documents in input order; see :meth:`results`."""
        for result in self.results(documents):
            yield from result.questions

    def results(self, documents: Iterable[Document | Failure]) -> Iterator[DocumentResult]:
        """Yield the result of each document that can be used, in input order.

        Duplicates are dropped within a chunk or document. With ``dedupe_scope="corpus"`` all questions are
        yielded, and the limit per chunk is applied later, too.
        """
        settings = self._components.settings
        for result in self._add_answers(self._select(documents)):
            if not dedupes_corpus(settings):
                maximum, dropped = settings.max_questions_per_chunk, result.counts.dropped
                result.questions = [
                    *number_repetitions(limit_per_chunk(result.questions, maximum, dropped))
                ]
            self._report.add_questions(result.counts)
            yield result
        if self._report.n_generated >= _MIN_CHUNKS_FOR_RATE:
            self._cache.put_rate(self._report.seconds["generate"] / self._report.n_generated)

    def _select(self, documents: Iterable[Document | Failure]) -> Iterator[DocumentResult]:
        """The results of documents after filters and deduplication."""
        pairs = self._generating.generations(documents)
        for document, generations in groupby(pairs, key=lambda pair: pair[0].document):
            counts = DocumentCounts(omitted=Counter(document.omitted))
            questions = self._extract(generations, counts)
            if document in self._generating.failed:
                self._generating.failed.discard(document)
                continue
            counts.n_raw = len(questions) + counts.dropped.total()
            with self._report.stopwatch.measure("filter"):
                questions = select_questions(questions, self._components, self._decisions, counts.dropped)
            counts.n_applied_decisions = sum(question.review is not None for question in questions)
            with self._report.stopwatch.measure("dedupe"):
                questions = drop_duplicates(questions, self._components, counts.dropped)
            is_whole = document not in self._generating.partly_readable and not document.unread_parts
            self._generating.partly_readable.discard(document)
            yield DocumentResult(document, questions, counts, is_whole)

    def _add_answers(self, selected: Iterable[DocumentResult]) -> Iterator[DocumentResult]:
        """Add answers if there is an answer model, for enough questions at a time to fill its batches."""
        if not self._components.answer_model:
            yield from selected
            return
        waiting: list[DocumentResult] = []
        for result in selected:
            waiting.append(result)
            if sum(len(each.questions) for each in waiting) >= _QUESTIONS_PER_ANSWER_CALL:
                yield from self._answer(waiting)
                waiting = []
        yield from self._answer(waiting)

    def _answer(self, results: Sequence[DocumentResult]) -> Iterator[DocumentResult]:
        """Answer the questions of documents, and drop those whose answer scores below the minimum."""
        with self._report.stopwatch.measure("answer"):
            pairs = [_asked(question) for result in results for question in result.questions]
            answers = self._cache.get_answers(pairs)
            if new := [pair for pair in dict.fromkeys(pairs) if pair not in answers]:
                made = dict(zip(new, self._components.answerer.answer(new), strict=True))
                self._cache.put_answers(made)
                answers |= made
        min_score = self._components.settings.min_answer_score or 0.0
        for result in results:
            answered = [with_answer(question, answers[_asked(question)]) for question in result.questions]
            kept = [q for q in answered if q.review or (q.answer_score or 0.0) >= min_score]
            result.counts.dropped["unanswered"] += len(answered) - len(kept)
            result.questions = kept
            yield result

    def _extract(
        self, generations: Iterable[tuple[Chunk, DecodedGeneration | None]], counts: DocumentCounts
    ) -> list[Question]:
        questions: list[Question] = []
        metadata = self._components.model.metadata
        for chunk, generation in generations:
            counts.add_chunk(chunk)
            if generation is None:
                continue
            with self._report.stopwatch.measure("questions"):
                if metadata.language == "english" and not is_english_prose(chunk.text):
                    counts.dropped["not_prose"] += sum(piece != "" for piece in generation.pieces)
                else:
                    questions += extract_questions(
                        chunk, generation, metadata.output_format, counts.dropped
                    )
        return questions


def _asked(question: Question) -> tuple[str, str]:
    """The question that the model wrote, and its context: what the answer model gets."""
    return question.original_question or question.question, question.chunk.text
