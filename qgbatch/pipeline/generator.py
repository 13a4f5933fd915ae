"""The Python API for texts: a model that is kept, and functions that load one for a single call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from types import TracebackType
from typing import Literal, Self, TypeAlias, get_args

from typing_extensions import Unpack

from qgbatch.errors import DocumentError
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.document_groups import group_documents
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.selection import dedupes_corpus, unique_in_corpus
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.records import Document, Failure, Question
from qgbatch.settings import CacheSettings, Options, Settings, check_choice

OnError: TypeAlias = Literal["raise", "skip"]
"""What to do about a text that cannot be used: raise an error, or count it in the report and go on."""


class Generator:
    """A model that is loaded once and generates questions about texts, call after call.

    The model is found at once and loaded by the first call that needs it. Threads may share a
    generator: each call has its own report, and the calls take turns at the model. ``with``
    closes the generator at the end of the block.

    Args:
        preset: A name in :data:`qgbatch.PRESETS`; ``options`` override its values.
        **options: The fields of :class:`qgbatch.Settings`.

    Raises:
        ModelError: The model is missing.
        SettingsError: An option is not valid.
    """

    def __init__(self, *, preset: str | None = None, **options: Unpack[Options]) -> None:
        settings = Settings(**options) if preset is None else Settings.from_preset(preset, **options)
        self._components: Components | None = Components.find(settings, CacheSettings().directory)

    def generate_questions(
        self,
        texts: Iterable[str | Document],
        *,
        on_error: OnError = "raise",
        report: RunReport | None = None,
    ) -> list[Question]:
        """Generate questions about texts; :meth:`iter_questions` as a list, with larger batches."""
        return list(self._questions(texts, on_error, report, is_stream=False))

    def iter_questions(
        self,
        texts: Iterable[str | Document],
        *,
        on_error: OnError = "raise",
        report: RunReport | None = None,
    ) -> Iterator[Question]:
        """Generate questions about texts and yield them in input order.

        Texts are read in the caller's thread, as many at a time as a batch needs. If the source is
        slow, the questions of a text come before the next text is read. With
        ``dedupe_scope="corpus"`` all texts are read before the first question is yielded. Results
        are not cached. An error that ``texts`` itself raises ends the iteration in any case.

        Args:
            texts: Texts or documents. A text gets its position (``"0"``, ``"1"``, ...) as
                ``source``; use :meth:`Document.from_text` for another name.
            on_error: What to do about a text that cannot be used. ``"skip"`` counts it in the
                report, whose ``failures`` say why.
            report: A report to fill while the questions are generated.

        Raises:
            DocumentError: A text cannot be used, and ``on_error`` is ``"raise"``.
            ModelError: The model is damaged.
            SettingsError: The chunk limits leave no room for text, or ``on_error`` is unknown.
            TypeError: ``texts`` is a single text or no iterable.
            ValueError: The generator is closed.
        """
        return self._questions(texts, on_error, report, is_stream=True)

    def _questions(
        self,
        texts: Iterable[str | Document],
        on_error: OnError,
        report: RunReport | None,
        *,
        is_stream: bool,
    ) -> Iterator[Question]:
        if self._components is None:
            raise ValueError("The generator is closed.")
        check_choice("on_error", on_error, get_args(OnError))
        if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
            kind = type(texts).__name__
            raise TypeError(f"texts must be an iterable of strings or Documents, not {kind}.")
        documents = _documents(texts, on_error)
        report = RunReport() if report is None else report
        fail_fast = on_error == "raise"
        return _questions(self._components, documents, report, fail_fast=fail_fast, is_stream=is_stream)

    def close(self) -> None:
        """Let go of the model; its memory is free when the iterators of earlier calls are done."""
        self._components = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def generate_questions(
    texts: Iterable[str | Document],
    *,
    preset: str | None = None,
    on_error: OnError = "raise",
    report: RunReport | None = None,
    **options: Unpack[Options],
) -> list[Question]:
    """Generate questions about texts; :func:`iter_questions` as a list."""
    return Generator(preset=preset, **options).generate_questions(texts, on_error=on_error, report=report)


def iter_questions(
    texts: Iterable[str | Document],
    *,
    preset: str | None = None,
    on_error: OnError = "raise",
    report: RunReport | None = None,
    **options: Unpack[Options],
) -> Iterator[Question]:
    """Generate questions about texts and yield them, as :meth:`Generator.iter_questions` does.

    The model is loaded for this call. Use a :class:`Generator` to keep it for several calls.
    """
    return Generator(preset=preset, **options).iter_questions(texts, on_error=on_error, report=report)


def _questions(
    components: Components,
    documents: Iterable[Document | Failure],
    report: RunReport,
    *,
    fail_fast: bool,
    is_stream: bool,
) -> Iterator[Question]:
    """Yield the questions about documents, and count them."""
    settings = components.settings
    stream = Stream(components, open_cache(components, SqliteStore(None, 0)), report, fail_fast=fail_fast)
    if is_stream and not dedupes_corpus(settings):
        groups = group_documents(documents, components.batch_budget, settings.window_chunks)
        questions: Iterable[Question] = chain.from_iterable(map(stream.questions, groups))
    else:
        questions = stream.questions(list(documents))
    if dedupes_corpus(settings):
        questions = unique_in_corpus(list(questions), components, report.dropped)
    for question in questions:
        report.n_written += 1
        yield question


def _documents(texts: Iterable[str | Document], on_error: OnError) -> Iterator[Document | Failure]:
    """Make documents of texts; one that cannot be used is raised as an error or yielded as a failure."""
    for position, text in enumerate(texts):
        try:
            document: Document | Failure = _document(text, str(position))
        except DocumentError as error:
            if on_error == "raise":
                raise
            document = Failure.of(str(position), "read", error)
        yield document


def _document(text: object, position: str) -> Document:
    if isinstance(text, Document):
        return text
    if not isinstance(text, str):
        kind = type(text).__name__
        raise DocumentError(f"{position}: a text must be a string or a Document, not {kind}.")
    return Document.from_text(text, position)
