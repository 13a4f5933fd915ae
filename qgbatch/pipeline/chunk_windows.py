"""Group the chunks of documents into chunk windows, which are sorted and batched together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from qgbatch.errors import ModelError, SettingsError
from qgbatch.records import Chunk, Document, Failure, OmittedKind

ChunkDocument = Callable[[Document], Iterable[Chunk]]
"""Splits a document into chunks."""


@dataclass(slots=True)
class ChunkWindow:
    """Consecutive chunks that are sorted by length and batched together."""

    chunks: list[Chunk] = field(default_factory=list)
    """The chunks that the model can read, in document order. Only the last window of a run may be empty."""
    unreadable_chunks: list[Chunk] = field(default_factory=list)
    """The chunks in a script that the model cannot read."""
    n_inputs: int = 0
    """Documents and failures whose first chunk or failure belongs to this window."""
    failures: list[Failure] = field(default_factory=list)
    """Documents and parts of documents that could not be read or chunked."""
    omitted: Counter[OmittedKind] = field(default_factory=Counter)
    """What the documents leave out of their files, and chunks in an unknown script, by kind."""
    unknown_script_source: str | None = None
    """The first document with chunks in an unknown script, of those that end in this window."""
    partly_chunked: list[Document] = field(default_factory=list)
    """Documents that failed after some of their chunks were made."""
    partly_readable: list[Document] = field(default_factory=list)
    """Documents with chunks in an unknown script, of those that end in this window."""
    seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "chunk": 0.0})
    """Time spent to make the window, by stage."""
    last_document_share: float = 1.0
    """Share of the last document's text up to the end of the window, 0 to 1."""

    def leave_out(self, document: Document, n_unknown: int) -> None:
        """Count the chunks of a document that the model cannot read."""
        if n_unknown:
            self.omitted["unknown_script_chunks"] += n_unknown
            self.unknown_script_source = self.unknown_script_source or document.source
            self.partly_readable.append(document)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the duration of the block to the time of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


def make_chunk_windows(
    documents: Iterable[Document | Failure], chunk_document: ChunkDocument, window_chunks: int
) -> Iterator[ChunkWindow]:
    """Chunk documents and yield windows of ``window_chunks`` chunks; the last window may be shorter.

    Chunks in an unknown script are left out and counted. A document that fails is recorded in its
    window, and the next document follows.

    Raises:
        ModelError: The tokenizer is damaged, so no document can be chunked.
        SettingsError: The limits leave no room for text.
    """
    window, items = ChunkWindow(), iter(documents)
    while True:
        with window.measure("read"):
            document = next(items, None)
        if document is None:
            break
        window.n_inputs += 1
        if isinstance(document, Failure):
            window.failures.append(document)
            continue
        window.failures.extend(document.unread_parts)
        window.omitted.update(document.omitted)
        chunks, n_chunks, n_unknown = iter(chunk_document(document)), 0, 0
        while True:
            try:
                with window.measure("chunk"):
                    chunk = next(chunks, None)
            except (ModelError, SettingsError):  # affects all documents
                raise
            except Exception as error:  # an unexpected error in one document must not stop the others
                window.failures.append(Failure.of(document.source, "chunk", error))
                if n_chunks:
                    window.partly_chunked.append(document)
                break
            if chunk is None:
                window.leave_out(document, n_unknown)
                break
            window.last_document_share = chunk.end_char / len(document.text)
            if chunk.unknown_script:
                n_unknown += 1
                window.unreadable_chunks.append(chunk)
                continue
            n_chunks += 1
            window.chunks.append(chunk)
            if len(window.chunks) == window_chunks:
                yield window
                window = ChunkWindow()
    yield window
