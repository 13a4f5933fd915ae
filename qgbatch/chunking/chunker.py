"""Document -> chunks: whole sentences, packed close to a target, never above the bound.

Sentences are counted and packed so that chunks are close to the target and end at
paragraph breaks (``packing.py``). The ids of each chunk are made from its own text and
checked against the bound at the end, so the bound holds for any tokenizer.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from qgbatch.chunking.packing import Unit, pack
from qgbatch.errors import DocumentError, SettingsError
from qgbatch.records import Chunk, Document

if TYPE_CHECKING:
    from qgbatch.chunking.sentences import Sentence

MIN_CONTENT_TOKENS = 32
"""Least room for text in a chunk. One code point can become 18 characters in NFKC
(U+FDFA), so that with less room a chunk of one character might not fit."""
_MIN_PIECE_TOKENS = 16
"""Parts of a sentence that is too long are not made smaller than this, whatever the target."""

# What a chunk pays for its last cut, against (unused share of the target) ** 2 for its size.
_CUT_IN_PARAGRAPH = 0.1
_CUT_IN_SENTENCE = 0.5
_CUT_AFTER_HEADING = 1.0

_MAX_TOKEN_CHARS = 20
"""A sentence of more characters per token than any T5 vocabulary has (16) is not counted whole."""
_CLAUSE_END = re.compile(r"[,;:)\]\u2013\u2014]\s+")
_SPACE = re.compile(r"\s+")
_SENTENCES_AT_ONCE = 1024
_CHUNKS_AT_ONCE = 64

SplitSentences = Callable[[str], Iterable["Sentence"]]


class Encoder(Protocol):
    """What chunking needs of a model's prompt and tokenizer."""

    n_prompt_tokens: int
    """Tokens of an input beside its text: prefix, ending and end token."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text alone, without prompt."""

    def token_ends(self, text: str) -> list[int]:
        """Offsets in code points where the tokens of a text end, ascending."""

    def encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Input ids of each text with its prompt."""


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Sizes in tokens, prompt included."""

    max_tokens: int
    target_tokens: int

    def check(self, n_prompt_tokens: int) -> None:
        """Refuse limits that leave too little room for text.

        Raises:
            SettingsError: the bound or the target is too small.
        """
        for option, tokens, room in (
            ("--max-tokens", self.max_tokens, MIN_CONTENT_TOKENS),
            ("--target-tokens", self.target_tokens, 1),
        ):
            if tokens < n_prompt_tokens + room:
                raise SettingsError(
                    f"{option} {tokens}: too small, the prompt alone takes {n_prompt_tokens} tokens.",
                    f"Give at least {n_prompt_tokens + room}.",
                )


def chunk_document(
    document: Document, encoder: Encoder, split_sentences: SplitSentences, limits: ChunkLimits
) -> Iterator[Chunk]:
    """Yield the chunks of a document in order.

    They are disjoint and cover every character but white space. Each has at most
    ``limits.max_tokens`` input ids; only sentences that alone exceed this bound are cut,
    at a clause, a space or a token, and their chunks flagged ``hard_split``. The text is
    gone through lazily, about a thousand sentences at a time.
    """
    max_content = limits.max_tokens - encoder.n_prompt_tokens
    target_content = limits.target_tokens - encoder.n_prompt_tokens
    units = _units(document.text, encoder, split_sentences, max_content, target_content)
    spans = (
        (group[0].start_char, group[-1].end_char, any(unit.hard_split for unit in group))
        for group in pack(units, target_content)
    )
    chunk_index = 0
    while some := list(islice(spans, _CHUNKS_AT_ONCE)):
        for start, end, ids, hard_split in _encode_spans(document, some, encoder, limits.max_tokens):
            yield Chunk(document, chunk_index, start, end, ids, hard_split)
            chunk_index += 1


def _units(
    text: str, encoder: Encoder, split_sentences: SplitSentences, max_content: int, target_content: int
) -> Iterator[Unit]:
    sentences = iter(split_sentences(text))
    longest = max_content * _MAX_TOKEN_CHARS
    while group := list(islice(sentences, _SENTENCES_AT_ONCE)):
        countable = [s for s in group if s.end_char - s.start_char <= longest]
        counts = dict(
            zip(
                (s.start_char for s in countable),
                encoder.count_tokens([text[s.start_char : s.end_char] for s in countable]),
                strict=True,
            )
        )
        for sentence in group:
            n_tokens = counts.get(sentence.start_char, max_content + 1)
            if n_tokens <= max_content:
                yield Unit(sentence.start_char, sentence.end_char, max(1, n_tokens), _cut_cost(sentence))
            else:
                piece_content = max(target_content, _MIN_PIECE_TOKENS)
                yield from _split_sentence(text, sentence, encoder, piece_content)


def _cut_cost(sentence: Sentence) -> float:
    if sentence.is_heading:
        return _CUT_AFTER_HEADING
    return 0.0 if sentence.ends_paragraph else _CUT_IN_PARAGRAPH


def _split_sentence(text: str, sentence: Sentence, encoder: Encoder, budget: int) -> Iterator[Unit]:
    """Cut a sentence into parts of at most ``budget`` tokens, linear in its length."""
    start, end = sentence.start_char, sentence.end_char
    while start < end:
        # English has about 4 characters a token: enough for a full part, little to read twice.
        excerpt = text[start : min(end, start + 6 * budget)]
        token_ends = encoder.token_ends(excerpt)
        cut = len(excerpt)
        if len(token_ends) > budget:
            cut = _best_cut(excerpt, token_ends[budget - 1])
        elif start + cut < end:
            cut = _best_cut(excerpt, cut)
        n_tokens = max(1, bisect_right(token_ends, cut))
        cost = _cut_cost(sentence) if start + cut == end else _CUT_IN_SENTENCE
        yield Unit(start, start + len(excerpt[:cut].rstrip()), n_tokens, cost, hard_split=True)
        start += cut
        while start < end and text[start].isspace():
            start += 1


def _best_cut(excerpt: str, limit: int) -> int:
    """Offset of at most ``limit``: behind a clause, else a space, in the second half, else there."""
    for boundary in (_CLAUSE_END, _SPACE):
        cuts = [m.end() for m in boundary.finditer(excerpt, 0, limit) if m.end() > limit // 2]
        if cuts:
            return cuts[-1]
    cut = limit
    while cut > limit // 2 and cut < len(excerpt) and unicodedata.combining(excerpt[cut]):
        cut -= 1
    return max(cut, 1)


def _encode_spans(
    document: Document, spans: Sequence[tuple[int, int, bool]], encoder: Encoder, max_tokens: int
) -> Iterator[tuple[int, int, tuple[int, ...], bool]]:
    """Spans with their input ids; a span whose ids exceed the bound after all is halved."""
    text = document.text
    all_ids = encoder.encode([text[start:end] for start, end, _ in spans])
    for (start, end, hard_split), ids in zip(spans, all_ids, strict=True):
        if len(ids) <= max_tokens:
            yield start, end, ids, hard_split
        elif end - start == 1:
            raise DocumentError(
                f"{document.source}: one character (U+{ord(text[start]):04X} at offset {start}) "
                f"takes {len(ids)} tokens.",
                "Raise --max-tokens.",
            )
        else:
            middle = start + _best_cut(text[start:end], (end - start) // 2)
            halves = [_stripped(text, start, middle), _stripped(text, middle, end)]
            yield from _encode_spans(
                document, [(a, b, True) for a, b in halves if b > a], encoder, max_tokens
            )


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())
