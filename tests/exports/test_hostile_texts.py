"""The finished forms show a text of a document, whatever it contains, as the text that it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.finished_forms import FORMS, Shown
from tests.support.tables import ask_chunk, chunk, write_rows

HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "end of elements": "</script></style></p></td><!-- --> ]]>",
    "entities": "&lt;b&gt; &#42; &amp;amp; &nbsp; &",
    "quotes": "\"a\" 'b' `c` \u201cd\u201d",
    "backslashes": "\\ \\\\ \\n \\* \\{ \\",
    "template": "{{ 7*7 }} {% raw %} {# a #} {{Answer}} ${a} <%= b %>",
    "gift": "a ~b =c #d {e} ::f:: &&123; {=g} ####",
    "end of gift": "}",
    "format of gift": "[html]<b>a</b>",
    "percentage of gift": "%50%a",
    "lines of gift": "a\n\nb::c::\r\n// d\u2028$CATEGORY: e\t\0f",
    "cloze": "{{c1::x}} {{c2::y::z}}",
    "marks of anki": "[latex]a[/latex] [$]b[/$] [$$]c[/$$] [sound:d.mp3] [anki:tts lang=en]e[/anki:tts]",
    "field of anki": "[[type:Answer]]",
    "formula": "\\(x\\) \\[y\\] $z$ $$z$$ \\begin{a}",
    "markdown": "*a* _b_ `c` ~~d~~ ==f== ^g^ | h | [i](http://j) ![k](l)",
    "heading": "# a #",
    "item": "- a",
    "other item": "+ a",
    "number": "12. a",
    "other number": "1) a",
    "quotation": "> a",
    "rule": "---",
    "other rule": "===",
    "box": "!!! note",
    "other box": '::: "a"',
    "attributes": "a {: .c } {#d}",
    "control characters": "a\x1fb\x00c\x1d",
    "many marks": "~" * 5_000,
    "many elements": "<b>" * 5_000,
}
NAMES = ["Zoe<script>", "Kim~=Poe{{a}}", "Ann&lt;Lee&gt;", "Joe[latex]", "Eve\\Fox#:"]


def shown(export_format: str, home: Path, rows: list[Row]) -> list[Shown]:
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    export(table, FORMATS[export_format], home / "out", ExportOptions())
    return FORMS[export_format](home / "out")


def plain(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("export_format", FORMS)
def test_a_hostile_text_stays_text(export_format: str, text: str, tmp_path: Path) -> None:
    rows = [ask_chunk(chunk(f"Bees say {text} to each other.", text), text, answer=text)]
    [one] = shown(export_format, tmp_path, rows)
    expected = plain(text)
    if export_format == "gift":
        expected = expected.replace("->", "\u2192")  # it has no escape
    assert (one.question, one.answers) == (expected, [expected])
    assert one.source.startswith(expected)


@pytest.mark.parametrize("export_format", ["gift", "quiz"])
def test_hostile_choices_stay_text(export_format: str, tmp_path: Path) -> None:
    rows = [
        ask_chunk(chunk(f"Queen {number}.", f"{number}.txt"), f"Who met queen bee {number}?", answer=name)
        for number, name in enumerate(NAMES)
    ]
    found = shown(export_format, tmp_path, rows)
    assert {len(one.answers) for one in found} == {4}
    assert {answer for one in found for answer in one.answers} == {*NAMES}
