"""Outputs of ``qgbatch run`` without a run: questions that a test makes up, in the files of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qgbatch.output.rows import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    PASSAGE_COLUMNS,
    Row,
    list_passages,
    output_columns,
    to_row,
)
from qgbatch.output.run_facts import Provenance
from qgbatch.output.writers import open_writer
from qgbatch.records import Chunk, Document, Question, make_passage_id, make_question_id
from qgbatch.settings import FileSettings, Format

WITH_CONTEXT = output_columns(FileSettings(with_context=True), with_answers=False)
WITH_ANSWERS = output_columns(FileSettings(with_context=True), with_answers=True)
PROVENANCE = Provenance(
    qgbatch="0.1.0",
    model="small",
    model_revision=None,
    model_sha256="5" * 64,
    engine="ctranslate2",
    device="cpu",
    precision="int8",
    settings={"num_beams": 4, "engine": "auto", "seed": None},
)


def ask(text: str, source: str, *spans: tuple[int, int, Sequence[str]]) -> list[Row]:
    """Rows of questions about spans of a text."""
    document = Document.from_text(text, source)
    rows: list[Row] = []
    for chunk_index, (start, end, questions) in enumerate(spans):
        chunk = Chunk(document, chunk_index, start, end, (1,), hard_split=False)
        for index, question in enumerate(questions):
            row = to_row(Question(question, index, -0.25, chunk), "small", WITH_CONTEXT)
            rows.append({name: value for name, value in row.items() if value is not None})
    return rows


def write(
    path: Path, rows: Sequence[Row], *, csv_safe: bool = False, provenance: Provenance = PROVENANCE
) -> str:
    """A file as ``qgbatch run`` writes it."""
    kinds: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}
    columns = WITH_CONTEXT if "context" in rows[0] else COLUMNS
    columns = WITH_ANSWERS if "answer" in rows[0] else columns
    known = {**COLUMNS, **OPTIONAL_COLUMNS}
    columns = {**columns, **{name: "string" for name in rows[0] if name not in known}}
    with (
        path.open("wb") as stream,
        open_writer(stream, kinds[path.suffix], provenance, columns, csv_safe=csv_safe) as writer,
    ):
        for row in rows:
            writer.write({"page": None, **row})
    return str(path)


def chunk(text: str, source: str = "a.txt", start: int = 0, **values: str | float | None) -> Row:
    """A passage of a file of all passages; values replace its own, or are those of kept columns."""
    return {
        "passage_id": make_passage_id(source, text),
        "text": text,
        "title": None,
        "source": source,
        "document_sha256": "0" * 64,
        "chunk_index": 0,
        "start_char": start,
        "end_char": start + len(text),
        "page": None,
        **values,
    }


def ask_chunk(chunk: Row, question: str, *others: Row, **values: str | float | None) -> Row:
    """A row of a question about a passage, which was asked of other passages too."""
    own, *rest = (
        {"context": each["text"], **{name: each[name] for name in PASSAGE_COLUMNS if name != "context"}}
        for each in (chunk, *others)
    )
    return {
        "question_id": make_question_id(str(chunk["source"]), str(chunk["text"]), question),
        "question": question,
        **own,
        "document_sha256": chunk["document_sha256"],
        "chunk_index": 0,
        "question_index": 0,
        "page": None,
        "score": 0.5,
        "model": "small",
        "other_passages": list_passages(own, rest),
        **values,
    }


def passages_of(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The passages of rows with ``context``, each once, and for each question a distractor."""
    passages: dict[str, Row] = {}
    own = ("passage_id", "source", "start_char", "end_char", "document_sha256")
    for number, row in enumerate(rows):
        passage = {**chunk(str(row["context"])), **{name: row[name] for name in own}}
        passages.setdefault(str(row["passage_id"]), passage)
        word = max(re.findall(r"\w+", str(row["question"])), key=len)
        text = (
            f"Text {number} is long, says {word} once, and tells nothing of what was asked in the question."
        )
        passages[f"distractor {number}"] = chunk(text, "more.txt")
    return [*passages.values()]


def write_rows(path: Path, rows: Sequence[Row]) -> str:
    """Rows with any columns as a table of the kind that the suffix names."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return str(path)
    kinds: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl"}
    columns = dict.fromkeys(rows[0], "string")
    with path.open("wb") as stream, open_writer(stream, kinds[path.suffix], None, columns) as writer:
        for row in rows:
            writer.write(row)
    return str(path)
