"""What an export reads: the questions to write, and the passages that they are about."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from qgbatch.errors import InputError
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.passage_file import read_passages
from qgbatch.exports.passages import PassageCollection, open_collection
from qgbatch.exports.row_checks import CheckedRow, parse_other_passages
from qgbatch.exports.table import READ_COLUMNS, QuestionTable
from qgbatch.output.rows import MAX_OTHER_PASSAGES

logger = logging.getLogger("qgbatch")

_REPEATED = "repetitions of a question about the same passage"
_UNLISTED = f"questions about more than {MAX_OTHER_PASSAGES} other passages"


class ExportInput:
    """The questions that an export writes.

    Attributes:
        table: The output of the run that has them.
        options: The options of the export.
        columns: The columns of the rows.
        n_rows: The number of rows yielded so far.
        left_out: How many questions are left out, by reason.
    """

    def __init__(
        self,
        table: QuestionTable,
        options: ExportOptions,
        collection: PassageCollection,
        *,
        needs_judgments: bool,
    ) -> None:
        self.table = table
        self.options = options
        self.columns = [
            name
            for name in READ_COLUMNS
            if name in table.columns or (name == "context" and options.passages)
        ]
        self.n_rows = 0
        self.left_out: dict[str, int] = {}
        self._collection = collection
        self._needs_judgments = needs_judgments
        if needs_judgments and "other_passages" not in table.columns:
            logger.warning(
                "%s: no column 'other_passages', so the passages of dropped duplicates count as wrong. Run "
                "qgbatch run again with --with-context; it reuses the questions in the cache.",
                table.path,
            )

    def rows(self) -> Iterator[CheckedRow]:
        """Yield the rows in order; a row lacks the columns that are empty in it.

        With ``--passages``, every row has the column ``context``.

        Raises:
            InputError: A value is invalid, or the file of passages belongs to another run.
        """
        self.n_rows = 0
        if self._needs_judgments:
            self.left_out[_UNLISTED] = 0
        for row in self.table.rows():
            if self.options.passages:
                self._compare_with_passages(row)
            if self._is_unlisted(row):
                self.left_out[_UNLISTED] += 1
                continue
            self.n_rows += 1
            yield row

    def collect(self) -> PassageCollection:
        """Read all rows, and return their questions and passages, with the passages of the file if any."""
        self.left_out[_REPEATED] = 0
        for row in self.rows():
            self._collection.add_question(row)
            if self._needs_judgments:
                self._collection.add_other_passages(row)
        self.left_out[_REPEATED] = self._collection.n_repeated
        return self._collection

    def _is_unlisted(self, row: CheckedRow) -> bool:
        """Whether a row does not say which other passages its question was asked about."""
        return (
            self._needs_judgments and "other_passages" in self.table.columns and "other_passages" not in row
        )

    def _compare_with_passages(self, row: CheckedRow) -> None:
        """Check that the file of passages has those of a row, and add the text if the row has none."""
        for named in (row, *parse_other_passages(row)):
            passage_id, question_id = named["passage_id"], row["question_id"]
            passage = self._collection.get(str(passage_id))
            if passage is None:
                raise self._wrong_file(f"no passage {passage_id}, which question {question_id} is about")
            text = named.setdefault("context", passage.text)
            is_same = (
                named["source"] == passage.source
                and named.get("document_sha256", passage.document_sha256) == passage.document_sha256
                and str(text) in passage.text
            )
            if not is_same:
                raise self._wrong_file(
                    f"passage {passage_id} is not the one that question {question_id} is about"
                )

    def _wrong_file(self, what: str) -> InputError:
        return InputError(
            f"{self.options.passages}: {what}; it belongs to another run.",
            "Give the file that this run wrote with --passages.",
        )


@contextmanager
def open_input(
    table: QuestionTable, options: ExportOptions, *, needs_judgments: bool
) -> Iterator[ExportInput]:
    """Open the input of an export, and read the file of passages.

    Args:
        table: The questions.
        options: The options of the export.
        needs_judgments: Whether the format needs all right passages of each question.

    Raises:
        InputError: The file of passages is invalid.
        OutputError: The temporary file cannot be written.
    """
    with open_collection() as collection:
        if options.passages:
            read_passages(options.passages, collection)
        yield ExportInput(table, options, collection, needs_judgments=needs_judgments)
