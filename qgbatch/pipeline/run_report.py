"""The counts of a run while it is running."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime

from qgbatch.errors import ExitCode, display, exit_code_of
from qgbatch.output.run_facts import Provenance, RunFacts
from qgbatch.pipeline.document_result import DocumentCounts
from qgbatch.pipeline.stopwatch import Stopwatch
from qgbatch.records import Failure, OmittedKind


@dataclass(slots=True)
class RunReport:
    """Counts and failures of a run; ``n_raw == n_written + sum(dropped.values())`` at its end."""

    n_inputs: int = 0
    """Documents seen, including failed ones: files, rows of tables and other inputs."""
    n_documents: int = 0
    """Documents used."""
    n_chunks: int = 0
    n_hard_splits: int = 0
    """Chunks with :attr:`Chunk.hard_split`."""
    n_source_tokens: int = 0
    """Sum of ``len(chunk.input_ids)``."""
    n_generated: int = 0
    """Chunks that the model processed. Others came from the cache, equal another chunk, or failed."""
    n_reused: int = 0
    """Chunks whose result came from the cache."""
    n_raw: int = 0
    """Pieces of text that the model wrote between separators, without empty ones."""
    n_written: int = 0
    """Rows written."""
    n_unchanged: int = 0
    """Documents that were not opened, because their files are unchanged since an earlier run."""
    n_decisions: int = 0
    """Decisions of a reader, from ``review_with``."""
    n_applied_decisions: int = 0
    """Those about questions that the run generated."""
    n_passages: int = 0
    """Passages written."""
    ranks: Counter[str] = field(default_factory=Counter)
    """Rows written, by the range of their rank in BM25."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Pieces that became no row, by reason."""
    omitted: Counter[OmittedKind] = field(default_factory=Counter)
    """What is not in the text of the documents, and chunks that the model cannot read, by kind."""
    unknown_script_source: str | None = None
    """The first document that was used without some of its chunks, because of their script."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Files of input directories that were not read, by reason."""
    failures: list[Failure] = field(default_factory=list)
    """Documents, and parts of documents, that could not be used."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    files: dict[str, object] = field(default_factory=dict)
    """Inputs, output, and how they are read and written, as JSON values."""
    provenance: Provenance | None = None
    """Set once the model is found."""
    error: BaseException | None = None
    """The error that ended the run early, if any."""
    workers: int = 1
    """Number of processes that share the work. ``seconds`` is summed over them."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time per stage; see :attr:`Stopwatch.seconds`."""
        return self.stopwatch.seconds

    @property
    def n_failed(self) -> int:
        """Documents that could not be used."""
        return sum(failure.stage != "part" for failure in self.failures)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that these counts stand for."""
        if self.error:
            return exit_code_of(self.error)
        if not self.failures:
            return ExitCode.OK
        return ExitCode.PARTIAL if self.n_documents else ExitCode.NO_INPUT

    def add_questions(self, counts: DocumentCounts) -> None:
        """Count a used document and its questions. Its chunks are counted when they are made."""
        self.n_documents += 1
        self.n_raw += counts.n_raw
        self.n_applied_decisions += counts.n_applied_decisions
        self.dropped.update(counts.dropped)

    def add_stored(self, counts: DocumentCounts) -> None:
        """Count a document whose rows are stored since an earlier run."""
        self.add_questions(counts)
        self.n_inputs += 1
        self.n_unchanged += 1
        self.n_chunks += counts.n_chunks
        self.n_reused += counts.n_chunks
        self.n_hard_splits += counts.n_hard_splits
        self.n_source_tokens += counts.n_source_tokens
        self.omitted.update(counts.omitted)

    def add(self, facts: RunFacts) -> None:
        """Add the counts, times and failures of one part of the run."""
        for name in COUNT_NAMES:
            setattr(self, name, getattr(self, name) + getattr(facts, name))
        self.dropped.update(facts.dropped)
        self.omitted.update(facts.omitted)
        self.ranks.update(facts.ranks)
        self.unknown_script_source = self.unknown_script_source or facts.unknown_script_source
        self.failures.extend(facts.failures)
        for stage, seconds in facts.seconds.items():
            self.stopwatch.seconds[stage] += seconds

    def facts(self) -> RunFacts:
        """Return a frozen copy of the report."""
        return RunFacts(
            started=self.started.isoformat(timespec="seconds"),
            exit_code=int(self.exit_code),
            error=display(str(self.error) or type(self.error).__name__) if self.error else None,
            workers=self.workers,
            **{name: getattr(self, name) for name in COUNT_NAMES},
            dropped=dict(+self.dropped),
            omitted=dict(self.omitted),
            ranks=dict(self.ranks),
            unknown_script_source=self.unknown_script_source,
            skipped=dict(self.skipped),
            seconds={stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
            failures=tuple(self.failures),
            files=dict(self.files),
            provenance=self.provenance,
        )


COUNT_NAMES = tuple(spec.name for spec in fields(RunReport) if spec.name.startswith("n_"))
"""The names of the counts, the same in :class:`RunReport` and :class:`RunFacts`."""
