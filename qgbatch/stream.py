"""Documents -> questions: one pass through all the stages.

Documents come in windows of chunks; nothing but the open window and the questions of
the document at hand is held in memory. Results come out in input order, and what is
wrong with one document stays with that document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, islice

import qgbatch
from qgbatch.chunking import ChunkLimits, SplitSentences, chunk_document
from qgbatch.dedupe import find_duplicates
from qgbatch.engines import Engine, SpecialIds, load_engine
from qgbatch.errors import DocumentError
from qgbatch.models import ModelFiles, choose_decoding, find_model
from qgbatch.prompt import Prompt, load_prompt
from qgbatch.questions import extract_questions
from qgbatch.records import Chunk, Document, Failure, Generation, Question, RunReport
from qgbatch.sentences import SentenceSplitter
from qgbatch.settings import Decoding, Settings


@dataclass(frozen=True)
class Stages:
    """Everything that is loaded once for a run."""

    settings: Settings
    model: ModelFiles
    decoding: Decoding
    prompt: Prompt
    limits: ChunkLimits
    split_sentences: SplitSentences
    engine: Engine

    @classmethod
    def load(cls, settings: Settings) -> Stages:
        """Find and load the model and what goes with it; all settings are checked here.

        Raises:
            ModelError: the model is missing or damaged.
            SettingsError: settings do not fit the model, each other or this machine.
        """
        model = find_model(settings.model, settings.revision)
        decoding = choose_decoding(settings, model)
        prompt = load_prompt(model, settings.tokenizer)
        max_tokens = settings.max_tokens or model.metadata.max_source_tokens
        target_tokens = settings.target_tokens or model.metadata.target_tokens or max_tokens
        limits = ChunkLimits(max_tokens, min(target_tokens, max_tokens))
        limits.check(prompt.n_prompt_tokens)
        special = SpecialIds(prompt.pad_id, prompt.eos_id, prompt.unk_id, prompt.separator_id)
        engine = load_engine(settings, model, decoding, special)
        splitter = SentenceSplitter(settings.language)
        return cls(settings, model, decoding, prompt, limits, splitter, engine)

    def facts(self) -> dict[str, object]:
        """What the output depends on, beside the documents."""
        settings = {**asdict(self.settings), **asdict(self.decoding), **asdict(self.limits)}
        return {
            "qgbatch": qgbatch.__version__,
            "model": self.model.name,
            "model_revision": self.model.revision,
            "model_sha256": self.model.sha256,
            "engine": self.engine.name,
            "device": self.engine.device,
            "precision": self.engine.precision,
            "settings": settings,
        }


class Stream:
    """One pass of documents through the stages; counts and failures go into the report."""

    def __init__(
        self,
        stages: Stages,
        report: RunReport,
        *,
        fail_fast: bool,
        on_window: Callable[[Chunk], None] | None = None,
    ) -> None:
        self._stages = stages
        self._report = report
        self._fail_fast = fail_fast
        self._on_window = on_window
        self._failed: set[Document] = set()

    def questions(self, documents: Iterable[Document | Failure]) -> Iterator[Question]:
        """Questions in input order, without duplicates but for those across documents."""
        results = self._generations(self._chunks(documents))
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

    def _chunks(self, documents: Iterable[Document | Failure]) -> Iterator[Chunk]:
        stages, report = self._stages, self._report
        for document in documents:
            report.n_inputs += 1
            if isinstance(document, Failure):
                self._fail(document)
                continue
            chunk = None
            chunks = chunk_document(document, stages.prompt, stages.split_sentences, stages.limits)
            try:
                for chunk in report.timed_iter("chunk", chunks):
                    if document in self._failed:
                        break
                    yield chunk
            except Exception as error:  # whatever odd text sets off must not stop the others
                if chunk is not None:  # else nothing of it is under way
                    self._failed.add(document)
                self._fail(Failure.of(document.source, "chunk", error))

    def _generations(self, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, Generation | None]]:
        report = self._report
        while window := list(islice(chunks, self._stages.settings.window_chunks)):
            report.n_chunks += len(window)
            report.n_hard_splits += sum(chunk.hard_split for chunk in window)
            report.n_source_tokens += sum(len(chunk.input_ids) for chunk in window)
            with report.timed("generate"):
                generations = self._generate(window)
            yield from zip(window, generations, strict=True)
            if self._on_window:
                self._on_window(window[-1])

    def _generate(self, window: Sequence[Chunk]) -> Sequence[Generation | None]:
        """Generations of a window; if one of its documents cannot be done, of each alone."""
        try:
            return self._stages.engine.generate(window)
        except DocumentError as error:
            by_document = [list(chunks) for _, chunks in groupby(window, key=lambda c: c.document)]
            if len(by_document) > 1:
                return [result for chunks in by_document for result in self._generate(chunks)]
            document = window[0].document
            self._failed.add(document)
            self._fail(Failure.of(document.source, "generate", error))
            return [None] * len(window)

    def _extract(
        self, results: Iterable[tuple[Chunk, Generation | None]], dropped: Counter[str]
    ) -> list[Question]:
        prompt = self._stages.prompt
        questions: list[Question] = []
        for chunk, generation in results:
            if generation is not None:
                with self._report.timed("questions"):
                    questions += extract_questions(chunk, generation, prompt.decode, prompt.unk_id, dropped)
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
