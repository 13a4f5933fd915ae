"""The records that pass between the stages.

Offsets count code points of :attr:`Document.text` and are half open. Every ``*_index``
counts from 0.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from qgbatch.errors import DocumentError, describe_error, name_setting

Stage = Literal["read", "part", "chunk", "generate"]
"""The stage that failed; ``part`` if only a part of the document could not be read."""
OmittedKind = Literal[
    "page_headers", "page_footers", "contents_lines", "image_only_pages", "unreadable_characters",
    "navigation_blocks", "tables", "code_blocks", "formulas", "pictures",
    "media_elements", "form_fields", "directives", "metadata_blocks", "subtitle_cues", "unreadable_parts",
    "unknown_script_chunks",
]  # fmt: skip
"""What a file can contain that is not in the text of its document, or that the model cannot read."""
Review = Literal["kept", "edited", "dropped"]
"""What a reader decided about a question. Dropped ones are in no output."""
InputIds: TypeAlias = tuple[int, ...]
"""The token ids that the model receives for a chunk: prefix, text, suffix and end token."""

SCORE_DECIMALS = 4
"""Scores are rounded to this many decimals, because in float32 the score of a chunk differs by up to
0.000002 between batches."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A text to generate questions from. Documents compare by identity, not by their text."""

    source: str
    """Path or URI, ``PATH#ID`` for a table row, ``-`` for standard input, or a caller's name."""
    text: str
    sha256: str
    """SHA-256 of the text in UTF-8, 64 hexadecimal digits."""
    page_starts: tuple[int, ...] = ()
    """Offset of the first character of each page; empty for formats without pages."""
    omitted: Mapping[OmittedKind, int] = field(default_factory=dict)
    """How much of the file is not in the text, by kind."""
    unread_parts: tuple[Failure, ...] = ()
    """Parts of the file that could not be read; the rest is in the text."""
    title: str | None = None
    """Its heading; for a row of a table, that of the title column."""
    text_start: int = 0
    """Offset of the text below a title that is not part of it: that of a row with a title column."""
    row_id: str | None = None
    """The id of a table row, if the table has an id column."""
    kept: Mapping[str, str | None] = field(default_factory=dict)
    """The values of the columns that are kept of a table row."""

    @classmethod
    def from_text(
        cls,
        text: str,
        source: str,
        page_starts: tuple[int, ...] = (),
        omitted: Mapping[OmittedKind, int] | None = None,
        unread_parts: tuple[Failure, ...] = (),
    ) -> Document:
        """Make a document from a text.

        Raises:
            DocumentError: The text is empty or only white space, contains NUL
                characters, or cannot be encoded as UTF-8.
            TypeError: The text or the source is not a string.
        """
        for name, value in (("text", text), ("source", source)):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a string, not {type(value).__name__}.")
        if not text or text.isspace():
            what = "contains only white space" if text else "is empty"
            raise DocumentError(f"{source}: the document {what}.", "Remove it or fill it.")
        if "\0" in text:
            raise DocumentError(
                f"{source}: the document is binary (a NUL character at offset {text.index(chr(0))}).",
                "Give plain text; UTF-16 needs a byte order mark or "
                f"{name_setting('encoding', ('utf-16-le',))}.",
            )
        try:
            digest = hashlib.sha256(text.encode()).hexdigest()
        except UnicodeEncodeError as error:
            raise DocumentError(
                f"{source}: a lone surrogate at offset {error.start} cannot be encoded as UTF-8.",
                "Decode the source with the right encoding, or replace the character.",
            ) from error
        return cls(source, text, digest, page_starts, omitted or {}, unread_parts)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A span of a document that the model reads in one go."""

    document: Document
    chunk_index: int
    start_char: int
    end_char: int
    input_ids: InputIds
    hard_split: bool
    """Whether the chunk begins or ends inside a sentence that exceeds the token limit."""
    unknown_script: bool = False
    """Whether the model cannot read the chunk, because its tokenizer lacks letters of most words."""
    whole_document: bool = False
    """Whether questions are about the whole document, also if the chunk is only a part of it."""

    @property
    def text(self) -> str:
        """The text of the span."""
        return self.document.text[self.start_char : self.end_char]

    @property
    def passage(self) -> Passage:
        """The passage that questions about the chunk are about."""
        document, start, end = self.document, self.start_char, self.end_char
        if self.whole_document:
            below_title = document.text[document.text_start :]
            start, end = len(document.text) - len(below_title.lstrip()), len(document.text.rstrip())
        text = document.text[start:end]
        own_id = document.row_id if self.whole_document else None
        return Passage(own_id or make_passage_id(document.source, text), text, document.source, start, end)

    @property
    def page(self) -> int | None:
        """The page on which the chunk begins, from 1, or ``None`` for formats without pages."""
        return bisect_right(self.document.page_starts, self.start_char) or None


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that a search should find: a chunk, or a whole document that is not chunked."""

    passage_id: str
    """The row's own id if a whole row is the passage, else that of :func:`make_passage_id`."""
    text: str
    source: str
    start_char: int
    end_char: int


