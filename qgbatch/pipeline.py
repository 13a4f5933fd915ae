"""The only place where the stages meet.

Documents stream through in windows of chunks; nothing but the open window and the
questions of the document at hand is held in memory. Results come back in input order,
and what is wrong with one document stays with that document.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from pathlib import Path

from typing_extensions import Unpack

import qgbatch
from qgbatch.chunking import ChunkLimits, SplitSentences, chunk_document
from qgbatch.dedupe import find_duplicates
from qgbatch.engines import Engine, SpecialIds, load_engine
from qgbatch.errors import DocumentError, OutputError
from qgbatch.models import ModelFiles, choose_decoding, find_model
from qgbatch.prompt import Prompt, load_prompt
from qgbatch.questions import extract_questions
from qgbatch.readers import Listing, has_known_suffix, list_inputs, read_document
from qgbatch.records import Chunk, Document, Failure, Generation, Question, RunReport
from qgbatch.sentences import SentenceSplitter
from qgbatch.settings import Decoding, FileSettings, Options, Settings
from qgbatch.writers import STDOUT, Row, choose_format, make_writer, open_output, to_row

OnProgress = Callable[[float, RunReport], None]
"""Called after each window with the share of the input that is done, 0 to 1."""


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


def generate_questions(texts: Iterable[str | Document], **options: Unpack[Options]) -> list[Question]:
    """Ask questions of texts: :func:`iter_questions` as a list."""
    return list(iter_questions(texts, **options))


def iter_questions(texts: Iterable[str | Document], **options: Unpack[Options]) -> Iterator[Question]:
    """Yield the questions of texts in order, reading them as it goes.

    The options are the fields of :class:`qgbatch.Settings`. A plain text gets its
    position (``"0"``, ``"1"``, ...) as ``source``; use :meth:`Document.from_text` to give
    another. With ``dedupe_scope="corpus"`` all questions are made before the first is
    given.

    Raises:
        DocumentError: a text cannot be used. Nothing is skipped.
        ModelError: the model is missing or damaged.
        SettingsError: an option is out of range.
    """
    stages = Stages.load(Settings(**options))
    documents = (
        text if isinstance(text, Document) else Document.from_text(text, str(position))
        for position, text in enumerate(texts)
    )
    report = RunReport()
    questions = _Stream(stages, report, fail_fast=True).questions(documents)
    if stages.settings.dedupe_scope == "corpus":
        yield from _unique(list(questions), stages.settings, report)
    else:
        yield from questions


def run(
    inputs: Sequence[str],
    output: str,
    settings: Settings | None = None,
    files: FileSettings | None = None,
    *,
    report: RunReport | None = None,
    on_progress: OnProgress | None = None,
) -> RunReport:
    """Read documents, write their questions to ``output`` and report.

    The output is replaced only if at least one document could be used. ``report``, if
    given, is filled as the run goes and returned.

    Raises:
        DocumentError: with ``fail_fast``, the first document that fails.
        ModelError: the model is missing or damaged.
        OutputError: the output cannot be written, or would be read as an input.
        SettingsError: a setting is out of range.
    """
    settings, files = settings or Settings(), files or FileSettings()
    report = report if report is not None else RunReport()
    file_format = choose_format(output, files.format)
    with report.timed("total"):
        listing = list_inputs(inputs)
        report.skipped.update(listing.skipped)
        _refuse_output_among_inputs(output, inputs, listing)
        if not any(isinstance(item, str) for item in listing.items):
            report.failures.extend(item for item in listing.items if isinstance(item, Failure))
            return report
        with suppress(_NothingToWriteError), open_output(output) as stream:
            stages = Stages.load(settings)
            report.facts = stages.facts()
            writer = make_writer(stream, file_format, report.facts, with_context=files.with_context)
            for row in _rows(listing, stages, files, report, on_progress):
                with report.timed("write"):
                    writer.write(row)
                report.n_written += 1
            if not report.n_documents:
                raise _NothingToWriteError
            writer.close()
    return report


class _NothingToWriteError(Exception):
    """Not one document could be used: the output stays as it is."""


def _rows(
    listing: Listing,
    stages: Stages,
    files: FileSettings,
    report: RunReport,
    on_progress: OnProgress | None,
) -> Iterator[Row]:
    def on_window(last: Chunk) -> None:
        if on_progress:
            share_of_document = last.end_char / len(last.document.text)
            on_progress((report.n_inputs - 1 + share_of_document) / len(listing.items), report)

    documents = report.timed_iter("read", _read(listing, files))
    stream = _Stream(stages, report, fail_fast=files.fail_fast, on_window=on_window)
    questions = stream.questions(documents)
    rows = (to_row(q, stages.model.name, with_context=files.with_context) for q in questions)
    if stages.settings.dedupe_scope == "corpus":
        return _unique_in_corpus(rows, stages.settings, report)
    return rows


def _read(listing: Listing, files: FileSettings) -> Iterator[Document | Failure]:
    for item in listing.items:
        if isinstance(item, Failure):
            yield item
        else:
            try:
                yield read_document(item, files.encoding)
            except DocumentError as error:
                yield Failure.of(item, "read", error)


class _Stream:
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
            with self._report.timed("questions"):
                questions = self._extract(its_results, dropped)
            if document not in self._failed:
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
            chunks = chunk_document(document, stages.prompt, stages.split_sentences, stages.limits)
            try:
                for chunk in report.timed_iter("chunk", chunks):
                    if document in self._failed:
                        break
                    yield chunk
            except DocumentError as error:
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
        """Generations of a window; if it fails, of each of its documents alone."""
        try:
            return self._stages.engine.generate(window)
        except Exception as error:
            documents = dict.fromkeys(chunk.document for chunk in window)
            if len(documents) == 1 and isinstance(error, DocumentError):
                document = next(iter(documents))
                self._failed.add(document)
                self._fail(Failure.of(document.source, "generate", error))
                return [None] * len(window)
            if len(documents) == 1 or not isinstance(error, DocumentError):
                raise
        generations: list[Generation | None] = []
        for _, chunks in groupby(window, key=lambda chunk: chunk.document):
            generations.extend(self._generate(list(chunks)))
        return generations

    def _extract(
        self, results: Iterable[tuple[Chunk, Generation | None]], dropped: Counter[str]
    ) -> list[Question]:
        prompt = self._stages.prompt
        return [
            question
            for chunk, generation in results
            if generation is not None
            for question in extract_questions(chunk, generation, prompt.decode, prompt.unk_id, dropped)
        ]

    def _drop_duplicates(self, questions: list[Question]) -> list[Question]:
        scope = self._stages.settings.dedupe_scope
        if scope == "corpus":
            return questions
        with self._report.timed("dedupe"):
            if scope == "document":
                return _unique(questions, self._stages.settings, self._report)
            by_chunk = groupby(questions, key=lambda question: question.chunk)
            kept = (_unique(list(group), self._stages.settings, self._report) for _, group in by_chunk)
            return [question for group in kept for question in group]

    def _fail(self, failure: Failure) -> None:
        if self._fail_fast:
            raise DocumentError(failure.message)
        self._report.failures.append(failure)


def _unique(questions: list[Question], settings: Settings, report: RunReport) -> list[Question]:
    duplicates = find_duplicates(
        [question.question for question in questions],
        [question.score for question in questions],
        settings.dedupe,
        settings.near_threshold,
    )
    report.dropped.update(duplicates.values())
    return [question for index, question in enumerate(questions) if index not in duplicates]


def _unique_in_corpus(rows: Iterable[Row], settings: Settings, report: RunReport) -> Iterator[Row]:
    """Rows without duplicates; they wait on disk, only questions and scores in memory."""
    questions: list[str] = []
    scores: list[float] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        for row in rows:
            questions.append(str(row["question"]))
            scores.append(float(row["score"]))
            waiting.write(json.dumps(row) + "\n")
        with report.timed("dedupe"):
            duplicates = find_duplicates(questions, scores, settings.dedupe, settings.near_threshold)
        report.dropped.update(duplicates.values())
        waiting.seek(0)
        for index, line in enumerate(waiting):
            if index not in duplicates:
                yield json.loads(line)


def _refuse_output_among_inputs(output: str, inputs: Sequence[str], listing: Listing) -> None:
    """Keep the next run from reading what this one writes."""
    if output == STDOUT:
        return
    target = os.path.realpath(output)
    if any(isinstance(item, str) and os.path.realpath(item) == target for item in listing.items):
        raise OutputError(f"{output}: is one of the inputs.", "Write to another file.")
    inside = [
        path
        for path in inputs
        if os.path.isdir(path) and Path(target).is_relative_to(os.path.realpath(path))
    ]
    if inside and has_known_suffix(output):
        raise OutputError(
            f"{output}: lies in the input {inside[0]}, where the next run would read it.",
            "Write to another directory, or under another suffix.",
        )
