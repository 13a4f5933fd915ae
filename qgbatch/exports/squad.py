"""Export format ``squad``: SQuAD v1.1 JSON, for reading comprehension and ``qgbatch finetune``.

The paragraphs of an article are the passages of a document, and its title is the document's name.
The list of answers of a question is empty if the table has no answer to it, or if the answer is
not at its offset in the passage. An empty list does not mean that the passage has no answer.
"""

from __future__ import annotations

import json
from typing import IO

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.passages import CorpusPassage, PassageQuestion

_FILE = "squad.json"
_DESCRIPTION = f"""Questions in the format of SQuAD v1.1: `{_FILE}`.

The paragraphs of an article are the passages of a document, and its title is the document's name.
A question has no answers if the table had none for it, or if the answer was not at its offset in the
passage."""

_Answers = list[dict[str, str | int]]


def _write(given: ExportInput, files: Files) -> Summary:
    stream = files[_FILE]
    n_passages = n_questions = n_answers = n_misplaced = 0
    source = None
    stream.write(b'{"version": "1.1", "data": [')
    for passage, questions in given.collect().passages():
        if not questions:
            continue
        answers = [_answers(passage, question) for question in questions]
        stream.write(_separator(source, passage.source).encode())
        source = passage.source
        _write_paragraph(stream, passage, questions, answers)
        n_passages += 1
        n_questions += len(questions)
        n_answers += sum(map(bool, answers))
        n_misplaced += sum(
            bool(question.answer) and not found for question, found in zip(questions, answers, strict=True)
        )
    stream.write(b"\n]}\n]}\n")
    return [
        ("passages", f"{n_passages:,}"),
        ("questions", f"{n_questions:,}"),
        ("answers", _describe_answers(given, n_answers, n_misplaced)),
    ]


def _separator(previous: str | None, source: str) -> str:
    """The JSON before a paragraph: a comma, or the end of one article and the start of the next."""
    if previous == source:
        return ",\n"
    return ("" if previous is None else "\n]},") + f'\n{{"title": {_json(source)}, "paragraphs": [\n'


def _describe_answers(given: ExportInput, n_answers: int, n_misplaced: int) -> str:
    if "answer" not in given.columns:
        return "0, because the table has no column answer"
    return f"{n_answers:,}; {n_misplaced:,} left out because they are not at their offset in the passage"


def _answers(passage: CorpusPassage, question: PassageQuestion) -> _Answers:
    """The answer of a question as SQuAD writes it, or an empty list if it is not at its offset."""
    text, start = question.answer, question.answer_start
    if not text or start is None or start < 0 or not passage.text.startswith(text, start):
        return []
    return [{"text": text, "answer_start": start}]


def _write_paragraph(
    stream: IO[bytes], passage: CorpusPassage, questions: list[PassageQuestion], answers: list[_Answers]
) -> None:
    qas = [
        {"id": question.question_id, "question": question.text, "answers": found}
        for question, found in zip(questions, answers, strict=True)
    ]
    stream.write(_json({"context": passage.text, "qas": qas}).encode())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


FORMAT = ExportFormat(
    "squad",
    (_FILE,),
    f"SQuAD v1.1, with answers if the table has them: {_FILE}",
    _DESCRIPTION,
    needs_context=True,
    write=_write,
)
