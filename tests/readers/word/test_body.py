"""Notes, tables and soft hyphens in Word documents, and documents in the strict form."""

from __future__ import annotations

import pytest

from qgbatch.readers import docx
from qgbatch.readers.omissions import Omissions
from tests.support.word import NAMESPACES, m, make_word, paragraph, run, text_of


def test_each_note_is_read_once_after_the_text_that_refers_to_it() -> None:
    mark = '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:{} w:id="{}" {}/>{}</w:r>'.format
    custom = mark("footnoteReference", 2, 'w:customMarkFollows="1"', "<w:t>*</w:t>")
    body = paragraph(run("Built in 1815"), mark("footnoteReference", 1, "", ""), run(" by ten"), custom)
    body += paragraph(
        run("Lit."), mark("endnoteReference", 1, "", ""), mark("footnoteReference", 1, "", "")
    )
    notes = {
        f"{kind}s.xml": f"<w:{kind}s {NAMESPACES}>"
        + "".join(
            f'<w:{kind} w:id="{number}">{paragraph(run(f" {kind} {number}."))}</w:{kind}>'
            for number in (1, 2, 3)
        )
        + f"</w:{kind}s>"
        for kind in ("footnote", "endnote")
    }
    text = "Built in 1815 by ten|footnote 1.|footnote 2.|Lit.|endnote 1."
    assert text_of(body + paragraph(run("End.")), notes).split("\n\n") == [
        *text.split("|")[:4],
        "End.",
        "endnote 1.",
    ]


def test_a_paragraph_may_have_many_notes() -> None:
    marks = "".join(f'<w:r><w:footnoteReference w:id="{number}"/></w:r>' for number in range(2000))
    notes = "".join(
        f'<w:footnote w:id="{number}">{paragraph(run(str(number)))}</w:footnote>' for number in range(2000)
    )
    part = f"<w:footnotes {NAMESPACES}>{notes}</w:footnotes>"
    text = text_of(paragraph(run("A"), marks), {"footnotes.xml": part})
    assert text.split("\n\n") == ["A", *map(str, range(2000))]


def test_soft_hyphens_are_left_out() -> None:
    assert text_of(paragraph(run("light\u00adhouse, win"), "<w:r><w:softHyphen/></w:r>", run("ter"))) == (
        "lighthouse, winter"
    )


def table(*rows: list[str]) -> str:
    def cell(text: str) -> str:
        return f"<w:tc>{''.join(paragraph(run(part)) for part in text.split('|'))}</w:tc>"

    lines = "".join(f"<w:tr>{''.join(map(cell, row))}</w:tr>" for row in rows)
    return f"<w:tbl>{lines}</w:tbl>"


SENTENCE = "The council agreed on a pump."


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([["Year", "Wells"], ["1802", "3"]], ""),
        ([["1802 and later", "3 approx."], ["4", "5"]], ""),
        ([[SENTENCE]], SENTENCE),
        ([["Ann", "Berlin"]], "Ann Berlin"),
        ([["Minutes"], [SENTENCE], ["Ann"]], f"Minutes {SENTENCE} Ann"),
        ([["Minutes", ""], ["Pump", SENTENCE], ["Count", "3"]], f"Minutes Pump {SENTENCE} Count 3"),
        (
            [["2010", "Engineer|Drew maps"], ["2012", "Head|Led ten"]],
            "2010 Engineer Drew maps 2012 Head Led ten",
        ),
        (
            [["a", "井戸は千八百二年に掘られた。九十年のあいだ水を出した。"], ["1", "2"]],
            "a 井戸は千八百二年に掘られた。九十年のあいだ水を出した。 1 2",
        ),
    ],
)
def test_a_table_that_arranges_text_is_read_and_one_of_data_is_not(
    rows: list[list[str]], text: str
) -> None:
    assert text_of(table(*rows)).replace("\n\n", " ") == text


def test_a_table_in_a_cell_is_read_in_its_place() -> None:
    inner = table([SENTENCE], ["Inner"])
    outer = f"<w:tr><w:tc>{paragraph(run('A'))}{inner}</w:tc></w:tr>"
    outer = f"<w:tbl><w:sdt><w:sdtContent>{outer}</w:sdtContent></w:sdt></w:tbl>"
    assert text_of(outer + paragraph(run("Z"))) == f"A\n\n{SENTENCE}\n\nInner\n\nZ"


def test_a_strict_document_is_read_with_all_its_parts() -> None:
    square = m("sSup", m("e", "x"), m("sup", "2"))
    body = paragraph(run("10"), run("6", '<w:vertAlign w:val="superscript"/>'), m("oMath", square))
    body += paragraph(run("Note."), '<w:r><w:footnoteReference w:id="1"/></w:r>')
    body += '<w:altChunk r:id="aFChunk.htm"/>'
    note = f'<w:footnote w:id="1">{paragraph(run("Foot."))}</w:footnote>'
    notes = f"<w:footnotes {NAMESPACES}>{note}</w:footnotes>"
    content = make_word(body, {"footnotes.xml": notes, "aFChunk.htm": "<p>Chunk."}, strict=True)
    assert (
        docx.extract_text(content, "a.docx", Omissions("a.docx")) == "10^6x^2\n\nNote.\n\nFoot.\n\nChunk."
    )
