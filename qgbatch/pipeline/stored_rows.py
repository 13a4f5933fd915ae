"""Rows that wait in a temporary file until all of them are there."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from qgbatch.output.atomic import open_temporary_file
from qgbatch.output.rows import Row
from qgbatch.output.writers import json_line


class StoredRows:
    """Rows in a temporary file; memory only holds where each of them begins."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._offsets = array("q")

    def append(self, row: Row) -> None:
        """Add a row; only before the first call of :meth:`read`."""
        self._offsets.append(self._file.tell())
        self._file.write(json_line(row))

    def read(self, index: int) -> Row:
        """Return the row with an index, from 0."""
        self._file.seek(self._offsets[index])
        row: Row = json.loads(self._file.readline())
        return row

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[Row]:
        return map(self.read, range(len(self)))


@contextmanager
def store_rows() -> Iterator[StoredRows]:
    """Open an empty store of rows, which is gone when the block ends."""
    with open_temporary_file() as file:
        yield StoredRows(file)
