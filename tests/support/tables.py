"""Outputs of ``qgbatch run`` without a run: questions that a test makes up, in the files of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qgbatch.output.rows import COLUMNS, Row, output_columns, to_row
from qgbatch.output.run_facts import Provenance
from qgbatch.output.writers import open_writer
from qgbatch.records import Chunk, Document, Question
from qgbatch.settings import FileSettings, Format

WITH_CONTEXT = output_columns(FileSettings(with_context=True), with_answers=False)
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
    with (
        path.open("wb") as stream,
        open_writer(stream, kinds[path.suffix], provenance, columns, csv_safe=csv_safe) as writer,
    ):
        for row in rows:
            writer.write({"page": None, **row})
    return str(path)
