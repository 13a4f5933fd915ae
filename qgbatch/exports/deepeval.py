"""Export format ``deepeval``: goldens for DeepEval, as ``add_goldens_from_jsonl_file`` loads them.

A question with exactly the same wording about several passages is one golden.
"""

from __future__ import annotations

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.output.writers import json_line

_FILE = "goldens.jsonl"
_DESCRIPTION = f"""Goldens for [DeepEval](https://deepeval.com), one per line of `{_FILE}`:
`EvaluationDataset().add_goldens_from_jsonl_file("{_FILE}")`.

| key | meaning |
|---|---|
| `name` | the id of the question |
| `input` | the question |
| `expected_output` | its answer; null if it has none |
| `context` | the texts of all right passages |
| `source_file` | the document of the passage that the question was asked about |
| `additional_metadata` | `passage_ids`, and the style and the rank in BM25, if known |"""


def _write(given: ExportInput, files: Files) -> Summary:
    n_goldens = n_answers = 0
    for query, right in given.collect().queries():
        facts = {name: value for name, value in given.facts(query).items() if name != "answer"}
        golden = {
            "name": query.question_id,
            "input": query.text,
            "expected_output": query.answer,
            "context": [passage.text for passage in right],
            "source_file": right[0].source,
            "additional_metadata": {"passage_ids": [passage.passage_id for passage in right], **facts},
        }
        files[_FILE].write(json_line(golden))
        n_goldens += 1
        n_answers += query.answer is not None
    return [("goldens", f"{n_goldens:,}, {n_answers:,} of them with an answer")]


FORMAT = ExportFormat(
    "deepeval",
    (_FILE,),
    f"goldens for DeepEval: {_FILE}",
    _DESCRIPTION,
    needs_context=True,
    write=_write,
    needs_judgments=True,
)
