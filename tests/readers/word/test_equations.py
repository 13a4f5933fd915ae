"""Equations of Word as text."""

from __future__ import annotations

import pytest

from tests.support.word import m, math_run, paragraph, run, text_of


@pytest.mark.parametrize(
    ("equation", "text"),
    [
        (math_run("E=m") + m("sSup", m("e", "c"), m("sup", "2")), "E=mc^2"),
        (m("f", m("num", "a+b"), m("den", "12")), "(a+b)/12"),
        (m("rad", m("deg"), m("e", "x+1")), "√(x+1)"),
        (m("rad", m("deg", "3"), m("e", "8")), "√[3]8"),
        (m("sSubSup", m("e", "x+y"), m("sub", "i"), m("sup", "n-1")), "(x+y)_i^(n-1)"),
        (m("sPre", m("sub", "6"), m("sup", "14"), m("e", "C")), "_6^14 C"),
        (
            m(
                "nary",
                '<m:naryPr><m:chr m:val="∑"/></m:naryPr>',
                m("sub", "i=1"),
                m("sup", "n"),
                m("e", "i"),
            ),
            "∑_(i=1)^n i",
        ),
        (m("nary", m("sub"), m("sup"), m("e", "f(x)dx")), "∫ f(x)dx"),
        (m("func", m("fName", m("limLow", m("e", "lim"), m("lim", "n→∞"))), m("e", "q")), "lim_(n→∞) q"),
        (
            m("d", '<m:dPr><m:begChr m:val="["/><m:endChr m:val=""/></m:dPr>', m("e", "a"), m("e", "b")),
            "[a|b",
        ),
        (m("d", m("e", m("m", m("mr", m("e", "a"), m("e", "b")), m("mr", m("e", "c"))))), "(a, b; c)"),
        (m("eqArr", m("e", "x&amp;=1"), m("e", "y&amp;=2")), "x=1; y=2"),
        (m("acc", m("e", "x")), "x\u0302"),
        (m("bar", '<m:barPr><m:pos m:val="top"/></m:barPr>', m("e", "x")), "x\u0305"),
        (m("sSup", m("e", m("d", m("e", "a+b"))), m("sup", "2")), "(a+b)^2"),
        (m("box", m("e", "a"), "<w:del>" + math_run("b") + "</w:del>"), "a"),
        (m("sSup"), ""),
    ],
)
def test_an_equation_stands_in_its_sentence_as_a_line_of_text(equation: str, text: str) -> None:
    body = paragraph(run("As "), m("oMath", equation), run(" is."))
    assert text_of(body) == " ".join(f"As {text} is.".split())


def test_displayed_equations_stand_on_lines_of_their_own() -> None:
    equations = m("oMathPara", m("oMath", "a=b"), m("oMath", "c=d"))
    assert text_of(paragraph(run("First"), equations, run("then"))) == "First\na=b\nc=d\nthen"


def test_an_equation_may_be_nested_as_deeply_as_xml() -> None:
    depth = 120
    equation = "<m:f><m:num>" * depth + math_run("x") + "</m:num></m:f>" * depth
    assert text_of(paragraph(f"<m:oMath>{equation}</m:oMath>")).startswith("(" * (depth - 1) + "x/")
