"""The cache of chunks and generations: stored results are reused, and invalid entries count as missing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import fields
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
DECIDING: dict[str, Any] = {
    "language": "english",
    "max_tokens": 512,
    "scale": 1.5,
    "versions": {"nltk": "3.9"},
}
INPUT = (5, 6, 7, 1)
GENERATION = DecodedGeneration(("What is it?", "", None, "Größe \u2028 \U0001f41d?"), -0.1234)

CHUNKS_OF_SAMPLES = "059f82b2"
"""First hexadecimal digits of a hash of the spans and input ids of all chunks of ``samples/``."""


@pytest.fixture
def open_cache(tmp_path: Path) -> Iterator[Callable[..., Cache]]:
    """Open a cache on a store in ``tmp_path``; the values that decide the results can be changed."""
    stores: list[SqliteStore] = []

    def open_it(chunking: Mapping[str, Any] = DECIDING, generating: Mapping[str, Any] = DECIDING) -> Cache:
        stores.append(SqliteStore(tmp_path, 10**9))
        return Cache(stores[-1], chunking, generating, {})

    yield open_it
    for each in stores:
        each.close()


def make_chunks(n_chunks: int) -> Callable[[Document], list[Chunk]]:
    def chunk_document(document: Document) -> list[Chunk]:
        return [
            Chunk(document, n, 3 * n, 3 * n + 2, (n, 2**31 - 1, 1), n % 3 == 0, n % 5 == 0)
            for n in range(n_chunks)
        ]

    return chunk_document


def must_not_be_called(document: Document) -> list[Chunk]:
    raise AssertionError("The chunks are in the cache.")


def rows(chunks: list[Chunk]) -> list[tuple[Any, ...]]:
    return [tuple(getattr(chunk, field.name) for field in fields(chunk)) for chunk in chunks]


def replace_values(directory: Path, value: bytes) -> None:
    """Replace the value of every key, with a valid checksum."""
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        for (key,) in connection.execute("SELECT key FROM entries").fetchall():
            changed = _checksum(key, value) + value
            connection.execute("UPDATE entries SET value = ? WHERE key = ?", (changed, key))
        connection.commit()


@pytest.mark.parametrize("n_chunks", [1, 63, 64, 65, 128, 200])
def test_stored_chunks_are_read_back(n_chunks: int, open_cache: Callable[..., Cache]) -> None:
    made = list(open_cache().get_or_make_chunks(DOCUMENT, make_chunks(n_chunks)))
    known = list(open_cache().get_or_make_chunks(DOCUMENT, must_not_be_called))
    assert rows(known) == rows(made) == rows(make_chunks(n_chunks)(DOCUMENT))


def test_a_document_without_chunks_is_chunked_again(open_cache: Callable[..., Cache]) -> None:
    assert list(open_cache().get_or_make_chunks(DOCUMENT, make_chunks(0))) == []
    assert len(list(open_cache().get_or_make_chunks(DOCUMENT, make_chunks(2)))) == 2


def test_chunks_of_a_renamed_document_are_reused_under_the_new_name(
    open_cache: Callable[..., Cache],
) -> None:
    list(open_cache().get_or_make_chunks(DOCUMENT, make_chunks(3)))
    renamed = Document.from_text(DOCUMENT.text, "b.txt")
    assert {chunk.document for chunk in open_cache().get_or_make_chunks(renamed, must_not_be_called)} == {
        renamed
    }


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_a_missing_entry_is_made_again(
    missing: int, tmp_path: Path, open_cache: Callable[..., Cache]
) -> None:
    cache = open_cache()
    expected = rows(list(cache.get_or_make_chunks(DOCUMENT, make_chunks(200))))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("DELETE FROM entries WHERE key = ?", (cache._chunks_key(DOCUMENT, missing),))
        connection.commit()
    assert rows(list(open_cache().get_or_make_chunks(DOCUMENT, make_chunks(200)))) == expected
    assert rows(list(open_cache().get_or_make_chunks(DOCUMENT, must_not_be_called))) == expected


def test_chunks_are_stored_while_they_are_made(open_cache: Callable[..., Cache]) -> None:
    chunks = open_cache().get_or_make_chunks(DOCUMENT, make_chunks(200))
    for _ in range(65):
        next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    made: list[int] = []

    def make_and_record(document: Document) -> Iterator[Chunk]:
        for chunk in make_chunks(200)(document):
            made.append(chunk.chunk_index)
            yield chunk

    chunks = open_cache().get_or_make_chunks(DOCUMENT, make_and_record)
    for _ in range(64):
        next(chunks)
    assert made == []
    assert [chunk.chunk_index for chunk in chunks] == list(range(64, 200))


def test_stored_generations_are_read_back(open_cache: Callable[..., Cache]) -> None:
    others = {
        (1,): DecodedGeneration(("",), -float("inf"), (0,)),
        (2, 1): DecodedGeneration(("",), 0.0),
    }
    open_cache().put_generations({INPUT: GENERATION, **others})
    assert open_cache().get_generations([INPUT, *others, (9,)]) == {INPUT: GENERATION, **others}
    assert open_cache().get_generations([]) == {}


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
def test_every_deciding_value_is_part_of_the_key(
    change: dict[str, Any], open_cache: Callable[..., Cache]
) -> None:
    cache, other = open_cache(), DECIDING | change
    list(cache.get_or_make_chunks(DOCUMENT, make_chunks(1)))
    cache.put_generations({INPUT: GENERATION})
    assert open_cache(chunking=other).get_generations([INPUT]) == {INPUT: GENERATION}
    assert open_cache(generating=other).get_generations([INPUT]) == {}
    assert len(list(open_cache(generating=other).get_or_make_chunks(DOCUMENT, must_not_be_called))) == 1
    assert len(list(open_cache(chunking=other).get_or_make_chunks(DOCUMENT, make_chunks(2)))) == 2


def test_the_order_of_the_deciding_values_does_not_matter(open_cache: Callable[..., Cache]) -> None:
    open_cache().put_generations({INPUT: GENERATION})
    assert open_cache(generating=dict(reversed(DECIDING.items()))).get_generations([INPUT]) == {
        INPUT: GENERATION
    }


@pytest.mark.parametrize("input_ids", [(5, 6, 7), (5, 6, 1, 7), (5 + (6 << 32), 7, 1)[1:], (0, 5, 6, 7, 1)])
def test_other_input_ids_have_another_key(
    input_ids: tuple[int, ...], open_cache: Callable[..., Cache]
) -> None:
    open_cache().put_generations({INPUT: GENERATION})
    assert open_cache().get_generations([input_ids]) == {}


HOSTILE_CHUNKS = {
    "nothing": b"", "no JSON": b"\xff\x00", "null": b"null", "number": b"5", "text": b'"12"',
    "object": b'{"123": 1}', "no chunks": b"[]", "rows of text": b'["123"]', "empty row": b"[[]]",
    "no ids": b"[[0,5,0,0]]", "negative id": b"[[0,5,0,0,-1]]", "large id": b"[[0,5,0,0,2147483648]]",
    "huge id": b"[[0,5,0,0," + b"9" * 4000 + b"]]",
    "infinite id": b"[[0,5,0,0,1e999]]",
    "text as id": b'[[0,5,0,0,"1"]]',
    "list as id": b"[[0,5,0,0,[1]]]", "null as id": b"[[0,5,0,0,null]]", "fraction": b"[[0.0,5,0,0,1]]",
    "nan": b"[[0,NaN,0,0,1]]", "backwards": b"[[5,0,0,0,1]]", "empty": b"[[5,5,0,0,1]]",
    "before": b"[[-1,5,0,0,1]]",
    "behind": b"[[0,1001,0,0,1]]", "overlap": b"[[0,5,0,0,1],[4,9,0,0,1]]", "deep": b"[" * 100_000,
    "deep and closed": b"[" * 50_000 + b"]" * 50_000,
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE_CHUNKS.values(), ids=HOSTILE_CHUNKS)
def test_invalid_chunks_are_made_again(
    value: bytes, tmp_path: Path, open_cache: Callable[..., Cache]
) -> None:
    list(open_cache().get_or_make_chunks(DOCUMENT, make_chunks(2)))
    replace_values(tmp_path, value)
    assert rows(list(open_cache().get_or_make_chunks(DOCUMENT, make_chunks(2)))) == rows(
        make_chunks(2)(DOCUMENT)
    )


HOSTILE_GENERATIONS = {
    "nothing": b"", "no JSON": b"\xff\x00", "null": b"null", "number": b"5", "text": b'"eos"',
    "object": b"{}",
    "no score": b'["eos"]', "nan": b'["eos",NaN,"x?"]', "whole number": b'["eos",-1,"x?"]',
    "huge number": b'["eos",' + b"9" * 4000 + b',"x?"]', "text as score": b'["eos","1","x?"]',
    "true": b'["eos",true,"x?"]', "unknown reason": b'["stop",-0.5,"x?"]',
    "list as reason": b'[["eos"],-0.5,"x?"]',
    "number as piece": b'["eos",-0.5,5]', "list as piece": b'["eos",-0.5,["x?"]]',
    "half a pair": b'["eos",-0.5,"\\ud800?"]', "deep": b"[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE_GENERATIONS.values(), ids=HOSTILE_GENERATIONS)
def test_invalid_generations_count_as_missing(
    value: bytes, tmp_path: Path, open_cache: Callable[..., Cache]
) -> None:
    open_cache().put_generations({INPUT: GENERATION})
    replace_values(tmp_path, value)
    assert open_cache().get_generations([INPUT]) == {}


def test_the_chunks_of_samples_have_not_changed_under_this_cache_format(tmp_path: Path) -> None:
    components = Components.find(Settings(), tmp_path)
    assert find_model("small").sha256 == components.model.sha256
    digest = hashlib.sha256()
    for path in sorted(SAMPLES.iterdir()):
        document = Document.from_text(path.read_text(encoding="utf-8"), path.name)
        for chunk in components.chunks(document):
            row = [path.name, chunk.start_char, chunk.end_char, chunk.hard_split, *chunk.input_ids]
            digest.update(json.dumps(row).encode())
    assert digest.hexdigest()[:8] == CHUNKS_OF_SAMPLES, (
        "Documents are split into other chunks than before, but the caches of users still contain the old "
        "chunks. If the change is intended, increase cache._FORMAT and update the hash in this test. A new "
        "version of a package does not need this, because versions are part of the key."
    )
