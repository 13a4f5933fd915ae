"""Passages with their questions added, for a search index that finds more (doc2query, docTTTTTquery).

People search in words that a passage lacks; the questions bring some of them. So
``contents``, which Pyserini and Anserini index (``JsonCollection``), is the passage and its
questions, a line each; ``text`` is the passage alone, for what shows or reranks the hits.
A question that is there once is there once: BM25 counts words.

Passages that no question was asked of are not in the file. Index them too, from the
documents, or they will not be found.
"""

from __future__ import annotations

from qgbatch.exports.format import ExportFormat, Files, Lines
from qgbatch.exports.passages import collect
from qgbatch.exports.table import QuestionTable
from qgbatch.output.writers import json_line

_FILE = "documents.jsonl"
_ABOUT = f"""Passages for a search index that finds more, because the questions asked of them are in it.

`{_FILE}` has a line a passage: `id` (document's hash and span), `contents` (the passage and its
questions, to be indexed), `text` (the passage alone, to be shown), `source`, `start_char`, `end_char`.
Passages without a question are not in it: index them beside it. With Pyserini:

    python -m pyserini.index.lucene --collection JsonCollection --input DIR --index INDEX --storeRaw"""


def _write(table: QuestionTable, files: Files) -> Lines:
    n_passages = n_questions = 0
    with collect(table) as passages:
        for passage, asked in passages:
            line = {
                "id": passage.passage_id,
                "contents": "\n".join([passage.context, *(one.question for one in asked)]),
                "text": passage.context,
                "source": passage.source,
                "start_char": passage.start_char,
                "end_char": passage.end_char,
            }
            files[_FILE].write(json_line(line))
            n_passages, n_questions = n_passages + 1, n_questions + len(asked)
        again = passages.n_again
    return [
        ("passages", f"{n_passages:,}"),
        ("questions", f"{n_questions:,}"),
        ("left out", f"{again:,} questions of the same text under another name"),
    ]


FORMAT = ExportFormat("doc2query", (_FILE,), _ABOUT, needs_context=True, write=_write)
