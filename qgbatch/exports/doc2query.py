"""Export format ``doc2query``: passages expanded with their questions, for a search index.

This is the document expansion of doc2query and docTTTTTquery. People search with words that a
passage does not contain, and the questions add some of those words. The field ``contents``, which
Pyserini and Anserini index (``JsonCollection``), is the passage followed by its questions, one per
line. The field ``text`` is only the passage, for display and for rerankers. Each question appears once
per passage, because BM25 counts how often a word occurs.

Without the file of all passages, the export contains only those that have a question. Index the others
too; otherwise no search can find them.
"""

from __future__ import annotations

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.output.writers import json_line

_FILE = "documents.jsonl"
_DESCRIPTION = f"""Passages for a search index, expanded with the questions that they answer, so that more \
searches find them.

`{_FILE}` has one line per passage: `id`, `contents` (the passage and its
questions, to be indexed), `text` (only the passage, to be shown), `source`, `start_char`, `end_char`.
Without `--passages` it contains only passages that have a question; index the others too. With Pyserini:

    python -m pyserini.index.lucene --collection JsonCollection --input DIR --index INDEX --storeRaw"""


def _write(given: ExportInput, files: Files) -> Summary:
    n_passages = n_questions = 0
    for passage, questions in given.collect().passages():
        line = {
            "id": passage.passage_id,
            "contents": "\n".join([passage.text, *(question.text for question in questions)]),
            "text": passage.text,
            "source": passage.source,
            "start_char": passage.start_char,
            "end_char": passage.end_char,
        }
        files[_FILE].write(json_line(line))
        n_passages += 1
        n_questions += len(questions)
    return [("passages", f"{n_passages:,}"), ("questions", f"{n_questions:,}")]


FORMAT = ExportFormat(
    "doc2query",
    (_FILE,),
    f"passages with questions, for a search index: {_FILE}",
    _DESCRIPTION,
    needs_context=True,
    write=_write,
)
