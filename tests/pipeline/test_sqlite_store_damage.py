"""A damaged or foreign cache file: it is renamed, and no wrong value is returned."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from qgbatch.pipeline.sqlite_store import FILE_NAME, SqliteStore
from tests.support.stores import NEW, PAGE_BYTES, PLENTY, VALUES, OpenStore, edit, fill, log, open_store

__all__ = ["log", "open_store"]

TABLE = "CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, used_s INTEGER NOT NULL)"

Damage = Callable[[bytes], bytes]


def flip(offset: int) -> Damage:
    return lambda data: data[:offset] + bytes([data[offset] ^ 0xFF]) + data[offset + 1 :]


def zero_page(number: int) -> Damage:
    start = number * PAGE_BYTES
    return lambda data: data[:start] + bytes(PAGE_BYTES) + data[start + PAGE_BYTES :]


def change_random_bytes(data: bytes) -> bytes:
    generator, changed = random.Random(1), bytearray(data)
    for _ in range(len(data) // 50):
        changed[generator.randrange(PAGE_BYTES, len(data))] = generator.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"garbage" * 1000,
        lambda data: b"{}",
        lambda data: data[:50],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-PAGE_BYTES],
        zero_page(0),
        zero_page(2),
        flip(0),  # magic
        flip(20),  # reserved bytes per page
        flip(47),  # schema format
        flip(59),  # text encoding
        flip(70),  # application id
        flip(100),  # type of the first page
        lambda data: data.replace(b"CREATE TABLE", b"CREATE \x9aABLE"),  # quoted in the message of SQLite
        change_random_bytes,
    ],
)
def test_a_damaged_file_is_renamed(
    damage: Damage, tmp_path: Path, open_store: OpenStore, log: pytest.LogCaptureFixture
) -> None:
    path = fill(tmp_path)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    damaged_store = open_store()
    assert damaged_store.get(list(VALUES)).items() <= VALUES.items()
    damaged_store.put(NEW)
    damaged_store.put(VALUES)
    assert "renamed to results-1.sqlite3.damaged" in log.text
    renamed = path.with_name(f"{FILE_NAME}.damaged")
    assert len(renamed.read_bytes()) >= len(damaged) - PAGE_BYTES
    log.clear()
    assert open_store().get(list(VALUES)) == VALUES
    assert log.text == ""


@pytest.mark.parametrize("seed", range(5))
def test_flipped_bits_never_return_a_wrong_value(seed: int, tmp_path: Path, open_store: OpenStore) -> None:
    path, generator = fill(tmp_path), random.Random(seed)
    original = path.read_bytes()
    for _ in range(12):
        changed = bytearray(original)
        for _ in range(generator.choice([1, 30])):
            changed[generator.randrange(len(original))] ^= 1 << generator.randrange(8)
        path.write_bytes(changed)
        store = open_store()
        assert store.get(list(VALUES)).items() <= VALUES.items()
        store.put(NEW)
        store.close()
        for file in tmp_path.glob(f"{FILE_NAME}*"):
            file.unlink()


def test_an_empty_file_is_used_as_a_new_store(
    tmp_path: Path, open_store: OpenStore, log: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).touch()
    open_store().put(NEW)
    assert open_store().get(list(NEW)) == NEW
    assert log.text == ""


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END"],
        ["CREATE VIEW v AS SELECT * FROM entries"],
        ["CREATE TABLE other (a)"],
        ["CREATE INDEX i ON entries (lower(value))"],
        ["DROP TABLE entries", "CREATE VIEW entries AS SELECT x'00' AS key, x'00' AS value, 0 AS used_s"],
        ["DROP TABLE entries", TABLE.replace("NOT NULL)", "NOT NULL, extra)")],
        ["DROP TABLE entries"],
        ["PRAGMA application_id = 0"],
        ["PRAGMA application_id = 0", "DROP TABLE entries", "CREATE TABLE places (url)"],
    ],
)
def test_a_database_with_another_schema_is_renamed(
    statements: list[str], tmp_path: Path, open_store: OpenStore, log: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    edit(tmp_path, *statements)
    other = open_store()
    assert other.get(list(VALUES)) == {}
    other.put(NEW)
    assert other.get(list(NEW)) == NEW
    assert "not a cache of qgbatch" in log.text
    assert (tmp_path / f"{FILE_NAME}.damaged").is_file()


def test_a_file_that_is_damaged_while_open_is_renamed_once(
    tmp_path: Path, open_store: OpenStore, log: pytest.LogCaptureFixture
) -> None:
    open_store().put(VALUES)
    first, second = open_store(), open_store()
    edit(tmp_path, "PRAGMA wal_checkpoint(TRUNCATE)")
    path = tmp_path / FILE_NAME
    with path.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(b"\xff" * (path.stat().st_size - PAGE_BYTES))
    for each in (first, second):
        assert each.get(list(VALUES)) == {}
        each.put(NEW)
        each.put(NEW)
    assert log.text.count("renamed to") == 1, "the second store finds the new file"
    assert open_store().get(list(NEW)) == NEW


@pytest.mark.parametrize(
    "column", ["value = 17", "value = 'text'", "value = 1.5", "value = x''", "value = x'00'", "value = ''"]
)
def test_a_value_with_an_invalid_checksum_or_type_counts_as_missing(
    column: str, tmp_path: Path, open_store: OpenStore
) -> None:
    fill(tmp_path)
    edit(tmp_path, f"UPDATE entries SET {column}")
    assert open_store().get(list(VALUES)) == {}


def test_text_that_is_not_valid_utf8_counts_as_missing(
    tmp_path: Path, open_store: OpenStore, log: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    edit(tmp_path, "UPDATE entries SET value = CAST(x'ff00ff' AS TEXT), used_s = CAST(x'ff' AS TEXT)")
    assert open_store().get(list(VALUES)) == {}
    assert log.text == ""


def test_a_value_under_the_wrong_key_counts_as_missing(tmp_path: Path, open_store: OpenStore) -> None:
    fill(tmp_path)
    one, other = list(VALUES)[:2]
    values = "(SELECT value FROM entries WHERE key = x'{}')".format
    edit(tmp_path, f"UPDATE entries SET value = {values(other.hex())} WHERE key = x'{one.hex()}'")
    assert open_store().get([one, other]) == {other: VALUES[other]}


@pytest.mark.parametrize("used", ["'never'", "x'00'", "9e999", "-9e999"])
def test_an_invalid_time_of_use_is_tolerated(used: str, tmp_path: Path, open_store: OpenStore) -> None:
    fill(tmp_path)
    edit(tmp_path, f"UPDATE entries SET used_s = {used}")
    assert open_store().get(list(VALUES)) == VALUES
    small = open_store(max_bytes=80_000)
    small.put(NEW)
    assert small.size()[1] <= 80_000


@pytest.mark.parametrize("kind", ["directory", "below a file"])
def test_a_path_that_cannot_be_used_causes_a_warning(
    kind: str, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    if kind == "directory":
        (tmp_path / FILE_NAME).mkdir()
        nowhere = SqliteStore(tmp_path, PLENTY)
    else:
        (tmp_path / "file").touch()
        nowhere = SqliteStore(tmp_path / "file" / "cache", PLENTY)
    nowhere.put(NEW)
    assert nowhere.get(list(NEW)) == {}
    assert nowhere.size() == (0, 0)
    nowhere.close()
    assert log.text.count("continues without a cache") == 1
