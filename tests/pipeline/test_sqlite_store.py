"""The table on disk: what is put is there, for as long as there is room, whoever shares it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qgbatch.pipeline.sqlite_store import FILE_NAME, SqliteStore
from tests.support.stores import NEW, PAGE_BYTES, PLENTY, VALUES, OpenStore, edit, fill, log, open_store

__all__ = ["log", "open_store"]

DAY_S = 24 * 3600

PUT_AT_ONCE = """
import os, sys
from pathlib import Path
from qgbatch.pipeline.sqlite_store import SqliteStore

begin, go = os.pipe()
children = []
for number in range(8):
    if child := os.fork():
        children.append(child)
        continue
    os.close(go)
    os.read(begin, 1)  # until the other end is closed
    store = SqliteStore(Path(sys.argv[1]), 10**9)
    for turn in range(5):
        store.put({bytes([number, turn]) * 10: b"value"})
    assert store.get([bytes([number, turn]) * 10])
    store.close()
    os._exit(0)
os.close(go)
print([os.waitpid(child, 0)[1] for child in children])
"""


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
    nowhere = SqliteStore(None, PLENTY)
    nowhere.put(NEW)
    assert (nowhere.get(list(NEW)), nowhere.size()) == ({}, (0, 0))
    nowhere.clear()
    nowhere.close()


def test_a_transaction_that_breaks_off_leaves_nothing(open_store: OpenStore) -> None:
    broken = open_store()
    with pytest.raises(TypeError):
        broken.put({b"a" * 20: b"fine", b"b" * 20: 7})  # type: ignore[dict-item]
    broken.put(NEW)
    assert open_store().size()[0] == 1


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
        ours = SqliteStore(directory, PLENTY)
        assert ours.size()[0] == 40
        ours.close()
