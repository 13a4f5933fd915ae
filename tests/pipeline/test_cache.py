"""What is kept of chunks and generations: found again, or made again, never taken wrong."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qgbatch.models.checkpoint import find_model
from qgbatch.pipeline.cache import Cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.sqlite_store import FILE_NAME, SqliteStore, _checksum
from qgbatch.records import Chunk, DecodedGeneration, Document
from qgbatch.settings import Settings
from tests.conftest import SAMPLES

DOCUMENT = Document.from_text("0123456789" * 100, "a.txt")
FACTS: dict[str, Any] = {
    "language": "english",
    "max_tokens": 512,
    "scale": 1.5,
    "versions": {"nltk": "3.9"},
}
INPUT = (5, 6, 7, 1)
GENERATION = DecodedGeneration(("What is it?", "", None, "Größe \u2028 \U0001f41d?"), -0.1234, "eos")

CHUNKS_OF_SAMPLES = "059f82b2"
"""First digits of a hash over the spans and ids of all chunks of ``samples/``."""


@pytest.fixture
def open_cache(tmp_path: Path) -> Iterator[Callable[..., Cache]]:
    """Open a cache of some facts in one store."""
    stores: list[SqliteStore] = []

    def open_it(chunking: Mapping[str, Any] = FACTS, generating: Mapping[str, Any] = FACTS) -> Cache:
        stores.append(SqliteStore(tmp_path, 10**9))
        return Cache(stores[-1], chunking, generating, {})

    yield open_it
    for each in stores:
        each.close()


def make(n_chunks: int) -> Callable[[Document], list[Chunk]]:
    def make_of(document: Document) -> list[Chunk]:
        return [
            Chunk(document, n, 3 * n, 3 * n + 2, (n, 2**31 - 1, 1), n % 3 == 0) for n in range(n_chunks)
        ]

    return make_of


def make_none(document: Document) -> list[Chunk]:
    raise AssertionError("these chunks are known")


def rows(chunks: list[Chunk]) -> list[tuple[Any, ...]]:
    return [
        (c.document, c.chunk_index, c.start_char, c.end_char, c.input_ids, c.hard_split) for c in chunks
    ]


def replace_values(directory: Path, value: bytes) -> None:
    """Put a value under each key, with the right checksum."""
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        for (key,) in connection.execute("SELECT key FROM entries").fetchall():
            changed = _checksum(key, value) + value
            connection.execute("UPDATE entries SET value = ? WHERE key = ?", (changed, key))
        connection.commit()


@pytest.mark.parametrize("n_chunks", [1, 63, 64, 65, 128, 200])
def test_chunks_come_back_as_they_were(n_chunks: int, open_cache: Callable[..., Cache]) -> None:
    made = list(open_cache().chunks(DOCUMENT, make(n_chunks)))
    known = list(open_cache().chunks(DOCUMENT, make_none))
    assert rows(known) == rows(made) == rows(make(n_chunks)(DOCUMENT))


def test_a_document_without_chunks_is_asked_again(open_cache: Callable[..., Cache]) -> None:
    assert list(open_cache().chunks(DOCUMENT, make(0))) == []
    assert len(list(open_cache().chunks(DOCUMENT, make(2)))) == 2


def test_a_renamed_document_is_known_and_keeps_its_name(open_cache: Callable[..., Cache]) -> None:
    list(open_cache().chunks(DOCUMENT, make(3)))
    renamed = Document.from_text(DOCUMENT.text, "b.txt")
    assert {chunk.document for chunk in open_cache().chunks(renamed, make_none)} == {renamed}


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_a_missing_part_is_made_again(
    missing: int, tmp_path: Path, open_cache: Callable[..., Cache]
) -> None:
    cache = open_cache()
    expected = rows(list(cache.chunks(DOCUMENT, make(200))))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("DELETE FROM entries WHERE key = ?", (cache._part_key(DOCUMENT, missing),))
        connection.commit()
    assert rows(list(open_cache().chunks(DOCUMENT, make(200)))) == expected
    assert rows(list(open_cache().chunks(DOCUMENT, make_none))) == expected


def test_parts_are_kept_as_they_are_made(open_cache: Callable[..., Cache]) -> None:
    chunks = open_cache().chunks(DOCUMENT, make(200))
    for _ in range(65):
        next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    taken: list[int] = []

    def note(document: Document) -> Iterator[Chunk]:
        for chunk in make(200)(document):
            taken.append(chunk.chunk_index)
            yield chunk

    first = open_cache().chunks(DOCUMENT, note)
    for _ in range(64):
        next(first)
    assert taken == []
    assert [chunk.chunk_index for chunk in first] == list(range(64, 200))


def test_generations_come_back_as_they_were(open_cache: Callable[..., Cache]) -> None:
    others = {
        (1,): DecodedGeneration((), -float("inf"), "length"),
        (2, 1): DecodedGeneration(("",), 0.0, "eos"),
    }
    open_cache().keep({INPUT: GENERATION, **others})
    assert open_cache().generations([INPUT, *others, (9,)]) == {INPUT: GENERATION, **others}
    assert open_cache().generations([]) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"language": "german"},
        {"max_tokens": 511},
        {"scale": 1.25},
        {"versions": {"nltk": "3.10"}},
        {"new": None},
    ],
    ids=str,
)
def test_each_fact_counts(change: dict[str, Any], open_cache: Callable[..., Cache]) -> None:
    cache, other = open_cache(), FACTS | change
    list(cache.chunks(DOCUMENT, make(1)))
    cache.keep({INPUT: GENERATION})
    assert open_cache(chunking=other).generations([INPUT]) == {INPUT: GENERATION}
    assert open_cache(generating=other).generations([INPUT]) == {}
    assert len(list(open_cache(generating=other).chunks(DOCUMENT, make_none))) == 1
    assert len(list(open_cache(chunking=other).chunks(DOCUMENT, make(2)))) == 2


def test_the_order_of_facts_does_not_count(open_cache: Callable[..., Cache]) -> None:
    open_cache().keep({INPUT: GENERATION})
    assert open_cache(generating=dict(reversed(FACTS.items()))).generations([INPUT]) == {INPUT: GENERATION}


@pytest.mark.parametrize("input_ids", [(5, 6, 7), (5, 6, 1, 7), (5 + (6 << 32), 7, 1)[1:], (0, 5, 6, 7, 1)])
def test_other_ids_are_another_input(input_ids: tuple[int, ...], open_cache: Callable[..., Cache]) -> None:
    open_cache().keep({INPUT: GENERATION})
    assert open_cache().generations([input_ids]) == {}


HOSTILE_CHUNKS = {
    "nothing": b"", "no JSON": b"\xff\x00", "null": b"null", "number": b"5", "text": b'"12"',
    "object": b'{"123": 1}', "no chunks": b"[]", "rows of text": b'["123"]', "empty row": b"[[]]",
    "no ids": b"[[0,5,0]]", "negative id": b"[[0,5,0,-1]]", "large id": b"[[0,5,0,2147483648]]",
    "huge id": b"[[0,5,0," + b"9" * 4000 + b"]]",
    "infinite id": b"[[0,5,0,1e999]]",
    "text as id": b'[[0,5,0,"1"]]',
    "list as id": b"[[0,5,0,[1]]]", "null as id": b"[[0,5,0,null]]", "fraction": b"[[0.0,5,0,1]]",
    "nan": b"[[0,NaN,0,1]]", "backwards": b"[[5,0,0,1]]", "empty": b"[[5,5,0,1]]",
    "before": b"[[-1,5,0,1]]",
    "behind": b"[[0,1001,0,1]]", "overlap": b"[[0,5,0,1],[4,9,0,1]]", "deep": b"[" * 100_000,
    "deep and closed": b"[" * 50_000 + b"]" * 50_000,
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE_CHUNKS.values(), ids=HOSTILE_CHUNKS)
def test_odd_chunks_are_made_again(value: bytes, tmp_path: Path, open_cache: Callable[..., Cache]) -> None:
    list(open_cache().chunks(DOCUMENT, make(2)))
    replace_values(tmp_path, value)
    assert rows(list(open_cache().chunks(DOCUMENT, make(2)))) == rows(make(2)(DOCUMENT))


HOSTILE_GENERATIONS = {
    "nothing": b"", "no JSON": b"\xff\x00", "null": b"null", "number": b"5", "text": b'"eos"',
    "object": b"{}",
    "no score": b'["eos"]', "nan": b'["eos",NaN,"x?"]', "whole number": b'["eos",-1,"x?"]',
    "huge number": b'["eos",' + b"9" * 4000 + b',"x?"]', "text as score": b'["eos","1","x?"]',
    "true": b'["eos",true,"x?"]', "odd reason": b'["stop",-0.5,"x?"]',
    "list as reason": b'[["eos"],-0.5,"x?"]',
    "number as piece": b'["eos",-0.5,5]', "list as piece": b'["eos",-0.5,["x?"]]',
    "half a pair": b'["eos",-0.5,"\\ud800?"]', "deep": b"[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE_GENERATIONS.values(), ids=HOSTILE_GENERATIONS)
def test_odd_generations_are_none(value: bytes, tmp_path: Path, open_cache: Callable[..., Cache]) -> None:
    open_cache().keep({INPUT: GENERATION})
    replace_values(tmp_path, value)
    assert open_cache().generations([INPUT]) == {}


def test_the_chunks_of_samples_are_those_that_are_kept_under_this_format(tmp_path: Path) -> None:
    components = Components.find(Settings(), tmp_path)
    assert find_model("mini").sha256 == components.model.sha256
    digest = hashlib.sha256()
    for path in sorted(SAMPLES.iterdir()):
        document = Document.from_text(path.read_text(encoding="utf-8"), path.name)
        for chunk in components.chunks(document):
            row = [path.name, chunk.start_char, chunk.end_char, chunk.hard_split, *chunk.input_ids]
            digest.update(json.dumps(row).encode())
    assert digest.hexdigest()[:8] == CHUNKS_OF_SAMPLES, (
        "Documents are cut into other chunks than before, but those of earlier runs are still in "
        "users' caches. If that is on purpose (and not by a new version of a package, which is part of the "
        "key), raise cache._FORMAT and pin the new hash here."
    )
