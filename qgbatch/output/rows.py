"""The schema of the output: one row per question."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from qgbatch.errors import SettingsError, name_setting
from qgbatch.records import Chunk, Passage, Question
from qgbatch.settings import FileSettings

if TYPE_CHECKING:
    import pandas as pd


Row: TypeAlias = dict[str, str | int | float | None]
"""The values of one output row, by column."""

COLUMNS: Mapping[str, str] = {
    "question_id": "string",
    "question": "string",
    "source": "string",
    "passage_id": "string",
    "document_sha256": "string",
    "chunk_index": "int64",
    "question_index": "int64",
    "start_char": "int64",
    "end_char": "int64",
    "page": "int64",
    "score": "float64",
    "model": "string",
}
"""The columns that every output has, in order, with their pyarrow types."""

CONTEXT_COLUMNS: Mapping[str, str] = {"context": "string", "other_passages": "string"}
"""The additional columns of an output with the text of each chunk."""

PASSAGE_COLUMNS = ("passage_id", "source", "start_char", "end_char", "context")
"""The columns that describe a passage, also each of ``other_passages``."""

MAX_OTHER_PASSAGES = 100
"""A question about more passages than this tells none of them from the others, so they are not listed."""

RETRIEVAL_COLUMNS: Mapping[str, str] = {"style": "string", "bm25_rank": "int64"}
"""The additional columns of an output with several styles of queries, and of one with passages."""

PASSAGE_FILE_COLUMNS: Mapping[str, str] = {
    "passage_id": "string",
    "text": "string",
    "title": "string",
    "source": "string",
    "document_sha256": "string",
    "chunk_index": "int64",
    "start_char": "int64",
    "end_char": "int64",
    "page": "int64",
}
"""The columns of a file of passages, with their pyarrow types; kept columns follow."""

ANSWER_COLUMNS: Mapping[str, str] = {
    "answer": "string",
    "answer_start_char": "int64",
    "answer_score": "float64",
}
"""The additional columns of an output whose questions have answers."""

REVIEW_COLUMNS: Mapping[str, str] = {
    "review": "string",
    "original_question": "string",
    "original_answer": "string",
}
"""The additional columns of an output that a reader has reviewed, in whole or in part."""

OPTIONAL_COLUMNS: Mapping[str, str] = {
    **RETRIEVAL_COLUMNS,
    **CONTEXT_COLUMNS,
    **ANSWER_COLUMNS,
    **REVIEW_COLUMNS,
}
"""The columns that an output may have in addition to :data:`COLUMNS`, in order. Kept columns follow."""

NULLABLE = frozenset({"page", "title", "bm25_rank", "other_passages", *ANSWER_COLUMNS, *REVIEW_COLUMNS})
"""The columns that may be null. So may kept columns."""

NOT_NULL = {*COLUMNS, *CONTEXT_COLUMNS, "style", *PASSAGE_FILE_COLUMNS} - NULLABLE
"""The columns that have a value in every row."""


def output_columns(files: FileSettings, *, with_answers: bool) -> Mapping[str, str]:
    """Return the columns of an output, in order, with their pyarrow types.

    Raises:
        SettingsError: A column to keep has the name of another column.
    """
    names: set[str] = set()
    if files.passages:
        names |= {"bm25_rank", "other_passages"}
    if files.query_styles != ("question",):
        names.add("style")
    if files.with_context:
        names |= CONTEXT_COLUMNS.keys()
    if with_answers:
        names |= ANSWER_COLUMNS.keys()
    if files.review_with:
        names |= REVIEW_COLUMNS.keys()
    columns = {**COLUMNS, **{name: kind for name, kind in OPTIONAL_COLUMNS.items() if name in names}}
    return _with_kept({**COLUMNS, **OPTIONAL_COLUMNS}, files, columns)


def passage_columns(files: FileSettings) -> Mapping[str, str]:
    """Return the columns of a file of passages, in order, with their pyarrow types.

    Raises:
        SettingsError: A column to keep has the name of another column.
    """
    return _with_kept(PASSAGE_FILE_COLUMNS, files, PASSAGE_FILE_COLUMNS)


def _with_kept(
    reserved: Mapping[str, str], files: FileSettings, columns: Mapping[str, str]
) -> Mapping[str, str]:
    """Add the columns to keep, unless one has a reserved name."""
    for name in files.kept_columns:
        if name in reserved:
            option = name_setting("keep_columns", files.keep_columns)
            raise SettingsError(
                f"{option}: qgbatch writes a column {name!r} itself.", "Rename it, or do not keep it."
            )
    return {**columns, **dict.fromkeys(files.kept_columns, "string")}


def to_row(question: Question, model: str, columns: Iterable[str]) -> Row:
    """Return the output row of a question, with the columns in the given order.

    The values are the same in every output format.
    """
    other_passages = (judged_passage(chunk.passage) for chunk in question.other_chunks)
    others = list_passages(judged_passage(question.chunk.passage), other_passages)
    row = {**question.as_dict(), "model": model, "other_passages": others}
    kept = question.chunk.document.kept
    return {name: row.get(name, kept.get(name)) for name in columns}


def judged_passage(passage: Passage) -> Row:
    """Return a passage with the columns of ``other_passages``."""
    return {
        "passage_id": passage.passage_id,
        "source": passage.source,
        "start_char": passage.start_char,
        "end_char": passage.end_char,
        "context": passage.text,
    }


def to_passage_row(chunk: Chunk, columns: Iterable[str]) -> Row:
    """Return the row of a chunk's passage in a file of passages."""
    passage, document = chunk.passage, chunk.document
    row: Row = {
        "passage_id": passage.passage_id,
        "text": passage.text,
        "title": document.title,
        "source": passage.source,
        "document_sha256": document.sha256,
        "chunk_index": chunk.chunk_index,
        "start_char": passage.start_char,
        "end_char": passage.end_char,
        "page": chunk.page,
    }
    return {name: row.get(name, document.kept.get(name)) for name in columns}


def list_passages(own: Row, others: Iterable[Row]) -> str | None:
    """Return the value of ``other_passages``: a JSON array, each passage once.

    Args:
        own: The passage of the row, which is not listed. It may have further columns, as may the others.
        others: The passages to list, with :data:`PASSAGE_COLUMNS`.

    Returns:
        ``None`` if there are more than :data:`MAX_OTHER_PASSAGES`.
    """
    found: dict[object, Row] = {}
    for other in others:
        if other["passage_id"] != own["passage_id"]:
            found[other["passage_id"]] = {name: other[name] for name in PASSAGE_COLUMNS}
        if len(found) > MAX_OTHER_PASSAGES:
            return None
    return json.dumps([*found.values()], ensure_ascii=False)


def to_dataframe(questions: Iterable[Question], model: str, *, with_context: bool = False) -> pd.DataFrame:
    """Convert questions to a pandas data frame with the columns and types of an output file.

    The columns of answers are included if at least one question has an answer.

    Args:
        questions: The questions.
        model: The value of the ``model`` column.
        with_context: Whether to add the columns ``context`` and ``other_passages``.
    """
    import pandas as pd

    questions = list(questions)
    with_answers = any(question.answer is not None for question in questions)
    columns = output_columns(FileSettings(with_context=with_context), with_answers=with_answers)
    dtypes = {name: "str" if kind == "string" else kind for name, kind in columns.items()}
    dtypes |= {name: "Int64" for name in NULLABLE if dtypes.get(name) == "int64"}  # a nullable integer
    rows = [to_row(question, model, columns) for question in questions]
    # Not astype, which in pandas 2 turns a missing text into "None".
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=dtype) for name, dtype in dtypes.items()}
    )
