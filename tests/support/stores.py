"""What the tests of the store share: a filled one, and ways to look behind its back."""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qgbatch.pipeline.sqlite_store import FILE_NAME, SqliteStore

OpenStore = Callable[..., SqliteStore]

PLENTY = 10**9
PAGE_BYTES = 4096
VALUES = {bytes([n % 256, n // 256]) * 10: random.Random(n).randbytes(200 + n) for n in range(300)}
NEW = {b"n" * 20: b"new"}


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Open the store in ``tmp_path``; it is closed at the end."""
    stores: list[SqliteStore] = []

    def open_it(max_bytes: int = PLENTY) -> SqliteStore:
        stores.append(SqliteStore(tmp_path, max_bytes))
        return stores[-1]

    yield open_it
    for each in stores:
        each.close()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The log, also where an earlier test has set up the command's own."""
    monkeypatch.setattr(logging.getLogger("qgbatch"), "propagate", True)
    return caplog


def fill(directory: Path) -> Path:
    filled = SqliteStore(directory, PLENTY)
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
