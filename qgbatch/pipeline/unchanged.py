"""Documents whose files are unchanged since an earlier run, and need not be opened again.

The cache stores the rows of each document that was used as a whole. Their key is a hash of everything
that decides them, except that the file's identity stands for its content: path, device, inode, size, and
the times of the last changes of content and status. The rows of a file that changed within
:data:`_MIN_AGE_S` before it was read are not stored, because a second change may leave its times as
they are.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import qgbatch
from qgbatch.output.atomic import open_temporary_file
from qgbatch.output.remote import is_uri
from qgbatch.output.rows import NOT_NULL, Row
from qgbatch.pipeline.document_result import DocumentCounts
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.readers.content import STDIN
from qgbatch.readers.kinds import is_table
from qgbatch.records import Failure

_FORMAT = 1
"""Part of every key. Increase it when the meaning of a value changes."""
_KEY_BYTES = 20
_MIN_AGE_S = 2.0
"""The times of files on FAT have a resolution of two seconds; it is finer on other file systems."""
_KEYS_PER_QUERY = 500
_DOCUMENTS_PER_WRITE = 100
_READING_PACKAGES = ("lxml", "markdown-it-py", "nltk", "pypdfium2", "rapidfuzz")
"""Packages whose version decides a text or its questions, and is in no other key."""
_TYPES: Mapping[str, type] = {"string": str, "int64": int, "float64": float}


class UnchangedDocuments:
    """The inputs of a run, of which some are unchanged.

    Args:
        items: The inputs in order.
        store: Where the rows of documents are stored.
        deciding: What decides the rows besides the files, as JSON values.
        columns: The columns of the rows, in order, with their pyarrow types.
        stored: A file for the rows of unchanged documents.
        verify: Whether all documents are to be read.
    """

    def __init__(
        self,
        items: Sequence[str | Failure],
        store: SqliteStore,
        deciding: Mapping[str, Any],
        columns: Mapping[str, str],
        stored: IO[bytes],
        *,
        verify: bool,
    ) -> None:
        self._items = items
        self._store = store
        self._columns = columns
        self._deciding_key = _hash({"format": _FORMAT, "columns": dict(columns), **deciding})
        self._stored = stored
        self._offsets = array("q", [-1]) * len(items)
        self._waiting: dict[bytes, bytes] = {}
        self._keys = self._make_keys()
        if not verify:
            self._find()

    @property
    def n_inputs(self) -> int:
        """The number of inputs."""
        return len(self._items)

    def is_unchanged(self, position: int) -> bool:
        """Whether the rows of an input are known."""
        return self._offsets[position] >= 0

    def find_changed(self) -> list[int]:
        """Return the positions of the inputs that have to be read."""
        return [position for position in range(self.n_inputs) if not self.is_unchanged(position)]

    def load(self, position: int) -> tuple[list[Row], DocumentCounts]:
        """Return the rows of an unchanged document, and its counts."""
        self._stored.seek(self._offsets[position])
        rows, counts = json.loads(self._stored.readline())
        return [dict(zip(self._columns, row, strict=True)) for row in rows], _to_counts(counts)

    def add(self, position: int, rows: Sequence[Row], counts: DocumentCounts) -> None:
        """Store the rows of a document that was read, unless its file has changed meanwhile."""
        key, path = self._keys[position], str(self._items[position])
        status = _status(path)
        if key is None or status is None or self._make_key(path, status) != key:
            return
        content = [[[row[name] for name in self._columns] for row in rows], _to_json(counts)]
        self._waiting[key] = zlib.compress(json.dumps(content).encode(), level=1)
        if len(self._waiting) == _DOCUMENTS_PER_WRITE:
            self.flush()

    def flush(self) -> None:
        """Write what waits to be stored."""
        if self._waiting:
            self._store.put(self._waiting)
            self._waiting = {}

    def _make_keys(self) -> list[bytes | None]:
        """The keys of the inputs; ``None`` for what is no local file of one document, or just changed."""
        now_s = time.time()
        keys: list[bytes | None] = []
        for item in self._items:
            key = None
            if isinstance(item, str) and item != STDIN and not is_uri(item) and not is_table(item):
                status = _status(item)
                if status and max(status.st_mtime, status.st_ctime) <= now_s - _MIN_AGE_S:
                    key = self._make_key(item, status)
            keys.append(key)
        return keys

    def _make_key(self, path: str, status: os.stat_result) -> bytes:
        times = f"{status.st_mtime_ns}:{status.st_ctime_ns}"
        identity = f"{status.st_dev}:{status.st_ino}:{status.st_size}:{times}:".encode()
        return blake2b(
            identity + os.fsencode(path), digest_size=_KEY_BYTES, key=self._deciding_key
        ).digest()

    def _find(self) -> None:
        """Copy the rows of unchanged documents to the file, because another run could evict them."""
        positions = [position for position, key in enumerate(self._keys) if key]
        for first in range(0, len(positions), _KEYS_PER_QUERY):
            queried = positions[first : first + _KEYS_PER_QUERY]
            values = self._store.get([key for position in queried if (key := self._keys[position])])
            for position in queried:
                content = self._parse(values.get(self._keys[position] or b""))
                if content is not None:
                    self._offsets[position] = self._stored.tell()
                    self._stored.write(content + b"\n")

    def _parse(self, value: bytes | None) -> bytes | None:
        """The JSON of a value; ``None`` if it is missing or not as :meth:`add` wrote it."""
        try:
            content = zlib.decompress(value or b"")
            rows, counts = json.loads(content)
            _to_counts(counts)
        except (ValueError, TypeError, zlib.error, RecursionError):
            return None
        is_valid = isinstance(rows, list) and all(map(self._is_row, rows))
        return content if is_valid and b"\n" not in content else None

    def _is_row(self, row: object) -> bool:
        return (
            isinstance(row, list)
            and len(row) == len(self._columns)
            and all(
                name not in NOT_NULL if value is None else type(value) is _TYPES[kind]
                for value, (name, kind) in zip(row, self._columns.items(), strict=True)
            )
        )


@contextmanager
def open_unchanged(
    items: Sequence[str | Failure],
    store: SqliteStore,
    deciding: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    verify: bool,
) -> Iterator[UnchangedDocuments]:
    """Find the unchanged documents among the inputs; at the end, store what was added.

    The arguments are those of :class:`UnchangedDocuments`.
    """
    deciding = {**deciding, "code": _code_version(), "packages": list(map(_version, _READING_PACKAGES))}
    with open_temporary_file() as stored:
        unchanged = UnchangedDocuments(items, store, deciding, columns, stored, verify=verify)
        try:
            yield unchanged
        finally:
            unchanged.flush()


def _status(path: str) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except (OSError, ValueError):
        return None


def _to_json(counts: DocumentCounts) -> dict[str, Any]:
    return {spec.name: getattr(counts, spec.name) for spec in fields(counts)}


def _to_counts(values: Mapping[str, Any]) -> DocumentCounts:
    """Raises ``ValueError`` or ``TypeError`` if they are not counts."""
    counts = DocumentCounts(**values)
    for name, value in values.items():
        if name in ("dropped", "omitted"):
            setattr(counts, name, Counter({str(reason): int(count) for reason, count in value.items()}))
        elif type(value) is not int:
            raise ValueError(name)
    return counts


def _hash(values: Mapping[str, Any]) -> bytes:
    return blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=_KEY_BYTES).digest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _code_version() -> list[tuple[str, int, int]]:
    """The modules of qgbatch, with their sizes and times: a checkout may change without a new version."""
    home = Path(qgbatch.__file__).parent
    modules = sorted(home.rglob("*.py"))
    found = ((str(module.relative_to(home)), module.stat()) for module in modules)
    return [(name, status.st_size, status.st_mtime_ns) for name, status in found]
