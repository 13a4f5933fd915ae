"""Export format ``beir``: a retrieval test set in the layout of BEIR.

A retriever gets each question as a query and has to find the passages that it was asked about: that of
its row, and those of its duplicates that the run dropped.
A question with exactly the same wording about several passages is one query, with the ID of its
first row and all of these passages as relevant. Several queries with the same text would count each
other's passages as wrong.

The corpus contains only passages that a question was asked about. Titles are empty, because BEIR's
evaluators prepend the title to the text; the source of a passage is in ``metadata``.
"""

from __future__ import annotations

import logging

from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.passages import REPEATED, group_by_passage
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import MAX_OTHER_PASSAGES
from qgbatch.output.writers import json_line

logger = logging.getLogger("qgbatch")

_CORPUS, _QUERIES, _QRELS = "corpus.jsonl", "queries.jsonl", "qrels/test.tsv"
_UNLISTED = f"{{:,}} questions about more than {MAX_OTHER_PASSAGES} other passages"
_DESCRIPTION = f"""A retrieval test set in the layout of [BEIR](https://github.com/beir-cellar/beir).

| file | contents |
|---|---|
| `{_CORPUS}` | the passages: `_id` (hash of source and text), `title` (empty), `text`, `metadata` |
| `{_QUERIES}` | the questions: `_id`, `text` |
| `{_QRELS}` | which passages are relevant to a question, each with the score 1 |

The corpus contains only passages that a question was asked about."""


def _write(table: QuestionTable, files: Files) -> Summary:
    n_passages = n_pairs = 0
    query_ids: dict[str, str] = {}  # memory grows by one entry per distinct question
    files[_QRELS].write(b"query-id\tcorpus-id\tscore\n")
    if "other_passages" not in table.columns:
        logger.warning(
            "%s: no column 'other_passages', so the passages of dropped duplicates count as wrong. Run "
            "qgbatch run again with --with-context; it reuses the questions in the cache.",
            table.path,
        )
    with group_by_passage(table, with_other_passages=True) as passages:
        for passage, questions in passages:
            n_passages += 1
            source = {
                "source": passage.source,
                "start_char": passage.start_char,
                "end_char": passage.end_char,
            }
            line = {"_id": passage.passage_id, "title": "", "text": passage.context, "metadata": source}
            files[_CORPUS].write(json_line(line))
            for question in questions:
                is_new = question.text not in query_ids
                query_id = query_ids.setdefault(question.text, question.question_id)
                if is_new:
                    files[_QUERIES].write(json_line({"_id": query_id, "text": question.text}))
                files[_QRELS].write(f"{query_id}\t{passage.passage_id}\t1\n".encode())
                n_pairs += 1
        left_out = [REPEATED.format(passages.n_repeated), _UNLISTED.format(passages.n_unlisted)]
    return [
        ("passages", f"{n_passages:,}"),
        ("queries", f"{len(query_ids):,}"),
        ("pairs", f"{n_pairs:,} of a query and a relevant passage"),
        ("left out", ", ".join(left_out)),
    ]


FORMAT = ExportFormat(
    "beir",
    (_CORPUS, _QUERIES, _QRELS),
    "retrieval test set: corpus.jsonl, queries.jsonl, qrels/test.tsv",
    _DESCRIPTION,
    needs_context=True,
    write=_write,
)
