"""What a run need not do again: the chunks of a document, and what the model wrote for a chunk.

Both are functions of their input alone, so they are kept under a hash of all that goes
into them. An edited document costs its changed chunks, an unchanged corpus no model.
"""

from __future__ import annotations

import json
import operator
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import count, islice
from math import isnan
from typing import Any

from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.records import Answer, Chunk, DecodedGeneration, Document, InputIds

_FORMAT = 1
"""Raised when keys or values change their meaning."""
_KEY_BYTES = 20
_CHUNKS_PER_ENTRY = 64
"""So that a document of any size is held in memory in parts."""


class Cache:
    """Chunks and generations of one way of making them, in a store.

    ``chunking``, ``generating`` and ``answering`` name all that decides them beside the
    document's text, the chunk's ids, and question and chunk, as JSON values.
    """

    def __init__(
        self,
        store: SqliteStore,
        chunking: Mapping[str, Any],
        generating: Mapping[str, Any],
        answering: Mapping[str, Any],
    ) -> None:
        self._store = store
        self._chunking_key = _hash_facts({"chunks of": chunking})
        self._generating_key = _hash_facts({"generations of": generating})
        self._answering_key = _hash_facts({"answers of": answering})
        self._rate_key = _hash_facts({"rate of": generating})

    def chunks(self, document: Document, make: Callable[[Document], Iterable[Chunk]]) -> Iterator[Chunk]:
        """The chunks of a document; those that are not known are made, and kept."""
        n_known = 0
        for part in count():
            key = self._part_key(document, part)
            known = _parse_chunks(document, n_known, self._store.get([key]).get(key))
            if known is None:
                break
            yield from known
            n_known += len(known)
            if len(known) < _CHUNKS_PER_ENTRY:
                return
        made = islice(make(document), n_known, None)
        for part in count(n_known // _CHUNKS_PER_ENTRY):
            chunks = []
            for chunk in islice(made, _CHUNKS_PER_ENTRY):
                chunks.append(chunk)
                yield chunk
            self._store.put({self._part_key(document, part): _dump_chunks(chunks)})
            if len(chunks) < _CHUNKS_PER_ENTRY:
                return

    def generations(self, inputs: Sequence[InputIds]) -> dict[InputIds, DecodedGeneration]:
        """What is known of these inputs."""
        keys = {self._input_key(input_ids): input_ids for input_ids in inputs}
        values = self._store.get(list(keys))
        parsed = ((keys[key], _parse_generation(value)) for key, value in values.items())
        return {input_ids: generation for input_ids, generation in parsed if generation is not None}

    def keep(self, generations: Mapping[InputIds, DecodedGeneration]) -> None:
        """Keep what the model wrote for a batch, at once."""
        self._store.put(
            {
                self._input_key(input_ids): _dump_generation(generation)
                for input_ids, generation in generations.items()
            }
        )

    def answers(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Answer]:
        """What is known of these questions and contexts."""
        keys = {self._pair_key(pair): pair for pair in pairs}
        values = self._store.get(list(keys))
        parsed = ((keys[key], _parse_answer(keys[key][1], value)) for key, value in values.items())
        return {pair: answer for pair, answer in parsed if answer is not None}

    def keep_answers(self, answers: Mapping[tuple[str, str], Answer]) -> None:
        """Keep answers to questions and contexts."""
        self._store.put({self._pair_key(pair): _dump_answer(answer) for pair, answer in answers.items()})

    def keep_rate(self, seconds_per_chunk: float) -> None:
        """Keep how long the model took."""
        self._store.put({self._rate_key: json.dumps(seconds_per_chunk).encode()})

    def rate(self) -> float | None:
        """Seconds a chunk in the last run that was long enough to tell."""
        value = self._store.get([self._rate_key]).get(self._rate_key)
        with suppress(ValueError):
            return float(value) if value else None
        return None

    def _part_key(self, document: Document, part: int) -> bytes:
        identity = f"{document.sha256}:{part}".encode()
        return blake2b(identity, digest_size=_KEY_BYTES, key=self._chunking_key).digest()

    def _pair_key(self, pair: tuple[str, str]) -> bytes:
        identity = json.dumps(pair).encode()
        return blake2b(identity, digest_size=_KEY_BYTES, key=self._answering_key).digest()

    def _input_key(self, input_ids: InputIds) -> bytes:
        identity = array("i", input_ids).tobytes()
        return blake2b(identity, digest_size=_KEY_BYTES, key=self._generating_key).digest()


def _hash_facts(facts: Mapping[str, Any]) -> bytes:
    text = json.dumps({"format": _FORMAT, **facts}, sort_keys=True)
    return blake2b(text.encode(), digest_size=_KEY_BYTES).digest()


# The store may be anyone's: values are checked as they are read, and one that is odd is none.


def _dump_chunks(chunks: Sequence[Chunk]) -> bytes:
    rows = [[c.start_char, c.end_char, int(c.hard_split), *c.input_ids] for c in chunks]
    return json.dumps(rows, separators=(",", ":")).encode()


def _parse_chunks(document: Document, first_index: int, value: bytes | None) -> list[Chunk] | None:
    chunks: list[Chunk] = []
    try:
        for row in json.loads(value or b""):
            start, end, hard_split, *input_ids = array("i", row)
            earliest = chunks[-1].end_char if chunks else 0
            if not earliest <= start < end <= len(document.text) or min(input_ids) < 0:
                return None
            index = first_index + len(chunks)
            chunks.append(Chunk(document, index, start, end, tuple(input_ids), bool(hard_split)))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return chunks if chunks or first_index else None  # no document is without chunks


def _dump_generation(generation: DecodedGeneration) -> bytes:
    row = [generation.finish_reason, generation.score, *generation.pieces]
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def _parse_generation(value: bytes) -> DecodedGeneration | None:
    try:
        finish_reason, score, *pieces = json.loads(value)
        "".join(piece for piece in pieces if piece is not None).encode()  # no half of a surrogate pair
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(score, float) or isnan(score) or finish_reason not in ("eos", "length"):
        return None
    return DecodedGeneration(tuple(pieces), score, finish_reason)


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
