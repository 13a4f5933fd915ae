"""What an export reads: the questions to write, and the passages that they are about."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast, get_args

from qgbatch.errors import InputError, name_setting
from qgbatch.exports.difficulty import (
    easy_key,
    first_easy_to_drop,
    is_below,
    is_easy,
    rank_of,
)
from qgbatch.exports.one_line import one_line
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.passage_file import read_passages
from qgbatch.exports.passages import PassageCollection, PassageQuestion, open_collection
from qgbatch.exports.row_checks import CheckedRow, parse_other_passages
from qgbatch.exports.table import READ_COLUMNS, QuestionTable
from qgbatch.output.rows import MAX_OTHER_PASSAGES
from qgbatch.questions.retrieval.ranks import RANK_RANGES, rank_range
from qgbatch.questions.retrieval.splits import assign_parts
from qgbatch.settings import Language

logger = logging.getLogger("qgbatch")

_REPEATED = "repetitions of a question about the same passage"
_UNANSWERED = "questions without an answer"
_BELOW = "questions with a bm25_rank below {}"
_EASY = "questions with bm25_rank 1 above their share"
_FACTS = ("answer", "style", "bm25_rank")
_UNLISTED = f"questions about more than {MAX_OTHER_PASSAGES} other passages"


class ExportInput:
    """The questions that an export writes.

    Attributes:
        table: The output of the run that has them.
        options: The options of the export.
        columns: The columns of the rows.
        n_rows: The number of rows yielded so far.
        n_read: The number of those that a reader has kept or edited.
        left_out: How many questions are left out, by reason.

    Raises:
        InputError: The table lacks a column that an option needs.
    """

    def __init__(
        self,
        table: QuestionTable,
        options: ExportOptions,
        collection: PassageCollection,
        *,
        needs_judgments: bool,
        needs_answers: bool,
        with_kept: bool,
    ) -> None:
        self.table = table
        self.options = options
        self.columns = [
            name
            for name in READ_COLUMNS
            if name in table.columns or (name == "context" and options.passages)
        ]
        self._with_kept = with_kept
        if with_kept:
            self.columns += table.kept_columns
        self.n_rows = 0
        self.n_read = 0
        self.left_out: dict[str, int] = {}
        self._n_by_range: Counter[str] = Counter()
        self._collection = collection
        self._needs_judgments = needs_judgments
        self._needs_answers = needs_answers
        if needs_judgments and "other_passages" not in table.columns:
            logger.warning(
                "%s: no column 'other_passages', so the passages of dropped duplicates count as wrong. Run "
                "qgbatch run again with --with-context; it reuses the questions in the cache.",
                table.path,
            )

        for option in ("min_rank", "max_share_easy"):
            if getattr(options, option) is not None and "bm25_rank" not in table.columns:
                raise InputError(
                    f"{table.path}: no column 'bm25_rank', which {name_setting(option)} needs.",
                    "Run qgbatch run again with --passages; it reuses the questions in the cache.",
                )

    @property
    def language(self) -> Language:
        """The language of the documents, as the run was told; English if that is not known."""
        provenance = self.table.provenance
        name = provenance.settings.get("language") if provenance else None
        return cast(Language, name) if name in get_args(Language) else "english"

    def rows(self) -> Iterator[CheckedRow]:
        """Yield the rows to export, in order; a row lacks the columns that are empty in it.

        With ``--passages``, every row has the column ``context``.

        Raises:
            InputError: A value is invalid, the file of passages belongs to another run, or no row is left.
        """
        max_share, first_to_drop = self.options.max_share_easy, None
        if max_share is not None:
            first_to_drop = first_easy_to_drop(self._hard_enough_rows(), max_share)
            self.left_out[_EASY] = 0
        self.n_rows = self.n_read = 0
        self._n_by_range.clear()
        for number, row in enumerate(self._hard_enough_rows()):
            if first_to_drop and is_easy(row) and easy_key(row, number) >= first_to_drop:
                self.left_out[_EASY] += 1
                continue
            self.n_rows += 1
            self.n_read += "review" in row
            self._n_by_range[rank_range(rank_of(row))] += 1
            yield row
        if not self.n_rows:
            raise InputError(
                f"{self.table.path}: no question is left; left out are {self._describe_left_out()}.",
                "Leave out fewer questions, or run over more documents.",
            )

    def assign_parts(self, single_part: str) -> Callable[[str], str]:
        """Return a function that names the part of a source.

        Documents with near-duplicate passages are in the same part. Without ``--split``, all are in one.

        Raises:
            InputError: A part has no document.
        """
        if not self.options.split:
            return lambda source: single_part
        if self.options.passages:
            texts = ((passage.source, passage.text) for passage, _ in self._collection.passages())
        else:
            texts = ((str(row["source"]), str(row["context"])) for row in self.rows())
        return assign_parts(texts, self.options.split).__getitem__

    def describe_parts(self, n_by_part: Mapping[str, int]) -> list[tuple[str, str]]:
        """Return how many questions are in each part of a split, as a name and a value.

        Raises:
            InputError: A part has no question.
        """
        split = self.options.split
        empty = next((part for part in split if not n_by_part.get(part)), None)
        if empty:
            raise InputError(
                f"{self.table.path}: no question is in the part {empty!r} of {name_setting('split')}.",
                "Give the part a larger share, or run over more documents.",
            )
        return [("parts", ", ".join(f"{part}: {n_by_part[part]:,}" for part in split))] if split else []

    def summary(self) -> list[tuple[str, str]]:
        """Return how difficult the questions are, and how many are left out, as names and values."""
        lines = []
        if "bm25_rank" in self.columns:
            ranks = (f"{name}: {self._n_by_range[name]:,}" for name in RANK_RANGES)
            lines.append(("bm25_rank", ", ".join(ranks)))
        if self.left_out:
            lines.append(("left out", self._describe_left_out()))
        return lines

    def facts(self, question: PassageQuestion) -> dict[str, str | int | None]:
        """Return what the table says of a question, by column."""
        return {name: getattr(question, name) for name in _FACTS if name in self.columns}

    def collect(self) -> PassageCollection:
        """Read all rows, and return their questions and passages, with the passages of the file if any."""
        self.left_out[_REPEATED] = 0
        for row in self.rows():
            self._collection.add_question(row)
            if self._needs_judgments:
                self._collection.add_other_passages(row)
        self.left_out[_REPEATED] = self._collection.n_repeated
        return self._collection

    def _describe_left_out(self) -> str:
        return ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.items())

    def _hard_enough_rows(self) -> Iterator[CheckedRow]:
        """Yield the rows that have what the format needs and at least the smallest rank."""
        min_rank = self.options.min_rank or 0
        if self._needs_judgments:
            self.left_out[_UNLISTED] = 0
        if self._needs_answers:
            self.left_out[_UNANSWERED] = 0
        if min_rank:
            self.left_out[_BELOW.format(min_rank)] = 0
        for row in self.table.rows(with_kept=self._with_kept):
            if self.options.passages:
                self._compare_with_passages(row)
            if self._is_unlisted(row):
                self.left_out[_UNLISTED] += 1
            elif self._needs_answers and not one_line(row.get("answer", "")):
                self.left_out[_UNANSWERED] += 1
            elif is_below(row, min_rank):
                self.left_out[_BELOW.format(min_rank)] += 1
            else:
                yield row

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
                and text == passage.text
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
    table: QuestionTable,
    options: ExportOptions,
    *,
    needs_judgments: bool,
    needs_answers: bool,
    with_kept: bool,
) -> Iterator[ExportInput]:
    """Open the input of an export, and read the file of passages.

    Args:
        table: The questions.
        options: The options of the export.
        needs_judgments: Whether the format needs all right passages of each question.
        needs_answers: Whether questions without an answer are left out.
        with_kept: Whether the rows have the kept columns of the table.

    Raises:
        InputError: The file of passages is invalid.
        OutputError: The temporary file cannot be written.
    """
    with open_collection() as collection:
        if options.passages:
            read_passages(options.passages, collection)
        yield ExportInput(
            table,
            options,
            collection,
            needs_judgments=needs_judgments,
            needs_answers=needs_answers,
            with_kept=with_kept,
        )
