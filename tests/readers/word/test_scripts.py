"""Raised and lowered text in Word documents."""

from __future__ import annotations

import pytest

from tests.support.word import NAMESPACES, paragraph, run, text_of

RAISED, LOWERED = (f'<w:vertAlign w:val="{kind}script"/>' for kind in ("super", "sub"))


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([("10", ""), ("6", RAISED), (" lamps", "")], "10^6 lamps"),
        ([("10", ""), ("-", RAISED), ("6", RAISED), (" m", "")], "10^-6 m"),
        ([("It ended in 1815", ""), ("1", RAISED), (" at sea", "")], "It ended in 1815^1 at sea"),
        ([("It ended in 1815.", ""), ("1, 2", RAISED), (" Then", "")], "It ended in 1815. Then"),
        ([("the 1", ""), ("st", RAISED), (" of May", "")], "the 1st of May"),
        ([("CO", ""), ("2", LOWERED), (" and SO", ""), ("4", LOWERED), ("2-", RAISED)], "CO2 and SO4^2-"),
        ([("101", ""), ("2", LOWERED), (" is 5", "")], "101_2 is 5"),
        (
            [("x", ""), ("2", RAISED), ("1", LOWERED), (" log", ""), ("2", LOWERED), ("8", "")],
            "x^2_1 log2 8",
        ),
        ([("10", ""), ("6", '<w:position w:val="6"/>'), ("5", '<w:position w:val="-6"/>')], "10^6_5"),
        ([("19", ""), ("15", '<w:position w:val="0"/>')], "1915"),
        ([("10", ""), ("6", '<w:rStyle w:val="Child"/>')], "10^6"),
        ([("10", ""), ("6", '<w:rStyle w:val="Line"/>')], "106"),
    ],
)
def test_raised_and_lowered_text_is_not_glued_to_a_number(runs: list[tuple[str, str]], text: str) -> None:
    styles = (
        f'<w:styles {NAMESPACES}><w:style w:styleId="Child"><w:basedOn w:val="Up"/></w:style>'
        f'<w:style w:styleId="Up"><w:rPr>{RAISED}</w:rPr></w:style>'
        '<w:style w:styleId="Line"><w:basedOn w:val="Line"/></w:style></w:styles>'
    )
    assert text_of(paragraph(*(run(*parts) for parts in runs)), {"styles.xml": styles}) == text
