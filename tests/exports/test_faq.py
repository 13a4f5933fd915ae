"""Export format ``faq``: texts stay text in the Markdown and in the JSON-LD."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgbatch.errors import InputError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.tables import ask_chunk, chunk, write_rows

BEES = chunk("Bees live in hives.", "bees_1.pdf")
ANTS = chunk("Ants live in nests.", "<ants>.md")


def exported(home: Path, rows: list[Row]) -> tuple[str, str, dict[str, str]]:
    """The Markdown, the JSON-LD and the summary of an export."""
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    summary = export(table, FORMATS["faq"], home / "out", ExportOptions())
    texts = [(home / "out" / name).read_text(encoding="utf-8") for name in ("faq.md", "faq.jsonld")]
    return texts[0], texts[1], dict(summary)


def test_the_files_have_each_question_with_its_answer(tmp_path: Path) -> None:
    rows = [
        ask_chunk(BEES, "Where do bees live?", answer="in hives", page=3),
        ask_chunk(BEES, "Who lives there?", answer=None),
        ask_chunk(ANTS, "What are 2 * 3 < 7 ants?", answer="A & B < C"),
    ]
    page, data, summary = exported(tmp_path, rows)
    assert page == (
        "# bees\\_1.pdf\n\n"
        "## Where do bees live?\n\n"
        "in hives (page 3)\n\n"
        "# &#60;ants&gt;.md\n\n"
        "## What are 2 \\* 3 &lt; 7 ants?\n\n"
        "A &amp; B &lt; C\n"
    )
    assert data == (
        '{"@context": "https://schema.org", "@type": "FAQPage", "mainEntity": [\n'
        '{"@type": "Question", "name": "Where do bees live?", '
        '"acceptedAnswer": {"@type": "Answer", "text": "in hives"}},\n'
        '{"@type": "Question", "name": "What are 2 * 3 \\u003c 7 ants?", '
        '"acceptedAnswer": {"@type": "Answer", "text": "A &amp; B &lt; C"}}\n'
        "]}\n"
    )
    assert summary["questions"] == "2"
    assert summary["documents"] == "2"
    assert summary["left out"] == "1 questions without an answer"


def test_a_table_without_answers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'answer', and --to faq needs the answer") as error:
        exported(tmp_path, [ask_chunk(BEES, "Where do bees live?")])
    assert "--answers MODEL" in error.value.hint
    with pytest.raises(InputError, match="no question is left; left out are 1 questions without an answer"):
        exported(tmp_path, [ask_chunk(BEES, "Where do bees live?", answer=None)])
    assert not (tmp_path / "out").exists()
