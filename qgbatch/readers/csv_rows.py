"""The rows of CSV and TSV as lists of cells.

A row that cannot be read fails with its first line; reading goes on at the next line. So a quote
that is not closed costs one row, and not all rows up to the next quote.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator

from qgbatch.errors import DocumentError
from qgbatch.readers import lines as line_limits
from qgbatch.readers.lines import Lines

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?[\r\n]*', re.IGNORECASE)
"""The first line of a file for Excel that names its delimiter."""
_ESCAPED = re.compile(r'\\(["\\])')
_HINT = 'Put quotes around a value that contains the delimiter, and write "" for a quote inside it.'


class CsvRows:
    r"""The cells of each row, or the error of a row that cannot be read.

    Without ``strict``, a row whose quotes are not those of CSV is read in another way if that gives
    a value per column: in TSV, with quotes as ordinary characters; in CSV, with ``\"`` for a quote.

    Attributes:
        names: The cells of the first row.

    Raises:
        DocumentError: the first row cannot be read.
    """

    def __init__(self, lines: Lines, delimiter: str, wanted: Collection[str], *, strict: bool) -> None:
        # The limit is for the whole process; the default of 128 KiB is too small.
        csv.field_size_limit(line_limits.MAX_ROW_BYTES)
        self._lines = lines
        self._strict = strict
        self._delimiter = _find_delimiter(lines, delimiter, set(wanted))
        self._texts = _Texts(lines, self._delimiter)
        self._reader = self._make_reader(self._texts)
        self._unescaped_reader = self._make_reader(map(_unescape, self._texts))
        try:
            self.names = next(self._reader, [])
        except csv.Error as error:
            raise DocumentError(f"{lines.row_place}: not CSV ({error}).", _HINT) from error
        if self._texts.error:
            raise self._texts.error
        lines.end_row()

    def __iter__(self) -> Iterator[list[str] | DocumentError]:
        while (row := self._next()) is not None:
            if row == []:  # a blank line
                self._lines.end_row()
            else:
                yield row

    def _make_reader(self, texts: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(texts, delimiter=self._delimiter, strict=True)

    def _next(self) -> list[str] | DocumentError | None:
        try:
            return self._parse(self._reader)
        except _MisreadError as error:
            first_error = error
        if not self._strict:
            try:
                return self._parse_otherwise()
            except _MisreadError:
                pass
        self._lines.reread()
        next(self._lines)
        return DocumentError(first_error.message, first_error.hint)

    def _parse(self, reader: Iterator[list[str]]) -> list[str] | DocumentError | None:
        self._texts.begin_row()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            is_open = len(self._texts.n_delimiters) > 1
            reason = "a quote is not closed, or text follows it" if is_open else error
            raise _MisreadError(f"{self._lines.row_place}: not CSV ({reason}).", _HINT) from error
        except DocumentError as error:  # the row is too large, but its first line is not
            if not self._texts.n_delimiters:
                raise
            raise _MisreadError(f"{self._lines.row_place}: {error.message}", error.hint) from error
        if cells:
            self._check(cells)
        return self._texts.error or cells

    def _check(self, cells: list[str]) -> None:
        n_columns = len(self.names)
        is_ragged = len(cells) != n_columns if self._strict else any(cells[n_columns:])
        if is_ragged:
            message = f"{self._lines.row_place}: {len(cells)} values for {n_columns} columns."
            raise _MisreadError(message, _HINT)
        first, *others = self._texts.n_delimiters
        if self._delimiter == "\t" and n_columns > 1 and first == n_columns - 1 and first in others:
            raise _MisreadError(f"{self._lines.row_place}: a quote is not closed.", _HINT)

    def _parse_otherwise(self) -> list[str] | DocumentError | None:
        self._lines.reread()
        if self._delimiter != "\t":
            return self._parse(self._unescaped_reader)
        self._texts.begin_row()
        cells = next(self._texts).rstrip("\r\n").split("\t")
        if len(cells) != len(self.names):
            raise _MisreadError(f"{self._lines.row_place}: not TSV.", _HINT)
        return self._texts.error or cells


class _MisreadError(DocumentError):
    """The lines of a row do not form a row of the table."""


class _Texts:
    """The decoded lines of a row; the first error is kept, for the row may go on after it."""

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self.begin_row()

    def begin_row(self) -> None:
        self.error: DocumentError | None = None
        self.n_delimiters: list[int] = []
        """The number of delimiters in each line of the row, in quotes or not."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        try:
            text = self._lines.decode(line)
        except DocumentError as error:
            self.error = self.error or error
            text = line.decode("latin-1")  # delimiters and quotes still say where the row ends
        self.n_delimiters.append(text.count(self._delimiter))
        return text


def _find_delimiter(lines: Lines, default: str, wanted: set[str]) -> str:
    """The delimiter that the first line names, or else the one with which it has the wanted columns."""
    line = next(lines, b"")
    text = lines.decode(line) if line else ""
    named = _SEPARATOR_LINE.fullmatch(text)
    if named:
        lines.end_row()
        return named[1]
    lines.reread()

    def fit(delimiter: str) -> tuple[int, int]:
        try:
            names = next(csv.reader([text], delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        return len(wanted.intersection(names)), len(names)

    return max((default, *_DELIMITERS), key=fit)


def _unescape(text: str) -> str:
    r"""CSV in which ``\"`` stands for a quote and ``\\`` for a backslash, as CSV with ``""``.

    >>> _unescape(r'7,"a \"b\" c:\\d"')
    '7,"a ""b"" c:\\d"'
    """
    return _ESCAPED.sub(lambda match: '""' if match[1] == '"' else match[1], text)
