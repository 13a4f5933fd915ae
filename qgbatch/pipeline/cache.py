"""Results that a later run can reuse: the chunks of documents, the generations of chunks, and answers.

Each result depends only on its input and on the settings that decide it, so it is stored under
a hash of both. After an edit, a run generates only the chunks that changed. If nothing changed,
the run does not load the model.
"""

from __future__ import annotations

import json
import operator
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from hashlib import blake2b
from itertools import count, islice
from math import isnan
from typing import Any

from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.questions.answers.answer import Answer
from qgbatch.records import Chunk, DecodedGeneration, Document, InputIds, PairScore

_FORMAT = 7
"""Part of every key. Increase it when the meaning of a key or a value changes."""
_KEY_BYTES = 20
"""Size of a key: 160 bits make a collision practically impossible."""
_CHUNKS_PER_ENTRY = 64
"""Chunks per entry of the store, so that memory never holds all chunks of a long document."""


class Cache:
    """Stores and finds the results of one model with one set of settings.

    Args:
        store: Where the results are stored.
        chunking: Everything besides a document's text that decides its chunks, as JSON values.
        generating: Everything besides a chunk's input ids that decides its generation.
        answering: Everything besides a question and its context that decides the answer.
    """

    def __init__(
        self,
        store: SqliteStore,
        chunking: Mapping[str, Any],
        generating: Mapping[str, Any],
        answering: Mapping[str, Any],
    ) -> None:
        self._store = store
        self._chunking_key = _hash_json({"chunks of": chunking})
        self._generating_key = _hash_json({"generations of": generating})
        self._answering_key = _hash_json({"answers of": answering})
        self._rate_key = _hash_json({"rate of": generating})
        self.identity = (self._chunking_key + self._generating_key + self._answering_key).hex()
        """Equal for caches whose results are the same for the same documents."""

    def get_or_make_chunks(
        self, document: Document, chunk_document: Callable[[Document], Iterable[Chunk]]
    ) -> Iterator[Chunk]:
        """Yield the chunks of a document, from the cache as far as they are stored.

        From the first entry that is missing, ``chunk_document`` makes the chunks, and they are
        stored as they are made.
        """
        n_found = 0
        for entry_index in count():
            key = self._chunks_key(document, entry_index)
            found = _parse_chunks(document, n_found, self._store.get([key]).get(key))
            if found is None:
                break
            yield from found
            n_found += len(found)
            if len(found) < _CHUNKS_PER_ENTRY:
                return
        made = islice(chunk_document(document), n_found, None)
        for entry_index in count(n_found // _CHUNKS_PER_ENTRY):
            chunks = []
            for chunk in islice(made, _CHUNKS_PER_ENTRY):
                chunks.append(chunk)
                yield chunk
            self._store.put({self._chunks_key(document, entry_index): _dump_chunks(chunks)})
            if len(chunks) < _CHUNKS_PER_ENTRY:
                return

    def get_generations(self, inputs: Sequence[InputIds]) -> dict[InputIds, DecodedGeneration]:
        """Return the stored generations of these inputs; missing inputs are left out."""
        keys = {self._input_key(input_ids): input_ids for input_ids in inputs}
        values = self._store.get(list(keys))
        parsed = ((keys[key], _parse_generation(value)) for key, value in values.items())
        return {input_ids: generation for input_ids, generation in parsed if generation is not None}

    def put_generations(self, generations: Mapping[InputIds, DecodedGeneration]) -> None:
        """Store the generations of a batch in one transaction."""
        self._store.put(
            {
                self._input_key(input_ids): _dump_generation(generation)
                for input_ids, generation in generations.items()
            }
        )

    def get_answers(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Answer]:
        """Return the stored answers to pairs of question and context; missing pairs are left out."""
        keys = {self._pair_key(pair): pair for pair in pairs}
        values = self._store.get(list(keys))
        parsed = ((keys[key], _parse_answer(keys[key][1], value)) for key, value in values.items())
        return {pair: answer for pair, answer in parsed if answer is not None}

    def put_answers(self, answers: Mapping[tuple[str, str], Answer]) -> None:
        """Store answers to pairs of question and context in one transaction."""
        self._store.put({self._pair_key(pair): _dump_answer(answer) for pair, answer in answers.items()})

    def put_rate(self, seconds_per_chunk: float) -> None:
        """Store how long the model takes for a chunk."""
        self._store.put({self._rate_key: json.dumps(seconds_per_chunk).encode()})

    def get_rate(self) -> float | None:
        """Return the stored seconds per chunk, or ``None`` if no run has stored them."""
        value = self._store.get([self._rate_key]).get(self._rate_key)
        with suppress(ValueError):
            return float(value) if value else None
        return None

    def _chunks_key(self, document: Document, entry_index: int) -> bytes:
        identity = f"{document.sha256}:{entry_index}".encode()
        return blake2b(identity, digest_size=_KEY_BYTES, key=self._chunking_key).digest()

    def _pair_key(self, pair: tuple[str, str]) -> bytes:
        identity = json.dumps(pair).encode()
        return blake2b(identity, digest_size=_KEY_BYTES, key=self._answering_key).digest()

    def _input_key(self, input_ids: InputIds) -> bytes:
        identity = array("i", input_ids).tobytes()
        return blake2b(identity, digest_size=_KEY_BYTES, key=self._generating_key).digest()


def _hash_json(values: Mapping[str, Any]) -> bytes:
    """Hash JSON values together with the format of the cache; the order of the keys does not matter."""
    text = json.dumps({"format": _FORMAT, **values}, sort_keys=True)
    return blake2b(text.encode(), digest_size=_KEY_BYTES).digest()


# Another program may have written to the store, so values are checked when they are read. An invalid
# value counts as missing.


def _dump_chunks(chunks: Sequence[Chunk]) -> bytes:
    rows = [[c.start_char, c.end_char, *map(int, _flags(c)), *c.input_ids] for c in chunks]
    return json.dumps(rows, separators=(",", ":")).encode()


def _flags(chunk: Chunk) -> tuple[bool, bool, bool]:
    return chunk.hard_split, chunk.unknown_script, chunk.whole_document


def _parse_chunks(document: Document, first_index: int, value: bytes | None) -> list[Chunk] | None:
    chunks: list[Chunk] = []
    try:
        for row in json.loads(value or b""):
            start, end, hard_split, unknown, whole, *input_ids = array("i", row)
            earliest = chunks[-1].end_char if chunks else 0
            if not earliest <= start < end <= len(document.text) or min(input_ids) < 0:
                return None
            index, flags = first_index + len(chunks), map(bool, (hard_split, unknown, whole))
            chunks.append(Chunk(document, index, start, end, tuple(input_ids), *flags))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return chunks if chunks or first_index else None  # every document has at least one chunk


def _dump_generation(generation: DecodedGeneration) -> bytes:
    scores = [pair and astuple(pair) for pair in generation.pair_scores]
    row = [generation.score, generation.truncated, scores, *generation.pieces]
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def _parse_generation(value: bytes) -> DecodedGeneration | None:
    try:
        score, truncated, scores, *pieces = json.loads(value)
        # Fails if a piece is not text or contains half of a surrogate pair.
        "".join(piece for piece in pieces if piece is not None).encode()
        pair_scores = tuple(
            None if pair is None else PairScore(*map(_check_log_probability, pair)) for pair in scores
        )
        _check_score(score)
        truncated = tuple(map(range(len(pieces)).index, truncated))
    except (ValueError, TypeError, RecursionError):
        return None
    if len(pair_scores) not in (0, len(pieces)):
        return None
    return DecodedGeneration(tuple(pieces), score, truncated, pair_scores)


def _check_score(score: object) -> float:
    """Return a score; raise ``ValueError`` if it is not a number."""
    if not isinstance(score, float) or isnan(score):
        raise ValueError("not a score")
    return score


def _check_log_probability(score: object) -> float:
    """Return a log-probability; raise ``ValueError`` if it is not one."""
    if _check_score(score) > 0:
        raise ValueError("not a log-probability")
    return _check_score(score)


def _dump_answer(answer: Answer) -> bytes:
    row = [answer.start_char, answer.end_char, answer.score, answer.no_answer_score]
    return json.dumps(row, separators=(",", ":")).encode()


def _parse_answer(context: str, value: bytes) -> Answer | None:
    try:
        start, end, score, no_answer = json.loads(value)
        if not 0 <= operator.index(start) <= operator.index(end) <= len(context):
            return None
        if not (0.0 <= float(score) <= 1.0 and 0.0 <= float(no_answer) <= 1.0):
            return None
    except (ValueError, TypeError, RecursionError):
        return None
    return Answer(context[start:end], start, end, float(score), float(no_answer))
