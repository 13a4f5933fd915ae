"""The table on disk: what is damaged, hostile, full or shared costs the cache, never the run."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qgbatch.store import FILE_NAME, Store

PLENTY = 10**9
PAGE_BYTES = 4096
VALUES = {bytes([n % 256, n // 256]) * 10: random.Random(n).randbytes(200 + n) for n in range(300)}
NEW = {b"n" * 20: b"new"}
DAY_S = 24 * 3600
OURS = "CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, used_s INTEGER NOT NULL)"

Damage = Callable[[bytes], bytes]
OpenStore = Callable[..., Store]

PUT_AT_ONCE = """
import os, sys
from pathlib import Path
from qgbatch.store import Store

begin, go = os.pipe()
children = []
for number in range(8):
    if child := os.fork():
        children.append(child)
        continue
    os.close(go)
    os.read(begin, 1)  # until the other end is closed
    store = Store(Path(sys.argv[1]), 10**9)
    for turn in range(5):
        store.put({bytes([number, turn]) * 10: b"value"})
    assert store.is_in_use
    store.close()
    os._exit(0)
os.close(go)
print([os.waitpid(child, 0)[1] for child in children])
"""


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Open the store in ``tmp_path``; it is closed at the end."""
    stores: list[Store] = []

    def open_it(max_bytes: int = PLENTY) -> Store:
        stores.append(Store(tmp_path, max_bytes))
        return stores[-1]

    yield open_it
    for each in stores:
        each.close()


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The log, also where an earlier test has set up the command's own."""
    monkeypatch.setattr(logging.getLogger("qgbatch"), "propagate", True)
    return caplog


def fill(directory: Path) -> Path:
    filled = Store(directory, PLENTY)
    filled.put(VALUES)
    filled.close()
    return directory / FILE_NAME


def edit(directory: Path, *statements: str) -> list[tuple[object, ...]]:
    """Change the file behind the store's back; gives the rows of the last statement."""
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        connection.commit()
    return rows


def test_what_is_put_is_there_for_the_next_one(tmp_path: Path, open_store: OpenStore) -> None:
    first = open_store()
    assert first.get(list(VALUES)) == {}
    first.put(VALUES)
    first.put(NEW)
    first.put(NEW)
    assert open_store().get([*VALUES, *NEW, b"missing"]) == VALUES | NEW
    assert open_store().size()[0] == len(VALUES) + 1
    assert open_store().get([]) == {}


def test_more_keys_at_once_than_sqlite_takes_variables(open_store: OpenStore) -> None:
    many = {number.to_bytes(20, "big"): b"value" for number in range(40_000)}
    open_store().put(many)
    assert open_store().get(list(many)) == many


def test_without_a_directory_nothing_is_kept() -> None:
    nowhere = Store(None, PLENTY)
    nowhere.put(NEW)
    assert (nowhere.get(list(NEW)), nowhere.size(), nowhere.is_in_use) == ({}, (0, 0), False)
    nowhere.clear()
    nowhere.close()


def test_a_transaction_that_breaks_off_leaves_nothing(open_store: OpenStore) -> None:
    broken = open_store()
    with pytest.raises(TypeError):
        broken.put({b"a" * 20: b"fine", b"b" * 20: 7})  # type: ignore[dict-item]
    broken.put(NEW)
    assert open_store().size()[0] == 1


def flip(offset: int) -> Damage:
    return lambda data: data[:offset] + bytes([data[offset] ^ 0xFF]) + data[offset + 1 :]


def zero_page(number: int) -> Damage:
    start = number * PAGE_BYTES
    return lambda data: data[:start] + bytes(PAGE_BYTES) + data[start + PAGE_BYTES :]


