"""The lines of a text file, in bounded memory; the lines of the current row can be read again."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Sequence
from typing import BinaryIO

from qgbatch.errors import DocumentError, display
from qgbatch.readers.content import decode_exactly, is_gzip, utf16_encoding

MAX_ROW_BYTES = 1 << 25
"""32 MiB: the size of a row of CSV, TSV or JSONL, with its line breaks, in UTF-8."""
_MAX_REREAD_RATIO = 8
_MIN_REREAD_BYTES = 1 << 16
"""A file may be reread 8 times, and at least 64 KiB of it: a row that fails costs up to four readings of
it, and files made to be reread again and again would take hours."""


class Lines:
    """The lines of a text file as bytes, UTF-16 as UTF-8; refuses a row, or a file, that is too large."""

    def __init__(
        self, stream: BinaryIO, path: str, encodings: Sequence[str], max_bytes: int | None
    ) -> None:
        self._stream = stream
        self._n_file_bytes = max(_size(stream), 1)
        content = gzip.GzipFile(fileobj=stream) if is_gzip(path) else stream
        encoding = utf16_encoding(content.read(4))
        content.seek(0)
        self._content = _Utf16Lines(content, encoding) if encoding else content
        self._is_utf16 = bool(encoding)
        self._encodings = encodings
        self._max_bytes = max_bytes
        self._source = display(path)
        self._number = self._row_number = 0
        self._n_bytes = self._n_reread = self._n_row_bytes = 0
        self._buffer = io.BytesIO()
        """Lines from the row's first, or earlier, to the last that was read from the file."""
        self._n_buffered = self._row_start = 0

    @property
    def place(self) -> str:
        """The path and the number of the last line, from 1."""
        return f"{self._source}, line {self._number}"

    @property
    def row_place(self) -> str:
        """The path and the number of the row's first line."""
        return f"{self._source}, line {self._row_number + 1}"

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> bytes:
        line = self._buffer.readline() or self._read_line()
        if not line:
            raise StopIteration
        self._number += 1
        self._n_row_bytes += len(line)
        if self._n_row_bytes > MAX_ROW_BYTES:
            raise DocumentError(
                f"{self.place}: the row is larger than {MAX_ROW_BYTES >> 20} MiB.",
                "Check for a quote that is not closed, or split the text.",
            )
        return line

    def decode(self, line: bytes) -> str:
        """Decode the last line.

        Raises:
            DocumentError: the line is not valid in any of the encodings.
        """
        if not self._is_utf16:
            return decode_exactly(line, self.place, self._encodings)
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise DocumentError(f"{self.place}: not valid UTF-16.", "Save the table as UTF-8.") from error

    def reread(self) -> None:
        """Go back to the first line of the row.

        Raises:
            DocumentError: too much of the file has been reread.
        """
        self._n_reread += self._n_row_bytes
        if self._n_reread > max(_MAX_REREAD_RATIO * self._n_bytes, _MIN_REREAD_BYTES):
            raise DocumentError(
                f"{self.row_place}: too many quotes up to this line are not closed.", "Correct the quotes."
            )
        self._buffer.seek(self._row_start)
        self._number = self._row_number
        self._n_row_bytes = 0

    def end_row(self) -> float:
        """Begin a new row, and return the share of the file that has been read."""
        self._row_number = self._number
        self._n_row_bytes = 0
        self._row_start = self._buffer.tell()
        if 2 * self._row_start > self._n_buffered:
            self._buffer = io.BytesIO(self._buffer.read())
            self._n_buffered -= self._row_start
            self._row_start = 0
        return min(self._stream.tell() / self._n_file_bytes, 1.0)

    def _read_line(self) -> bytes:
        try:
            line = self._content.readline(MAX_ROW_BYTES + 1)
        except UnicodeDecodeError as error:
            message = f"{self._source}, line {self._number + 1}: not valid UTF-16 ({error.reason})."
            raise DocumentError(message, "Save the table as UTF-8.") from error
        self._n_bytes += len(line)
        self._n_buffered += self._buffer.write(line)
        if self._max_bytes is not None and self._n_bytes > self._max_bytes:
            raise DocumentError(
                f"{self._source}: more than {self._max_bytes:,} bytes unpacked.", "Split the file."
            )
        return line


class _Utf16Lines:
    """The lines of UTF-16 in UTF-8; half of a surrogate pair becomes bytes that are not valid UTF-8."""

    def __init__(self, content: BinaryIO | gzip.GzipFile, encoding: str) -> None:
        self._text = io.TextIOWrapper(content, encoding, errors="surrogatepass", newline="\n")

    def readline(self, n_chars: int) -> bytes:
        return self._text.readline(n_chars).encode("utf-8", "surrogatepass")


def _size(stream: BinaryIO) -> int:
    """The size in bytes; moves to the beginning of the stream."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size
