"""What a run makes of one document: its questions, and what it counts on the way to them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from qgbatch.records import Chunk, Document, OmittedKind, Question


@dataclass(slots=True)
class DocumentCounts:
    """The part of a document in the counts of a run, see :class:`qgbatch.pipeline.run_report.RunReport`."""

    n_chunks: int = 0
    n_hard_splits: int = 0
    n_source_tokens: int = 0
    n_raw: int = 0
    n_applied_decisions: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    omitted: Counter[OmittedKind] = field(default_factory=Counter)

    def add_chunk(self, chunk: Chunk) -> None:
        """Count a chunk that the model can read."""
        self.n_chunks += 1
        self.n_hard_splits += chunk.hard_split
        self.n_source_tokens += len(chunk.input_ids)


@dataclass(slots=True)
class DocumentResult:
    """The questions of a document, and its counts."""

    document: Document
    questions: list[Question]
    counts: DocumentCounts
    is_whole: bool
    """Whether all of it was used: each part was read, and the model can read its script."""
