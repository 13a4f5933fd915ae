"""Export format ``ragas``: samples for ragas, as ``EvaluationDataset.from_jsonl`` loads them.

A question with exactly the same wording about several passages is one sample.
"""

from __future__ import annotations

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.output.writers import json_line

_FILE = "ragas.jsonl"
_DESCRIPTION = f"""Samples for [ragas](https://docs.ragas.io), one per line of `{_FILE}`:
`EvaluationDataset.from_jsonl("{_FILE}")`.

| key | meaning |
|---|---|
| `user_input` | the question |
| `reference` | its answer; null if it has none |
| `reference_contexts`, `reference_context_ids` | the texts and the ids of all right passages |"""


def _write(given: ExportInput, files: Files) -> Summary:
    n_samples = n_answers = 0
    for query, right in given.collect().queries():
        sample = {
            "user_input": query.text,
            "reference": query.answer,
            "reference_contexts": [passage.text for passage in right],
            "reference_context_ids": [passage.passage_id for passage in right],
        }
        files[_FILE].write(json_line(sample))
        n_samples += 1
        n_answers += query.answer is not None
    return [("samples", f"{n_samples:,}, {n_answers:,} of them with an answer")]


FORMAT = ExportFormat(
    "ragas",
    (_FILE,),
    f"samples for ragas: {_FILE}",
    _DESCRIPTION,
    needs_context=True,
    write=_write,
    needs_judgments=True,
)