def scribble(data: bytes) -> bytes:
    dice, changed = random.Random(1), bytearray(data)
    for _ in range(len(data) // 50):
        changed[dice.randrange(PAGE_BYTES, len(data))] = dice.randrange(256)
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
        flip(20),  # bytes reserved in each page
        flip(47),  # schema format
        flip(59),  # text encoding
        flip(70),  # application id
        flip(100),  # kind of the first page
        scribble,
    ],
)
def test_a_damaged_file_is_set_aside(
    damage: Damage, tmp_path: Path, open_store: OpenStore, log: pytest.LogCaptureFixture
) -> None:
    path = fill(tmp_path)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    damaged_store = open_store()
    assert damaged_store.get(list(VALUES)).items() <= VALUES.items()
    damaged_store.put(NEW)
    damaged_store.put(VALUES)
    assert "set aside as results-1.sqlite3.damaged" in log.text
    aside = path.with_name(f"{FILE_NAME}.damaged")
    assert len(aside.read_bytes()) >= len(damaged) - PAGE_BYTES
    log.clear()
    assert open_store().get(list(VALUES)) == VALUES
    assert log.text == ""


@pytest.mark.parametrize("seed", range(5))
def test_no_flipped_bits_give_a_wrong_value(seed: int, tmp_path: Path, open_store: OpenStore) -> None:
    path, dice = fill(tmp_path), random.Random(seed)
    whole = path.read_bytes()
    for _ in range(12):
        changed = bytearray(whole)
        for _ in range(dice.choice([1, 30])):
            changed[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
        some = open_store()
        assert some.get(list(VALUES)).items() <= VALUES.items()
        some.put(NEW)
        some.close()
        for left in tmp_path.glob(f"{FILE_NAME}*"):
            left.unlink()


def test_an_empty_file_is_a_new_one(
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
        ["DROP TABLE entries", OURS.replace("NOT NULL)", "NOT NULL, extra)")],
        ["DROP TABLE entries"],
        ["PRAGMA application_id = 0"],
        ["PRAGMA application_id = 0", "DROP TABLE entries", "CREATE TABLE places (url)"],
    ],
)
def test_a_database_that_is_not_quite_ours_is_set_aside(
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


def test_a_file_damaged_while_it_is_open_is_set_aside(
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
    assert log.text.count("set aside") == 1, "the second finds the new file"
    assert open_store().get(list(NEW)) == NEW


@pytest.mark.parametrize(
    "column", ["value = 17", "value = 'text'", "value = 1.5", "value = x''", "value = x'00'", "value = ''"]
)
def test_a_value_that_is_no_value_of_ours_is_missing(
    column: str, tmp_path: Path, open_store: OpenStore
) -> None:
    fill(tmp_path)
    edit(tmp_path, f"UPDATE entries SET {column}")
    assert open_store().get(list(VALUES)) == {}


def test_text_that_does_not_decode_is_missing(
    tmp_path: Path, open_store: OpenStore, log: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    edit(tmp_path, "UPDATE entries SET value = CAST(x'ff00ff' AS TEXT), used_s = CAST(x'ff' AS TEXT)")
    assert open_store().get(list(VALUES)) == {}
    assert log.text == ""


def test_a_value_under_another_key_is_missing(tmp_path: Path, open_store: OpenStore) -> None:
    fill(tmp_path)
    one, other = list(VALUES)[:2]
    values = "(SELECT value FROM entries WHERE key = x'{}')".format
    edit(tmp_path, f"UPDATE entries SET value = {values(other.hex())} WHERE key = x'{one.hex()}'")
    assert open_store().get([one, other]) == {other: VALUES[other]}


@pytest.mark.parametrize("used", ["'never'", "x'00'", "9e999", "-9e999"])
def test_an_odd_time_of_use_does_no_harm(used: str, tmp_path: Path, open_store: OpenStore) -> None:
    fill(tmp_path)
    edit(tmp_path, f"UPDATE entries SET used_s = {used}")
    assert open_store().get(list(VALUES)) == VALUES
    small = open_store(max_bytes=80_000)
    small.put(NEW)
    assert small.size()[1] <= 80_000


@pytest.mark.parametrize("kind", ["directory", "below a file"])
def test_a_place_that_cannot_be_used_is_a_warning(
    kind: str, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    if kind == "directory":
        (tmp_path / FILE_NAME).mkdir()
        nowhere = Store(tmp_path, PLENTY)
    else:
        (tmp_path / "file").touch()
        nowhere = Store(tmp_path / "file" / "cache", PLENTY)
    nowhere.put(NEW)
    assert nowhere.get(list(NEW)) == {}
    assert not nowhere.is_in_use
    nowhere.close()
    assert log.text.count("going on without a cache") == 1


def test_the_least_recently_used_go_first_and_the_file_shrinks(
    tmp_path: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(tmp_path)
    n_bytes = path.stat().st_size
    keys = list(VALUES)
    edit(tmp_path, f"UPDATE entries SET used_s = used_s - {9 * DAY_S}")
    reader = open_store()
    reader.get(keys[:50])  # used again, though the oldest
    reader.close()
    limit = n_bytes // 2
    small = open_store(max_bytes=limit)
    small.put(NEW)
    left = small.get([*keys, *NEW])
    assert set(keys[:50]) | set(NEW) <= set(left)
    assert 0.5 * limit < small.size()[1] <= limit
    assert keys[50] not in left
    assert keys[-1] in left
    small.close()
    assert path.stat().st_size <= limit


@pytest.mark.parametrize("max_bytes", [0, 1, 20_000])
def test_a_limit_below_a_batch_keeps_little_and_fails_nothing(
    max_bytes: int, open_store: OpenStore, log: pytest.LogCaptureFixture
) -> None:
    tiny = open_store(max_bytes=max_bytes)
    for key, value in VALUES.items():
        tiny.put({key: value})
        assert tiny.size()[1] <= max(max_bytes, 6 * PAGE_BYTES)
    assert log.text == ""


def test_a_use_is_noted_to_the_day(tmp_path: Path, open_store: OpenStore) -> None:
    fill(tmp_path)
    key = next(iter(VALUES))
    for age, is_noted in [(DAY_S - 600, False), (DAY_S + 600, True)]:
        edit(tmp_path, "UPDATE entries SET used_s = CAST(strftime('%s') AS INTEGER) - " + str(age))
        reader = open_store()
        reader.get([key])
        reader.close()
        count = "SELECT count(*) FROM entries WHERE used_s > CAST(strftime('%s') AS INTEGER) - 300"
        assert edit(tmp_path, count) == [(int(is_noted),)]


def test_clear_forgets_everything(tmp_path: Path, open_store: OpenStore) -> None:
    fill(tmp_path)
    (tmp_path / f"{FILE_NAME}.damaged").touch()
    cleared = open_store()
    cleared.clear()
    assert cleared.size()[0] == 0
    assert cleared.size()[1] <= 5 * PAGE_BYTES
    assert not (tmp_path / f"{FILE_NAME}.damaged").exists()
    cleared.put(NEW)
    assert open_store().get(list(NEW)) == NEW


@pytest.mark.skipif(not hasattr(os, "fork"), reason="starts processes by forking")
@pytest.mark.parametrize("begin_with", [None, b"damaged" * 1000], ids=["fresh", "damaged"])
def test_stores_that_begin_together_lose_nothing(
    begin_with: bytes | None, tmp_path: Path, open_store: OpenStore
) -> None:
    for turn in range(5):
        directory = tmp_path / str(turn)
        directory.mkdir()
        if begin_with is not None:
            (directory / FILE_NAME).write_bytes(begin_with)
        command = [sys.executable, "-c", PUT_AT_ONCE, str(directory)]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        assert ended.stdout.split() == str([0] * 8).split(), ended.stderr
        assert ended.stderr.count("set aside") == (begin_with is not None)
        ours = Store(directory, PLENTY)
        assert ours.size()[0] == 40
        ours.close()
