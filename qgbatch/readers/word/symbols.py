"""Characters that Word writes as a place in a symbol font, such as a Greek letter in Symbol."""

# ruff: noqa: RUF001

from __future__ import annotations

from contextlib import suppress

_PRIVATE = range(0xF020, 0xF100)
"""Where Word puts the 8-bit codes of a symbol font."""
_SYMBOL = dict(
    enumerate(
        " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼",
        0x20,
    )
) | dict(
    enumerate(
        "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪ 〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭",
        0xA0,
    )
)
_WINGDINGS = {
    0x28: "☎", 0x2A: "✉", 0x46: "☞", 0x4A: "☺", 0x4C: "☹", 0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑",
    0x73: "⬧", 0x75: "◆", 0x76: "❖", 0x9F: "•", 0xA7: "▪", 0xA8: "◻", 0xAB: "★", 0xD8: "➢", 0xDF: "←",
    0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "→", 0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
_ORNAMENTS = dict.fromkeys(_PRIVATE, " ")
_FONTS = {
    font: _ORNAMENTS | {0xF000 + code: char for code, char in characters.items()}
    for font, characters in (("symbol", _SYMBOL), ("wingdings", _WINGDINGS))
}


def symbol(font: str, code: str) -> str:
    """The character at a place in a font; a space for an ornament without one.

    Args:
        font: The name of the font.
        code: The place as a hexadecimal number, for instance ``F061``.
    """
    with suppress(ValueError, OverflowError):
        place = int(code, 16)
        if place < 0x100 and font.lower() in _FONTS:  # some programs leave out the F0
            place += 0xF000
        if place >= 0x20 and not 0xD800 <= place < 0xE000:  # half of a surrogate pair
            return in_font(chr(place), font)
    return " "


def in_font(text: str, font: str) -> str:
    """Text set in a font, with the codes of symbol fonts replaced by characters."""
    return text if text.isascii() else text.translate(_FONTS.get(font.lower(), _ORNAMENTS))
