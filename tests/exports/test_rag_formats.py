"""Test sets for ragas and DeepEval: the keys that their loaders read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.tables import ask_chunk, chunk, write_rows

BEES = chunk("Bees live in hives.", "bees.md", passage_id="bees")
COPY = chunk("Bees live in hives!", "copy.md", passage_id="copy")
ANTS = chunk("Ants live in nests.", "ants.md", passage_id="ants")
WHERE, WHO = "Where do bees live?", "Who lives there?"


def exported(export_format: str, home: Path, rows: list[Row]) -> tuple[list[Any], dict[str, str]]:
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    summary = export(table, FORMATS[export_format], home / "out", ExportOptions())
    [name] = FORMATS[export_format].files
    lines = (home / "out" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines], dict(summary)


def some_rows() -> list[Row]:
    """The last question is also asked about the first passage."""
    return [
        ask_chunk(BEES, WHERE, COPY, answer="hives", style="question", bm25_rank=2),
        ask_chunk(BEES, WHO, answer=None, style="question", bm25_rank=None),
        ask_chunk(ANTS, WHO, answer="ants", style="question", bm25_rank=1),
    ]


def test_the_samples_of_ragas(tmp_path: Path) -> None:
    samples, summary = exported("ragas", tmp_path, some_rows())
    assert samples == [
        {
            "user_input": WHERE,
            "reference": "hives",
            "reference_contexts": [BEES["text"], COPY["text"]],
            "reference_context_ids": ["bees", "copy"],
        },
        {
            "user_input": WHO,
            "reference": None,
            "reference_contexts": [BEES["text"], ANTS["text"]],
            "reference_context_ids": ["bees", "ants"],
        },
    ]
    assert summary["samples"] == "2, 1 of them with an answer"


def test_the_goldens_of_deepeval(tmp_path: Path) -> None:
    rows = some_rows()[:2]
    goldens, summary = exported("deepeval", tmp_path, rows)
    assert goldens == [
        {
            "name": rows[0]["question_id"],
            "input": WHERE,
            "expected_output": "hives",
            "context": [BEES["text"], COPY["text"]],
            "source_file": "bees.md",
            "additional_metadata": {"passage_ids": ["bees", "copy"], "style": "question", "bm25_rank": 2},
        },
        {
            "name": rows[1]["question_id"],
            "input": WHO,
            "expected_output": None,
            "context": [BEES["text"]],
            "source_file": "bees.md",
            "additional_metadata": {"passage_ids": ["bees"], "style": "question", "bm25_rank": None},
        },
    ]
    assert summary["goldens"] == "2, 1 of them with an answer"


@pytest.mark.parametrize("export_format", ["ragas", "deepeval"])
def test_a_table_without_answers(export_format: str, tmp_path: Path) -> None:
    [line], _ = exported(export_format, tmp_path, [ask_chunk(BEES, WHERE)])
    assert line["reference" if export_format == "ragas" else "expected_output"] is None
