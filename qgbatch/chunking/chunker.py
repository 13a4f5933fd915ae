"""Cuts a document into chunks of whole sentences, close to a target size.

Sentences are counted in tokens and packed so that chunks come close to the target and end
at paragraph breaks (``packing.py``). The input ids of each chunk are then made from the
chunk's own text and checked against the limit, so the limit holds for any tokenizer.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from qgbatch.chunking.packing import Unit, pack
from qgbatch.chunking.text_before import TextBefore
from qgbatch.errors import DocumentError, SettingsError, name_setting
from qgbatch.records import Chunk, Document

if TYPE_CHECKING:
    from qgbatch.chunking.sentences import Sentence

MIN_CONTENT_TOKENS = 32
"""Minimum number of tokens for text in a chunk, besides the prompt.

One code point can become 18 characters under NFKC (U+FDFA), so a smaller limit could be
too small for a single character.
"""
MAX_UNKNOWN_SHARE = 0.5
"""A chunk is in an unknown script if a larger share of its letters is in words with an unknown letter.

Above one half, the model cannot read most of the chunk. A text in the model's language stays far
below, also with names and examples from other languages.
"""
_MIN_PIECE_TOKENS = 16
"""Pieces of a long sentence have at least this size, even if the target is smaller."""

# Cost of ending a chunk at a place, on the scale of (unused share of the target) ** 2.
_CUT_IN_PARAGRAPH = 0.1
_CUT_IN_SENTENCE = 0.5
_CUT_AFTER_HEADING = 1.0

_MAX_CHARS_PER_TOKEN = 20
"""Above the longest token of any T5 vocabulary (16 characters). A sentence with more
characters than this per allowed token is too long without counting its tokens."""
_CLAUSE_END = re.compile(r"[,;:)\]\u2013\u2014]\s+|[\uff0c\u3001\uff1b\uff1a]")
_SPACE = re.compile(r"\s+")
_SENTENCES_PER_BATCH = 1024
"""Number of sentences whose tokens are counted in one call of the tokenizer."""
_CHUNKS_PER_BATCH = 64
"""Number of chunks that are encoded in one call of the tokenizer."""

SplitSentences = Callable[[str], Iterable["Sentence"]]


class Encoder(Protocol):
    """The part of a model's tokenizer that chunking uses."""

    n_prompt_tokens: int
    """Number of tokens that the prompt adds to a text: prefix, suffix and end token."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without the prompt."""

    def token_ends(self, text: str) -> list[int]:
        """Return the offsets, in code points, at which the tokens of a text end, ascending."""

    reads_text_before: bool
    """Whether the model also reads the text before a chunk."""

    def unknown_share(self, text: str) -> float:
        """Return the share of a text's letters that are in words with an unknown letter, 0 to 1."""

    def encode(self, texts: Sequence[str], before: Sequence[str] = ()) -> list[tuple[int, ...]]:
        """Return the input ids of each text with its prompt and the text before it."""


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Maximum and target size of a chunk in tokens, prompt included."""

    max_tokens: int
    target_tokens: int

    def check(self, n_prompt_tokens: int) -> None:
        """Refuse limits that leave too few tokens for text.

        Raises:
            SettingsError: The maximum or the target is too small.
        """
        for name, tokens, min_content in (
            ("max_tokens", self.max_tokens, MIN_CONTENT_TOKENS),
            ("target_tokens", self.target_tokens, 1),
        ):
            if tokens < n_prompt_tokens + min_content:
                raise SettingsError(
                    f"{name_setting(name, tokens)} is too small: the model's prompt takes "
                    f"{n_prompt_tokens} tokens.",
                    f"Use at least {n_prompt_tokens + min_content}.",
                )


def chunk_document(
    document: Document, encoder: Encoder, split_sentences: SplitSentences, limits: ChunkLimits
) -> Iterator[Chunk]:
    """Yield the chunks of a document in order.

    Chunks are disjoint and cover every character except white space. Each chunk has at most
    ``limits.max_tokens`` input ids. Only a sentence that exceeds this limit by itself is cut,
    at a clause, a space or a token, and its chunks are flagged ``hard_split``. Chunks that the
    model cannot read are flagged ``unknown_script``. The document is processed lazily, about a
    thousand sentences at a time.

    Raises:
        DocumentError: A single character takes more than ``limits.max_tokens`` tokens.
    """
    max_content = limits.max_tokens - encoder.n_prompt_tokens
    target_content = limits.target_tokens - encoder.n_prompt_tokens
    text_before = TextBefore(document.text, split_sentences) if encoder.reads_text_before else None
    split = text_before.split_sentences if text_before else split_sentences
    units = _units(document.text, encoder, split, max_content, target_content)
    spans = (
        (group[0].start_char, group[-1].end_char, any(unit.hard_split for unit in group))
        for group in pack(units, target_content)
    )
    chunk_index = 0
    while batch := list(islice(spans, _CHUNKS_PER_BATCH)):
        for start, end, ids, hard_split in _encode_spans(document, batch, encoder, limits.max_tokens):
            if text_before:
                ids = _encode_after(text_before.find(start), document.text[start:end], ids, encoder, limits)
            unknown_script = encoder.unknown_share(document.text[start:end]) > MAX_UNKNOWN_SHARE
            yield Chunk(document, chunk_index, start, end, ids, hard_split, unknown_script)
            chunk_index += 1


def keep_whole(
    document: Document,
    encoder: Encoder,
    split_sentences: SplitSentences,
    max_tokens: int,
    *,
    split_long: bool,
) -> Iterator[Chunk]:
    """Yield the whole document as one chunk, or in several if it exceeds ``max_tokens`` input ids.

    Args:
        document: The document; questions about any of its chunks are about all of it.
        encoder: The model's tokenizer.
        split_sentences: Splits a document that is too long.
        max_tokens: Maximum number of input ids of a chunk.
        split_long: Whether to split a document that is too long; otherwise it fails.

    Raises:
        DocumentError: The document is too long.
    """
    span = _strip(document.text, 0, len(document.text))
    [ids] = encoder.encode([document.text[slice(*span)]])
    if len(ids) <= max_tokens:
        unknown_script = encoder.unknown_share(document.text) > MAX_UNKNOWN_SHARE
        yield Chunk(document, 0, *span, ids, False, unknown_script, whole_document=True)
    elif split_long:
        limits = ChunkLimits(max_tokens, max_tokens)
        for chunk in chunk_document(document, encoder, split_sentences, limits):
            yield replace(chunk, whole_document=True)
    else:
        raise DocumentError(
            f"{document.source}: it has {len(ids)} tokens, but {name_setting('chunking', False)} allows "
            f"{max_tokens}.",
            f"Add {name_setting('on_long_row', 'split')}, or shorten the text.",
        )


def _encode_after(
    before: str, text: str, ids: tuple[int, ...], encoder: Encoder, limits: ChunkLimits
) -> tuple[int, ...]:
    """Return the input ids with the text before a chunk, or ``ids``, without it, if they are too many."""
    if not before:
        return ids
    [with_before] = encoder.encode([text], [before])
    return with_before if len(with_before) <= limits.max_tokens else ids


def _units(
    text: str, encoder: Encoder, split_sentences: SplitSentences, max_content: int, target_content: int
) -> Iterator[Unit]:
    """Yield the sentences of a text as units; sentences that are too long become several units."""
    sentences = iter(split_sentences(text))
    max_chars = max_content * _MAX_CHARS_PER_TOKEN
    while group := list(islice(sentences, _SENTENCES_PER_BATCH)):
        countable = [s for s in group if s.end_char - s.start_char <= max_chars]
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
    """Return the cost of ending a chunk after a sentence."""
    if sentence.is_heading:
        return _CUT_AFTER_HEADING
    return 0.0 if sentence.ends_paragraph else _CUT_IN_PARAGRAPH


def _split_sentence(text: str, sentence: Sentence, encoder: Encoder, budget: int) -> Iterator[Unit]:
    """Cut a sentence into pieces of at most ``budget`` tokens, in time linear in its length."""
    start, end = sentence.start_char, sentence.end_char
    while start < end:
        # English has about 4 characters per token: 6 fill a piece, and little is tokenized twice.
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
    """Return the best offset, at most ``limit``, at which to cut an excerpt.

    The last clause end in the second half is preferred, then the last space in the second
    half, then ``limit`` itself, moved left so that no combining mark loses its base character.
    """
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
    """Yield spans with their input ids; halve a span that has too many ids after all."""
    text = document.text
    all_ids = encoder.encode([text[start:end] for start, end, _ in spans])
    for (start, end, hard_split), ids in zip(spans, all_ids, strict=True):
        if len(ids) <= max_tokens:
            yield start, end, ids, hard_split
        elif end - start == 1:
            raise DocumentError(
                f"{document.source}: one character (U+{ord(text[start]):04X} at offset {start}) "
                f"takes {len(ids)} tokens, but a chunk may have {max_tokens}.",
                f"Raise {name_setting('max_tokens')}.",
            )
        else:
            middle = start + _best_cut(text[start:end], (end - start) // 2)
            halves = [_strip(text, start, middle), _strip(text, middle, end)]
            yield from _encode_spans(
                document, [(a, b, True) for a, b in halves if b > a], encoder, max_tokens
            )


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    """Shrink a span so that it neither starts nor ends with white space."""
    content = text[start:end]
    return start + len(content) - len(content.lstrip()), start + len(content.rstrip())
