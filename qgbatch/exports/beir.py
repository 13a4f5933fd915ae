"""A retrieval test set in the layout of BEIR.

A retriever is asked the questions and has to find their passages. A question that was asked
of several passages in the same words is one query, under its first row's id, to which all
of them are relevant: as several queries, each would call the others' passages wrong.
Differences of case and white space make another query.

The corpus has the passages that there are questions about, and no others. Titles are empty,
because evaluators put them before the text; where a passage comes from is in ``metadata``.
"""

from __future__ import annotations

from qgbatch.exports.format import ExportFormat, Files, Lines
from qgbatch.exports.passages import collect
from qgbatch.exports.table import QuestionTable
from qgbatch.output.writers import json_line

_CORPUS, _QUERIES, _QRELS = "corpus.jsonl", "queries.jsonl", "qrels/test.tsv"
_ABOUT = f"""A retrieval test set in the layout of [BEIR](https://github.com/beir-cellar/beir).

| file | holds |
|---|---|
| `{_CORPUS}` | the passages: `_id` (document's hash and span), `title` (empty), `text`, `metadata` |
| `{_QUERIES}` | the questions: `_id`, `text` |
| `{_QRELS}` | which passages a question was asked of, each with the score 1 |

Passages without a question are not in the corpus."""


def _write(table: QuestionTable, files: Files) -> Lines:
    # Like the passages', the memory of this is bounded but for one id of each distinct question.
    n_passages = n_pairs = 0
    query_ids: dict[str, str] = {}
    files[_QRELS].write(b"query-id\tcorpus-id\tscore\n")
    with collect(table) as passages:
        for passage, asked in passages:
            n_passages += 1
            source = {
                "source": passage.source,
                "start_char": passage.start_char,
                "end_char": passage.end_char,
            }
            line = {"_id": passage.passage_id, "title": "", "text": passage.context, "metadata": source}
            files[_CORPUS].write(json_line(line))
            for one in asked:
                query_id = query_ids.setdefault(one.question, one.question_id)
                if query_id == one.question_id:
                    files[_QUERIES].write(json_line({"_id": query_id, "text": one.question}))
                files[_QRELS].write(f"{query_id}\t{passage.passage_id}\t1\n".encode())
                n_pairs += 1
        again = passages.n_again
    return [
        ("passages", f"{n_passages:,}"),
        ("queries", f"{len(query_ids):,}"),
        ("pairs", f"{n_pairs:,} of a query and a passage"),
        ("left out", f"{again:,} questions of the same text under another name"),
    ]


FORMAT = ExportFormat("beir", (_CORPUS, _QUERIES, _QRELS), _ABOUT, needs_context=True, write=_write)
