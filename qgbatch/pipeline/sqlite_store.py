"""A key-value store in an SQLite file, shared by any number of processes.

The store only saves time, so a problem with its file causes a warning and never stops a run.
Each value has a checksum, so a damaged value counts as missing.
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
"""The name contains the version of the format; a new format uses a new file."""
_DAMAGED_SUFFIX = ".damaged"
_DATABASE_SUFFIXES = ("", "-wal", "-shm")
"""Suffixes of the files that make up an SQLite database in WAL mode."""
_APPLICATION_ID = 0x71676261
"""Marks a file as a cache of qgbatch in the SQLite header: ``qgba`` in ASCII."""
_TABLE = "CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, used_s INTEGER NOT NULL)"
_CHECKSUM_BYTES = 8
_BUSY_TIMEOUT_S = 30.0
"""Maximum wait for another process that is writing; a write takes milliseconds."""
_USE_INTERVAL_S = 24 * 3600
"""The time of use is updated at most once a day, so a rerun over an unchanged corpus writes nothing."""
_KEYS_PER_QUERY = 500
"""Below 999, the default limit of variables per query in older versions of SQLite."""
_EVICT_TO_SHARE = 0.8
"""Share of the size limit that is still in use after an eviction."""
_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""A message of SQLite that quotes a damaged file may not be valid UTF-8."""


class SqliteStore:
    """Stores values by key, and evicts the least recently used entries when the file exceeds its limit.

    A file that is damaged, or that is not a cache of qgbatch, is renamed and replaced by an
    empty one. Threads may share a store.

    Args:
        directory: Where the file is. It is created if it does not exist. With ``None``,
            nothing is stored.
        max_bytes: Size limit of the file.
    """

    def __init__(self, directory: Path | None, max_bytes: int) -> None:
        self._path = directory and directory / FILE_NAME
        self._max_bytes = max_bytes
        self._used_keys: set[bytes] = set()
        self._inode: int | None = None
        self._lock = threading.RLock()
        self._connection = self._open()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values of these keys; missing keys and damaged values are left out."""
        return self._try(self._get, keys) or {}

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Store values in one transaction: all of them or, if the process is killed, none."""
        self._try(self._put, values)

    def clear(self) -> None:
        """Delete all entries, and a damaged file that was renamed earlier."""
        self._try(_clear)
        if self._path:
            for suffix in _DATABASE_SUFFIXES:
                Path(f"{self._path}{_DAMAGED_SUFFIX}{suffix}").unlink(missing_ok=True)

    def size(self) -> tuple[int, int]:
        """Return the number of entries and the bytes that they use on disk."""
        return self._try(_size) or (0, 0)

    def close(self) -> None:
        """Update the times of use and close the file."""
        with self._lock:
            self._try(self._update_times_of_use)
            self._disconnect()

    def _open(self, damage: Exception | None = None) -> sqlite3.Connection | None:
        """Open the file. With ``damage``, the error that an open file caused, it is renamed first."""
        if self._path is None:
            return None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite does not protect the renaming and the creation of a file, so only one run may do it.
            with FileLock(f"{self._path}.lock", timeout=_BUSY_TIMEOUT_S):
                if damage and _inode(self._path) == self._inode:  # otherwise another run has renamed it
                    _rename_damaged(self._path, damage)
                try:
                    connection = _connect(self._path)
                except _DAMAGE as error:
                    if not _is_damage(error):
                        raise
                    _rename_damaged(self._path, error)
                    connection = _connect(self._path)
                self._inode = _inode(self._path)
                return connection
        except (sqlite3.Error, OSError) as error:
            logger.warning("%s cannot be used (%s). The run continues without a cache.", self._path, error)
            return None

    def _try(self, action: Callable[..., Result], *arguments: object) -> Result | None:
        """Call an action with the connection; ``None`` if it fails or the store is not open."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                return action(self._connection, *arguments)
            except _DAMAGE as error:
                self._disconnect()
                if _is_damage(error):
                    self._connection = self._open(error)
                else:
                    logger.warning(
                        "%s can no longer be used (%s). The run continues without a cache.",
                        self._path,
                        error,
                    )
            return None

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _get(self, connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        update_before = time.time() - _USE_INTERVAL_S
        for first in range(0, len(keys), _KEYS_PER_QUERY):
            queried = keys[first : first + _KEYS_PER_QUERY]
            placeholders = ",".join("?" * len(queried))
            query = f"SELECT key, value, used_s < ? FROM entries WHERE key IN ({placeholders})"
            for key, value, needs_update in connection.execute(query, [update_before, *queried]):
                if not isinstance(value, bytes):  # an SQLite column accepts any type
                    continue
                checksum, content = value[:_CHECKSUM_BYTES], value[_CHECKSUM_BYTES:]
                if checksum == _checksum(key, content):
                    found[key] = content
                    if needs_update:
                        self._used_keys.add(key)
        return found

    def _put(self, connection: sqlite3.Connection, values: Mapping[bytes, bytes]) -> None:
        now = int(time.time())
        rows = [(key, _checksum(key, value) + value, now) for key, value in values.items()]
        with _transaction(connection):
            connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
        n_bytes = _size_bytes(connection)
        if n_bytes > self._max_bytes:
            self._update_times_of_use(connection)
            _evict(connection, 1 - _EVICT_TO_SHARE * self._max_bytes / n_bytes)

    def _update_times_of_use(self, connection: sqlite3.Connection) -> None:
        if self._used_keys:
            rows = [(int(time.time()), key) for key in self._used_keys]
            with _transaction(connection):
                connection.executemany("UPDATE entries SET used_s = ? WHERE key = ?", rows)
            self._used_keys.clear()


def _connect(path: Path) -> sqlite3.Connection:
    """Open the cache file, or create it.

    Raises:
        sqlite3.DatabaseError: The file cannot be used, is damaged, or is not a cache of qgbatch.
    """
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,  # the lock of the store guards the connection
    )
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Configure a connection, and create the table in an empty file."""
    connection.text_factory = bytes  # a damaged file may contain text that is not valid UTF-8
    connection.execute("PRAGMA trusted_schema = OFF")  # the file may be malicious
    connection.execute("PRAGMA cell_size_check = ON")
    if not _has_cache_table(connection):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only possible before the table exists
        connection.execute("PRAGMA journal_mode = WAL")
        with _transaction(connection):
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(_TABLE)
    connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may only lose the last entries
    connection.execute("PRAGMA journal_size_limit = 16777216")


