"""A table of values by key, on disk, shared by any number of processes.

It only ever saves time: whatever is wrong with its file is a warning, never the end of a
run. Values carry a checksum, so that what comes out is what went in.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

FILE_NAME = "results-1.sqlite3"
"""With the number of its format: another one is another file."""
_DAMAGED = ".damaged"
_COMPANIONS = ("", "-wal", "-shm")
"""Suffixes of the files that SQLite keeps a database in."""
_APPLICATION_ID = 0x71676261
"""In the file's header: ``qgba``."""
_TABLE = "CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, used_s INTEGER NOT NULL)"
_CHECKSUM_BYTES = 8
_BUSY_S = 30.0
"""Longest wait for another process that writes; a write takes milliseconds."""
_TOUCH_S = 24 * 3600
"""Uses are noted to the day, so that a rerun over an unchanged corpus writes nothing."""
_KEYS_AT_ONCE = 500
"""SQLite may be built with a limit of 999 variables."""
_KEEP = 0.8
"""Share of the size limit that is kept once old entries have to go."""


class SqliteStore:
    """Bytes by key; the least recently used ones go when the file outgrows its limit.

    ``directory`` is made if it is missing; with ``None`` nothing is kept. A file that is
    damaged or not ours is renamed and a new one begun. Threads may share it.
    """

    def __init__(self, directory: Path | None, max_bytes: int) -> None:
        self._path = directory and directory / FILE_NAME
        self._max_bytes = max_bytes
        self._stale: set[bytes] = set()
        self._inode: int | None = None
        self._lock = threading.RLock()
        self._connection = self._open()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that are there and whole."""
        return self._guarded(self._get, keys) or {}

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Keep values, in one transaction: all of them or, if the process dies, none."""
        self._guarded(self._put, values)

    def clear(self) -> None:
        """Forget everything, also a file that was set aside."""
        self._guarded(_clear)
        if self._path:
            for companion in _COMPANIONS:
                Path(f"{self._path}{_DAMAGED}{companion}").unlink(missing_ok=True)

    def size(self) -> tuple[int, int]:
        """How many entries there are, and how many bytes of disk they take."""
        return self._guarded(_size) or (0, 0)

    def close(self) -> None:
        """Note what was used, and let go of the file."""
        with self._lock:
            self._guarded(self._note_uses)
            self._disconnect()

    def _open(self, damage: sqlite3.DatabaseError | None = None) -> sqlite3.Connection | None:
        """Open the file, after setting it aside where it turned out to be damaged."""
        if self._path is None:
            return None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # One run at a time: SQLite does not expect files to be set aside or set up by several.
            with FileLock(f"{self._path}.lock", timeout=_BUSY_S):
                if damage and _inode(self._path) == self._inode:  # else another run was faster
                    _set_aside(self._path, damage)
                try:
                    connection = _connect(self._path)
                except sqlite3.DatabaseError as error:
                    if not _is_damage(error):
                        raise
                    _set_aside(self._path, error)
                    connection = _connect(self._path)
                self._inode = _inode(self._path)
                return connection
        except (sqlite3.Error, OSError) as error:
            logger.warning("%s cannot be used (%s): going on without a cache.", self._path, error)
            return None

    def _guarded(self, action: Callable[..., Result], *arguments: object) -> Result | None:
        """The result of an action on the connection; ``None`` where there is none, or it fails."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                return action(self._connection, *arguments)
            except sqlite3.DatabaseError as error:
                self._disconnect()
                if _is_damage(error):
                    self._connection = self._open(error)
                else:
                    logger.warning(
                        "%s cannot be used any more (%s): going on without it.", self._path, error
                    )
            return None

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _get(self, connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        too_old = time.time() - _TOUCH_S
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[first : first + _KEYS_AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, value, used_s < ? FROM entries WHERE key IN ({marks})"
            for key, value, is_stale in connection.execute(query, [too_old, *some]):
                if not isinstance(value, bytes):  # columns hold any type
                    continue
                checksum, content = value[:_CHECKSUM_BYTES], value[_CHECKSUM_BYTES:]
                if checksum == _checksum(key, content):
                    found[key] = content
                    if is_stale:
                        self._stale.add(key)
        return found

    def _put(self, connection: sqlite3.Connection, values: Mapping[bytes, bytes]) -> None:
        now = int(time.time())
        rows = [(key, _checksum(key, value) + value, now) for key, value in values.items()]
        with _transaction(connection):
            connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
        n_bytes = _size_bytes(connection)
        if n_bytes > self._max_bytes:
            self._note_uses(connection)
            _evict(connection, 1 - _KEEP * self._max_bytes / n_bytes)

    def _note_uses(self, connection: sqlite3.Connection) -> None:
        if self._stale:
            rows = [(int(time.time()), key) for key in self._stale]
            with _transaction(connection):
                connection.executemany("UPDATE entries SET used_s = ? WHERE key = ?", rows)
            self._stale.clear()


def _connect(path: Path) -> sqlite3.Connection:
    """Open a file of ours, or make one.

    Raises:
        sqlite3.DatabaseError: it cannot be opened, read or written, or is damaged or not ours.
    """
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,  # the store has a lock
    )
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.text_factory = bytes  # there is none, but a damaged file may have what does not decode
    connection.execute("PRAGMA trusted_schema = OFF")  # a file may be made to do harm
    connection.execute("PRAGMA cell_size_check = ON")
    if not _is_ours(connection):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has to come before the table
        connection.execute("PRAGMA journal_mode = WAL")
        with _transaction(connection):
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(_TABLE)
    connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last entries, no more
    connection.execute("PRAGMA journal_size_limit = 16777216")


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the file holds our table and nothing else; false for an empty one.

    Raises:
        sqlite3.DatabaseError: it holds something else.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    schema = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master") if sql is not None]
    if not schema and not application_id:
        return False
    if application_id != _APPLICATION_ID or schema != [_TABLE.encode()]:
        raise sqlite3.DatabaseError("not a cache of qgbatch")
    return True


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _evict(connection: sqlite3.Connection, share: float) -> None:
    """Delete the least recently used entries, this share of all bytes together, and shrink the file."""
    (n_bytes,) = connection.execute("SELECT total(length(value)) FROM entries").fetchone()
    freed, last = 0, (0, 0)
    rows = connection.execute("SELECT length(value), used_s, rowid FROM entries ORDER BY used_s, rowid")
    for length, *place in rows:
        freed, last = freed + length, tuple(place)
        if freed >= share * n_bytes:
            break
    rows.close()
    with _transaction(connection):
        connection.execute("DELETE FROM entries WHERE (used_s, rowid) <= (?, ?)", last)
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would free one page


def _clear(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        connection.execute("DELETE FROM entries")
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would free one page
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _size(connection: sqlite3.Connection) -> tuple[int, int]:
    (n_entries,) = connection.execute("SELECT count(*) FROM entries").fetchone()
    return n_entries, _size_bytes(connection)


def _size_bytes(connection: sqlite3.Connection) -> int:
    pragmas = ("page_count", "freelist_count", "page_size")
    n_pages, n_free, n_page_bytes = (
        int(connection.execute(f"PRAGMA {pragma}").fetchone()[0]) for pragma in pragmas
    )
    return (n_pages - n_free) * n_page_bytes


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is at fault, not the disk, its rights or another process.

    Our statements are right, so SQLITE_ERROR is about the file, too: of an unknown format,
    say.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return not isinstance(error, sqlite3.OperationalError) or code == sqlite3.SQLITE_ERROR


def _set_aside(path: Path, error: sqlite3.DatabaseError) -> None:
    """Rename a file that cannot be used; an older one of that name goes."""
    logger.warning("%s is damaged (%s): set aside as %s%s.", path, error, path.name, _DAMAGED)
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):  # another run was faster
            Path(f"{path}{companion}").replace(f"{path}{_DAMAGED}{companion}")


def _checksum(key: bytes, content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECKSUM_BYTES, key=key).digest()
