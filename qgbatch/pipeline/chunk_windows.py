"""Documents -> windows of chunks, each with what became of the documents on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from qgbatch.errors import ModelError, SettingsError
from qgbatch.records import Chunk, Document, Failure

CutDocument = Callable[[Document], Iterable[Chunk]]


@dataclass(slots=True)
class ChunkWindow:
    """Consecutive chunks that are sorted by length and batched together; the last one may have none."""

    chunks: list[Chunk] = field(default_factory=list)
    n_inputs: int = 0
    """Documents and failures that were begun in it."""
    failures: list[Failure] = field(default_factory=list)
    broken: list[Document] = field(default_factory=list)
    """Documents that failed after chunks of theirs had come."""
    seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "chunk": 0.0})

    @property
    def share_of_last(self) -> float:
        """How much of its last document it covers, 0 to 1."""
        last = self.chunks[-1] if self.chunks else None
        return last.end_char / len(last.document.text) if last else 1.0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


def make_windows(
    documents: Iterable[Document | Failure], cut: CutDocument, window_chunks: int
) -> Iterator[ChunkWindow]:
    """Read and cut documents into windows of ``window_chunks`` chunks, the last one shorter."""
    window, items = ChunkWindow(), iter(documents)
    while True:
        with window.timed("read"):
            document = next(items, None)
        if document is None:
            break
        window.n_inputs += 1
        if isinstance(document, Failure):
            window.failures.append(document)
            continue
        chunks, n_chunks = iter(cut(document)), 0
        while True:
            try:
                with window.timed("chunk"):
                    chunk = next(chunks, None)
            except (ModelError, SettingsError):  # the tokenizer, which no document can do without
                raise
            except Exception as error:  # whatever odd text sets off must not stop the others
                window.failures.append(Failure.of(document.source, "chunk", error))
                if n_chunks:
                    window.broken.append(document)
                break
            if chunk is None:
                break
            n_chunks += 1
            window.chunks.append(chunk)
            if len(window.chunks) == window_chunks:
                yield window
                window = ChunkWindow()
    yield window