def _has_cache_table(connection: sqlite3.Connection) -> bool:
    """Whether the file contains the table of the cache; ``False`` for an empty file.

    Raises:
        sqlite3.DatabaseError: The file contains anything else.
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
    """Run the block in a transaction, which is rolled back after an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _evict(connection: sqlite3.Connection, share: float) -> None:
    """Delete the least recently used entries, a share of the bytes of all values, and shrink the file."""
    (n_bytes,) = connection.execute("SELECT total(length(value)) FROM entries").fetchone()
    freed, last = 0, (0, 0)
    rows = connection.execute("SELECT length(value), used_s, rowid FROM entries ORDER BY used_s, rowid")
    for length, *position in rows:
        freed, last = freed + length, tuple(position)
        if freed >= share * n_bytes:
            break
    rows.close()
    with _transaction(connection):
        connection.execute("DELETE FROM entries WHERE (used_s, rowid) <= (?, ?)", last)
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would only free one page


def _clear(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        connection.execute("DELETE FROM entries")
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would only free one page
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


def _is_damage(error: Exception) -> bool:
    """Whether the content of the file caused the error, not the disk, permissions or another process."""
    # The SQL of this module is valid, so SQLITE_ERROR means wrong content, such as an unknown schema.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return not isinstance(error, sqlite3.OperationalError) or code == sqlite3.SQLITE_ERROR


def _rename_damaged(path: Path, error: Exception) -> None:
    """Rename a file that cannot be used. A damaged file that was renamed earlier is replaced."""
    name = path.name + _DAMAGED_SUFFIX
    logger.warning(
        "%s is damaged (%s). It is renamed to %s, and the cache starts empty.", path, error, name
    )
    for suffix in _DATABASE_SUFFIXES:
        with suppress(FileNotFoundError):  # another run has renamed it
            Path(f"{path}{suffix}").replace(f"{path}{_DAMAGED_SUFFIX}{suffix}")


def _checksum(key: bytes, content: bytes) -> bytes:
    """Hash a value together with its key, so that a value under a wrong key is noticed."""
    return blake2b(content, digest_size=_CHECKSUM_BYTES, key=key).digest()
