"""Export format ``faq``: a page of questions and answers, as Markdown and as JSON-LD of schema.org.

The texts stay text: Markdown shows them as they are, whatever characters they contain. An answer in the
JSON-LD is HTML, because search engines read it as HTML. Every run of white space becomes one space.
"""

from __future__ import annotations

import json
import re
from html import escape

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.one_line import one_line
from qgbatch.exports.row_checks import CheckedRow

_PAGE, _DATA = "faq.md", "faq.jsonld"
_DESCRIPTION = f"""Questions and answers, for a web page.

| file | content |
|---|---|
| `{_PAGE}` | Markdown: under a heading for each document, the questions, their answers and pages |
| `{_DATA}` | the same questions as a [FAQPage](https://schema.org/FAQPage) of schema.org; paste it \
into an element `<script type="application/ld+json">` of the page |"""

# Every Markdown dialect knows these backslashes. The other characters have a meaning in some dialects only.
_ESCAPES = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_{}[]#"}
    | {character: f"&#{ord(character)};" for character in "|~$^="}
    | {character: escape(character) for character in "<>&"}
)
_NUMBERED = re.compile(r"(\d+)([.)])")


def _write(given: ExportInput, files: Files) -> Summary:
    n_documents, source = 0, None
    files[_DATA].write(b'{"@context": "https://schema.org", "@type": "FAQPage", "mainEntity": [')
    for row in given.rows():
        files[_DATA].write(b"\n" if source is None else b",\n")
        if row["source"] != source:
            blank_line = "" if source is None else "\n"
            files[_PAGE].write(f"{blank_line}# {_markdown(row['source'])}\n".encode())
            n_documents, source = n_documents + 1, row["source"]
        files[_PAGE].write(f"\n## {_markdown(row['question'])}\n\n{_markdown(row['answer'])}".encode())
        files[_PAGE].write(f" (page {row['page']})\n".encode() if "page" in row else b"\n")
        files[_DATA].write(_entity(row))
    files[_DATA].write(b"\n]}\n")
    return [("questions", f"{given.n_rows:,}"), ("documents", f"{n_documents:,}")]


def _markdown(value: object) -> str:
    """A text as Markdown for one line."""
    text = one_line(value)
    if numbered := _NUMBERED.match(text):  # it would begin a list
        return f"{numbered[1]}\\{numbered[2]}{text[numbered.end() :].translate(_ESCAPES)}"
    if text and text[0].isascii() and not text[0].isalnum():  # it could begin a list or a block
        return f"&#{ord(text[0])};{text[1:].translate(_ESCAPES)}"
    return text.translate(_ESCAPES)


def _entity(row: CheckedRow) -> bytes:
    """A question of a FAQPage; no text in it can end an element of HTML."""
    answer = {"@type": "Answer", "text": escape(one_line(row["answer"]), quote=False)}
    question = {"@type": "Question", "name": one_line(row["question"]), "acceptedAnswer": answer}
    return json.dumps(question, ensure_ascii=False).replace("<", "\\u003c").encode()


FORMAT = ExportFormat(
    "faq",
    (_PAGE, _DATA),
    f"a page of questions and answers: {_PAGE}, {_DATA}",
    _DESCRIPTION,
    needs_context=False,
    write=_write,
    needs_answers=True,
)
