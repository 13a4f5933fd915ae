"""The records that travel between the stages.

Offsets count code points of :attr:`Document.text` and are half open; every
``*_index`` counts from 0.
"""

from __future__ import annotations

import hashlib
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, TypeVar

from qgbatch.errors import DocumentError, ExitCode, QgbatchError, exit_code_of

Item = TypeVar("Item")
FinishReason = Literal["eos", "length"]
Stage = Literal["read", "chunk", "generate"]
InputIds: TypeAlias = tuple[int, ...]
"""Exactly what the model gets for a chunk: prefix, text, ending and end token."""

REPORT_SCHEMA = 1
"""Raised when a field of the report changes its name or meaning; new fields may come without."""
SCORE_DECIMALS = 4
"""Scores are rounded to this: in float32 the same row in another batch scores up to 0.000002 different."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One text to ask questions of. Two documents are never equal, even with the same text."""

    source: str
    """Where it came from: a path, ``-`` for standard input, or the caller's own name."""
    text: str
    sha256: str
    """SHA-256 of the text in UTF-8, as 64 hexadecimal digits."""
    page_starts: tuple[int, ...] = ()
    """Offset of the first character of each page, where there are pages."""

    @classmethod
    def from_text(cls, text: str, source: str, page_starts: tuple[int, ...] = ()) -> Document:
        """Wrap a text.

        Raises:
            DocumentError: the text has no character but white space, has NUL
                characters, or cannot be written as UTF-8.
        """
        if not text or text.isspace():
            what = "holds nothing but white space" if text else "is empty"
            raise DocumentError(f"{source}: the document {what}.", "Remove it or fill it.")
        if "\0" in text:
            raise DocumentError(
                f"{source}: the document is binary (a NUL character at offset {text.index(chr(0))}).",
                "Give plain text; UTF-16 needs a byte order mark or --encoding utf-16-le.",
            )
        try:
            digest = hashlib.sha256(text.encode()).hexdigest()
        except UnicodeEncodeError as error:
            raise DocumentError(
                f"{source}: half of a surrogate pair at offset {error.start}.",
                "Decode the text anew, or replace such characters before.",
            ) from error
        return cls(source, text, digest, page_starts)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A stretch of a document that the model reads at once."""

    document: Document
    chunk_index: int
    start_char: int
    end_char: int
    input_ids: InputIds
    hard_split: bool
    """True where a cut had to be made inside a sentence."""

    @property
    def text(self) -> str:
        """The part of the document that the chunk covers."""
        return self.document.text[self.start_char : self.end_char]

    @property
    def page(self) -> int | None:
        """The page on which it begins, from 1; ``None`` where there are no pages."""
        return bisect_right(self.document.page_starts, self.start_char) or None


@dataclass(frozen=True, slots=True)
class Generation:
    """What the model wrote for one chunk."""

    pieces: tuple[tuple[int, ...], ...]
    """Token ids between the separators, end token left out; a piece may be empty."""
    score: float
    """Mean log-probability per generated token, end token counted; nats, at most 0."""
    finish_reason: FinishReason
    """``eos`` when the model ended by itself, ``length`` when it was cut off."""


@dataclass(frozen=True, slots=True)
class DecodedGeneration:
    """A :class:`Generation` as text: what questions are made of, and what the cache keeps."""

    pieces: tuple[str | None, ...]
    """Text between the separators, with single spaces; may be empty. ``None`` for a piece
    with a character that the vocabulary lacks, which would be missing from it."""
    score: float
    """Rounded to :data:`SCORE_DECIMALS`."""
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Question:
    """One question and the chunk it was asked of."""

    question: str
    question_index: int
    """Position among the pieces that the model wrote for this chunk."""
    score: float
    """:attr:`DecodedGeneration.score` of the output it is a part of."""
    chunk: Chunk
    answer: str | None = None
    answer_start_char: int | None = None
    """Where the answer begins in :attr:`Document.text`; ``None`` where it is in other words."""
    answer_score: float | None = None
    """Of an answering model, 0 to 1."""

    @property
    def question_id(self) -> str:
        """``q`` and 16 hexadecimal digits: the same on every run over the same text.

        A hash of the document's text, the chunk's span and the question. The letter
        keeps readers of CSV and JSON from taking an id for a number.
        """
        chunk = self.chunk
        return make_question_id(chunk.document.sha256, chunk.start_char, chunk.end_char, self.question)


def make_question_id(document_sha256: str, start_char: int, end_char: int, question: str) -> str:
    """The :attr:`Question.question_id` of a question asked of this span."""
    identity = f"{document_sha256}:{start_char}:{end_char}:{question}"
    return "q" + hashlib.sha256(identity.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Answer:
    """The best answer that a text has; how good it is, the scores say."""

    text: str
    """Exactly ``context[start_char:end_char]``; empty where there was nothing to choose."""
    start_char: int
    end_char: int
    """Offsets in code points, half-open, into the context."""
    score: float
    """Probability of this span, 0 to 1: that it begins there times that it ends there.

    Both are shared out among the tokens of the text and the first token of the input,
    which stands for "no answer".
    """
    no_answer_score: float
    """Probability that the text does not answer, 0 to 1: least of all windows of a long text.

    Models trained on SQuAD 2 and its like mean it, others were never asked. Where it is
    above ``score``, ``score`` is below a half; so one threshold on ``score`` serves both.
    """


@dataclass(frozen=True, slots=True)
class Failure:
    """A document, or something that should have been one, that was left out."""

    source: str
    stage: Stage
    error: str
    """Name of the exception class."""
    message: str

    @classmethod
    def of(cls, source: str, stage: Stage, error: Exception) -> Failure:
        """Record an exception; foreseen ones already name their source."""
        message = str(error) if isinstance(error, QgbatchError) else f"{source}: {error}"
        return cls(source, stage, type(error).__name__, message)


@dataclass(slots=True)
class RunReport:
    """Counts, times and failures of a run; ``n_raw == n_written + sum(dropped)`` at its end."""

    n_inputs: int = 0
    """Documents looked at, the failed ones too: files, rows of tables and other inputs."""
    n_documents: int = 0
    """Documents read and used."""
    n_chunks: int = 0
    n_hard_splits: int = 0
    """Chunks with :attr:`Chunk.hard_split`."""
    n_source_tokens: int = 0
    """Sum of ``len(chunk.input_ids)``."""
    n_generated: int = 0
    """Chunks that the model worked on; the others were in the cache, equal to another one, or failed."""
    n_reused: int = 0
    """Chunks whose result was in the cache."""
    n_raw: int = 0
    """Pieces of text that the model wrote between separators, the empty ones left out."""
    n_written: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Pieces left out, by reason."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Files of input directories that were not read, by reason."""
    failures: list[Failure] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    files: dict[str, object] = field(default_factory=dict)
    """Inputs, output and how they are read and written."""
    facts: dict[str, object] = field(default_factory=dict)
    """Version, model and settings."""
    error: BaseException | None = None
    """What ended the run early."""
    workers: int = 1
    """Processes that shared the work; the times of their stages add up."""
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Wall time by stage; ``total`` is the whole run. ``read`` and ``chunk`` pass in a thread,
    beside the others; ``wait`` is what the others had to wait for it."""
    _running: list[str] = field(default_factory=list, repr=False)
    _since: float = 0.0

    @property
    def exit_code(self) -> ExitCode:
        """The exit status that these counts stand for."""
        if self.error:
            return exit_code_of(self.error)
        if not self.failures:
            return ExitCode.OK
        return ExitCode.PARTIAL if self.n_documents else ExitCode.NO_INPUT

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage, but for the time of stages inside of it."""
        self._pass_time()
        self._running.append(stage)
        try:
            yield
        finally:
            self._pass_time()
            self._running.pop()

    def _pass_time(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    @contextmanager
    def timed_total(self) -> Iterator[None]:
        """Set the time of the whole run to the time spent inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds["total"] = time.perf_counter() - start

    def timed_iter(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """Pass items on, adding the time it takes to get each to a stage."""
        iterator = iter(items)
        while True:
            with self.timed(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def add(self, part: Mapping[str, Any]) -> None:
        """Add the counts, times and failures of a part of the run, given as :meth:`as_dict`."""
        for spec in fields(self):
            if spec.name.startswith("n_"):
                setattr(self, spec.name, getattr(self, spec.name) + part[spec.name])
        self.dropped.update(part["dropped"])
        self.failures.extend(Failure(**failure) for failure in part["failures"])
        for stage, seconds in part["seconds"].items():
            self.seconds[stage] += seconds

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "schema": REPORT_SCHEMA,
            "started": self.started.isoformat(timespec="seconds"),
            "exit_code": int(self.exit_code),
            "error": (str(self.error) or type(self.error).__name__) if self.error else None,
            "workers": self.workers,
            **{spec.name: getattr(self, spec.name) for spec in fields(self) if spec.name.startswith("n_")},
            "dropped": dict(+self.dropped),
            "skipped": dict(self.skipped),
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "files": self.files,
            "facts": self.facts,
        }
