"""Questions in the form of SQuAD v1.1, for reading comprehension and for ``qgbatch finetune``.

Passages of a document are its paragraphs, and the document's name is the title. Where the
table has no answer to a question, or the answer is not at its place in the passage, its list
of answers is empty: that says nothing about whether there is one.
"""

from __future__ import annotations

import json
from typing import IO

from qgbatch.exports.format import ExportFormat, Files, Lines
from qgbatch.exports.passages import Asked, Passage, collect
from qgbatch.exports.table import QuestionTable

_FILE = "squad.json"
_ABOUT = f"""Questions in the form of SQuAD v1.1: `{_FILE}`.

Paragraphs are the passages of a document, titles its name. A question without answers is one to which the
table had none, or none that stands at its place in the passage."""


def _write(table: QuestionTable, files: Files) -> Lines:
    stream = files[_FILE]
    n_passages = n_questions = n_answers = n_misplaced = 0
    document = ""
    stream.write(b'{"version": "1.1", "data": [')
    with collect(table) as passages:
        for passage, asked in passages:
            answers = [_answers(passage, one) for one in asked]
            before, document = document, passage.passage_id.partition(":")[0]
            stream.write(_between(before, document, passage.source).encode())
            _write_paragraph(stream, passage, asked, answers)
            n_passages, n_questions = n_passages + 1, n_questions + len(asked)
            n_answers += sum(map(bool, answers))
            n_misplaced += sum(
                bool(one.answer) and not found for one, found in zip(asked, answers, strict=True)
            )
        again = passages.n_again
    stream.write(b"\n]}\n]}\n")
    return [
        ("passages", f"{n_passages:,}"),
        ("questions", f"{n_questions:,}"),
        ("answers", _about_answers(table, n_answers, n_misplaced)),
        ("left out", f"{again:,} questions of the same text under another name"),
    ]


def _between(before: str, document: str, title: str) -> str:
    """What stands before a paragraph: a comma, or the end of one document and the start of another."""
    if before == document:
        return ",\n"
    return ("\n]}," if before else "") + f'\n{{"title": {_json(title)}, "paragraphs": [\n'


def _about_answers(table: QuestionTable, n_answers: int, n_misplaced: int) -> str:
    if "answer" not in table.columns:
        return "0, as the table has none: each list of answers is empty"
    return f"{n_answers:,}, and {n_misplaced:,} left out that are not at their place in the passage"


def _answers(passage: Passage, asked: Asked) -> list[dict[str, str | int]]:
    text, start = asked.answer, asked.answer_start
    if not text or start is None or start < 0 or not passage.context.startswith(text, start):
        return []
    return [{"text": text, "answer_start": start}]


def _write_paragraph(
    stream: IO[bytes], passage: Passage, asked: list[Asked], answers: list[list[dict[str, str | int]]]
) -> None:
    qas = [
        {"id": one.question_id, "question": one.question, "answers": found}
        for one, found in zip(asked, answers, strict=True)
    ]
    stream.write(_json({"context": passage.context, "qas": qas}).encode())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


FORMAT = ExportFormat("squad", (_FILE,), _ABOUT, needs_context=True, write=_write)
