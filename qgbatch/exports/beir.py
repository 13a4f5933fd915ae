"""Export format ``beir``: a retrieval test set in the layout of BEIR.

A retriever gets each question as a query and has to find the passages that it was asked about: that of
its row, and those of its duplicates that the run dropped.
A question with exactly the same wording about several passages is one query, with the ID of its
first row and all of these passages as relevant.

With the file of all passages, the corpus has all of them; otherwise only those that a question was asked
about. BEIR's evaluators prepend the title to the text.
"""

from __future__ import annotations

import csv
import io
from collections import Counter

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.passages import CorpusPassage, PassageQuestion
from qgbatch.output.writers import json_line

_CORPUS, _QUERIES, _QRELS, _SINGLE_PART = "corpus.jsonl", "queries.jsonl", "qrels/{}.tsv", "test"
_DESCRIPTION = f"""A retrieval test set in the layout of [BEIR](https://github.com/beir-cellar/beir).

| file | contents |
|---|---|
| `{_CORPUS}` | the passages: `_id`, `title` (may be empty), `text`, `metadata` (the place in the source) |
| `{_QUERIES}` | the questions: `_id`, `text`, `metadata` (answer, style and rank in BM25, if known) |
| `qrels/` | which passages are relevant to a question, each with the score 1; one file for each part |

Without `--passages`, the corpus contains only passages that a question was asked about."""


def _write(given: ExportInput, files: Files) -> Summary:
    n_passages = n_queries = n_pairs = 0
    collection = given.collect()
    for passage, _ in collection.passages():
        files[_CORPUS].write(_corpus_line(passage))
        n_passages += 1
    part_of, n_by_part = given.assign_parts(_SINGLE_PART), Counter[str]()
    for part in given.options.split or (_SINGLE_PART,):
        files[_QRELS.format(part)].write(_tsv_line("query-id", "corpus-id", "score"))
    for query, right in collection.queries():
        files[_QUERIES].write(_query_line(query, given))
        part = part_of(right[0].source)
        n_by_part[part] += 1
        for passage in right:
            files[_QRELS.format(part)].write(_tsv_line(query.question_id, passage.passage_id, "1"))
        n_queries += 1
        n_pairs += len(right)
    return [
        ("passages", f"{n_passages:,}"),
        ("queries", f"{n_queries:,}"),
        ("pairs", f"{n_pairs:,} of a query and a relevant passage"),
        *given.describe_parts(n_by_part),
    ]


def _corpus_line(passage: CorpusPassage) -> bytes:
    place = {"source": passage.source, "start_char": passage.start_char, "end_char": passage.end_char}
    return json_line(
        {
            "_id": passage.passage_id,
            "title": passage.title or "",
            "text": passage.text,
            "metadata": {**passage.metadata, **place},
        }
    )


def _query_line(query: PassageQuestion, given: ExportInput) -> bytes:
    return json_line({"_id": query.question_id, "text": query.text, "metadata": given.facts(query)})


def _tsv_line(*values: str) -> bytes:
    """A line with quotes where the CSV reader of BEIR needs them: for an id that contains a quote."""
    line = io.StringIO()
    csv.writer(line, delimiter="\t", lineterminator="\n").writerow(values)
    return line.getvalue().encode()


FORMAT = ExportFormat(
    "beir",
    (_CORPUS, _QUERIES),
    "retrieval test set: corpus.jsonl, queries.jsonl, qrels/test.tsv",
    _DESCRIPTION,
    needs_context=True,
    write=_write,
    part_file=_QRELS,
    single_part=_SINGLE_PART,
    needs_judgments=True,
)