@dataclass(frozen=True, slots=True)
class PairScore:
    """Log-probabilities, in nats, of a question and its answer after those that the model wrote before."""

    question: float
    """Mean over the tokens of the question."""
    answer: float
    """Sum over the tokens of the answer, given the question."""
    question_low: float
    """Mean over the three least likely tokens of the question."""
    answer_low: float
    """That of the least likely token of the answer."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The output of the model for one chunk."""

    pieces: tuple[tuple[int, ...], ...]
    """Token ids between the separators, without the end token. A piece may be empty."""
    score: float
    """Mean log-probability per generated token including the end token, in nats; at most 0."""
    truncated: tuple[int, ...] = ()
    """Indices of the pieces that the limit of new tokens cut off, ascending."""
    pair_scores: tuple[PairScore | None, ...] = ()
    """The score of each piece with an answer, else ``None``; empty if the model writes no answers."""


@dataclass(frozen=True, slots=True)
class DecodedGeneration:
    """A :class:`Generation` as text. Questions are extracted from it, and the cache stores it."""

    pieces: tuple[str | None, ...]
    """Text between the separators, with single spaces; ``None`` for a piece with an unknown token."""
    score: float
    """As :attr:`Generation.score`, rounded to :data:`SCORE_DECIMALS`."""
    truncated: tuple[int, ...] = ()
    """As :attr:`Generation.truncated`."""
    pair_scores: tuple[PairScore | None, ...] = ()
    """As :attr:`Generation.pair_scores`, rounded to :data:`SCORE_DECIMALS`."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the chunk that it asks about."""

    question: str
    question_index: int
    """Position among the pieces of the chunk's generation."""
    score: float
    """Probability that a reader would find the question and its answer good, if the model has a
    ranker; otherwise :attr:`DecodedGeneration.score` of the generation that contains the question."""
    chunk: Chunk
    answer: str | None = None
    answer_start_char: int | None = None
    """Offset of the answer in :attr:`Document.text`; ``None`` if the text does not contain it literally."""
    answer_score: float | None = None
    """Probability of the answer given the chunk, the question and those before it, 0 to 1."""
    pair_score: PairScore | None = None
    """The score of a model that writes answers."""
    repetition: int = 0
    """How many questions before it have the same text and ask about the same passage of the same source."""
    other_chunks: tuple[Chunk, ...] = ()
    """The other chunks that the same question was asked about, where it was dropped as a duplicate."""
    review: Review | None = None
    """What a reader decided about it; ``None`` if nobody has read it."""
    original_question: str | None = None  # of an edited question: what the model wrote
    original_answer: str | None = None

    @property
    def id(self) -> str:
        """See :func:`make_question_id`."""
        passage, asked = self.chunk.passage, self.original_question or self.question
        return make_question_id(passage.source, passage.text, asked, self.repetition)

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return the values of its row in an output, by column, except ``model`` and ``other_passages``."""
        chunk, passage = self.chunk, self.chunk.passage
        return {
            "question_id": self.id,
            "question": self.question,
            "source": passage.source,
            "passage_id": passage.passage_id,
            "document_sha256": chunk.document.sha256,
            "chunk_index": chunk.chunk_index,
            "question_index": self.question_index,
            "start_char": passage.start_char,
            "end_char": passage.end_char,
            "page": chunk.page,
            "score": self.score,
            "context": passage.text,
            "answer": self.answer,
            "answer_start_char": self.answer_start_char,
            "answer_score": self.answer_score,
            "review": self.review,
            "original_question": self.original_question,
            "original_answer": self.original_answer,
        }


def make_passage_id(source: str, text: str) -> str:
    """Hash the name of a source and the text of a passage into the id of the passage.

    Returns:
        ``p`` and 16 hexadecimal digits. The letter prevents readers of CSV and JSON from
        taking the id for a number.
    """
    return f"p{_digits(source, text)[:16]}"


def make_question_id(source: str, text: str, question: str, repetition: int = 0) -> str:
    """Make the id of a question about a passage.

    Args:
        source: The name of the passage's source.
        text: The text of the passage.
        question: The question.
        repetition: How many questions before it have the same text and passage.

    Returns:
        ``q``, the 16 digits of the passage's id and 8 digits of the question's hash; for a
        repetition also ``-2``, ``-3`` and so on.
    """
    passage_id = make_passage_id(source, text)
    number = f"-{repetition + 1}" if repetition else ""
    return f"q{passage_id[1:]}{question_digits(question)}{number}"


def question_digits(question: str) -> str:
    """Return the 8 hexadecimal digits that stand for a question in its id."""
    return _digits(question)[:8]


def _digits(*values: str) -> str:
    """Hash texts. JSON keeps them apart, and also encodes file names that are not Unicode."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Failure:
    """A document, or a part of one, that could not be used, and why."""

    source: str
    stage: Stage
    error: str
    """Name of the exception class."""
    message: str

    @classmethod
    def of(cls, source: str, stage: Stage, error: Exception) -> Failure:
        """Record an exception. The message of a :class:`QgbatchError` already names its source."""
        return cls(source, stage, type(error).__name__, describe_error(source, error))
