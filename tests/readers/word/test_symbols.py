"""Characters of symbol fonts in Word documents."""

from __future__ import annotations

import pytest

from tests.support.word import paragraph, run, text_of


@pytest.mark.parametrize(
    ("font", "code", "text"),
    [
        ("Symbol", "F061", "\u03b1"),
        ("Symbol", "0062", "β"),
        ("Symbol", "F0B0", "°"),
        ("Symbol", "F0F2", "∫"),
        ("Wingdings", "F0E0", "→"),
        ("Arial", "2264", "≤"),
        ("Webdings", "F021", " "),
        ("Symbol", "D800", " "),
        ("Symbol", "FFFFFFFFFFFFFFFFF", " "),
        ("Symbol", "x", " "),
    ],
)
def test_a_symbol_gives_its_character(font: str, code: str, text: str) -> None:
    symbol = f'<w:r><w:sym w:font="{font}" w:char="{code}"/></w:r>'
    assert text_of(paragraph(run("a "), symbol, run(" b"))) == " ".join(f"a {text} b".split())


def test_text_in_a_symbol_font_gives_its_characters() -> None:
    assert text_of(paragraph(run("\uf061\uf03d1", '<w:rFonts w:ascii="Symbol"/>'))) == "\u03b1=1"
