r"""Raised and lowered text in Word documents: ``10^6``, ``CO2``, ``101_2``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qgbatch.readers.word.names import attribute, name_of

MARKS = {"superscript": ("\x01", "\x02"), "subscript": ("\x03", "\x04")}
"""The characters around raised and lowered text; XML has no such characters."""
_NOTE_MARK = re.compile('(?<=[.!?\u2026,;:"\u201d\u2019\u00bb])\x01[0-9 ,\u2013-]{1,20}\x02')
_POWER = re.compile(r"\x01(?!(?:st|nd|rd|th|er|re|e|o|a)\x02)(?=[\w(+\u2212\u2013-])", re.IGNORECASE)
_ORDINAL_INDEX = re.compile(r"(?<=\d)\x03(?=\d)|\x02\x03(?=\w)")
_NUMBER_AFTER = re.compile(r"(?<=\d)[\x02\x04](?=\d)")
_ANY_MARK = re.compile(r"[\x01-\x04]")


def resolve_marks(text: str) -> str:
    r"""Write marked text so that it does not become part of the number or word before it.

    A raised number after punctuation is the mark of a note, and is left out.

    >>> resolve_marks("10\x01" "6\x02 by the 1\x01st\x02, CO\x03" "2\x04 in 1815.\x01" "7\x02")
    '10^6 by the 1st, CO2 in 1815.'
    """
    text = text.replace("\x02\x01", "").replace("\x04\x03", "")  # Word often splits a run
    text = _POWER.sub("^", _NOTE_MARK.sub("", text))
    return _ANY_MARK.sub("", _NUMBER_AFTER.sub(" ", _ORDINAL_INDEX.sub("_", text)))


def position_of(run: Any, styles: Mapping[str, str]) -> str:
    """``superscript``, ``subscript`` or another value for a run on the line.

    Args:
        run: The run, or a style with the properties of runs.
        styles: The positions of character styles by their id.
    """
    properties = next((child for child in run if name_of(child) == "w:rPr"), None)
    if properties is None:
        return ""
    values = {name_of(child): child for child in properties}
    if "w:vertAlign" in values:
        return attribute(values["w:vertAlign"], "val")
    if "w:position" in values:  # LibreOffice writes this for a height of one's own
        return "superscript" if attribute(values["w:position"], "val")[:1].isdigit() else ""
    style = values.get("w:rStyle")
    return "" if style is None else styles.get(attribute(style, "val"), "")


def positions_of_styles(root: Any) -> dict[str, str]:
    """The positions of the character styles by their id, those that styles inherit included."""
    styles = {attribute(style, "styleId"): style for style in root.iter("{*}style")}
    positions: dict[str, str] = {}
    for name in styles:
        heirs: list[str] = []
        while name in styles and name not in positions:
            positions[name] = position_of(styles[name], {})
            if positions[name]:
                break
            heirs.append(name)
            parent = styles[name].find("{*}basedOn")
            name = "" if parent is None else attribute(parent, "val")
        positions.update(dict.fromkeys(heirs, positions.get(name, "")))
    return positions
