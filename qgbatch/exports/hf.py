"""Export format ``hf``: a dataset for the Hugging Face hub, with a card that the hub reads.

The rows are those of the table, as one Parquet file for each part.
"""

from __future__ import annotations

from collections import Counter

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.parquet_parts import PART_FILE, SINGLE_PART, open_part_writers
from qgbatch.output.rows import COLUMNS, OPTIONAL_COLUMNS
from qgbatch.output.run_facts import public_name

_DESCRIPTION = """Questions that a model asked about passages, one row per question.

| column | meaning |
|---|---|
| `question_id` | hash of `source`, the passage's text and the question |
| `question` | the question |
| `passage_id` | id of the passage |
| `source`, `document_sha256` | path of the document, and SHA-256 of its text |
| `chunk_index`, `question_index` | index of the passage in the document, and of the question |
| `start_char`, `end_char` | span of the passage in the document's text, in code points, half open |
| `score` | probability that the question is good; or, if 0 or less, mean log-probability per token |
| `model` | the model that wrote the question |
| `style` | `question` or `keyword` |
| `bm25_rank` | place of the passage in BM25 for the question; null if it is not found |
| `context` | the passage |
| `other_passages` | JSON array: other passages that the question was asked about too |
| `answer`, `answer_start_char`, `answer_score` | the answer, its offset in the document, its probability |
| `page` | page number in the document |
| `review`, `original_question`, `original_answer` | what a reader decided; the texts before an edit |

The columns from `style` on are present only if the table had them. Columns that are not listed are copied
from the table of the documents."""
_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
"""Powers of ten from 1,000 on, as the hub writes them."""


def _write(given: ExportInput, files: Files) -> Summary:
    kinds = {**COLUMNS, **OPTIONAL_COLUMNS}
    columns = {name: kinds.get(name, "string") for name in given.columns}
    part_of, n_by_part = given.assign_parts(SINGLE_PART), Counter[str]()
    with open_part_writers(given, files, columns) as writers:
        for row in given.rows():
            part = part_of(str(row["source"]))
            n_by_part[part] += 1
            values = {**dict.fromkeys(columns), **row, "model": public_name(row["model"])}
            writers[part].write(values)
    return [
        ("questions", f"{given.n_rows:,}"),
        ("columns", ", ".join(given.columns)),
        *given.describe_parts(n_by_part),
    ]


def _front_matter(given: ExportInput, title: str) -> str:
    from huggingface_hub import DatasetCardData

    tasks = ["text-retrieval"] if "context" in given.columns else ["other"]
    data = DatasetCardData(
        license=given.options.license_name,
        pretty_name=title,
        tags=["question-generation", "qgbatch"],
        task_categories=[*tasks, *(["question-answering"] if "answer" in given.columns else [])],
        size_categories=[size_category(given.n_rows)],
        configs=[
            {
                "config_name": "default",
                "data_files": [
                    {"split": part, "path": PART_FILE.format(part)}
                    for part in given.options.split or (SINGLE_PART,)
                ],
            }
        ],
    )
    return f"---\n{data.to_yaml()}\n---\n\n"


def size_category(n_rows: int) -> str:
    """The hub's size category for a number of rows, such as ``1K<n<10K``."""
    rank = max(0, len(str(n_rows)) - 3)
    if rank == 0:
        return f"n<{_SIZES[0]}"
    return f"{_SIZES[rank - 1]}<n<{_SIZES[rank]}" if rank < len(_SIZES) else f"n>{_SIZES[-1]}"


FORMAT = ExportFormat(
    "hf",
    (),
    "dataset with a card for the Hugging Face hub: one Parquet file",
    _DESCRIPTION,
    needs_context=False,
    write=_write,
    part_file=PART_FILE,
    single_part=SINGLE_PART,
    with_kept=True,
    front_matter=_front_matter,
)
