r"""Raised and lowered text of all formats: ``10^6``, ``CO2``, ``101_2``.

Readers put marks around raised and lowered text. The marks are control characters, which no text of
a document needs.
"""

from __future__ import annotations

import re

MARKS = {"superscript": ("\x01", "\x02"), "subscript": ("\x03", "\x04")}
"""The marks before and after raised and lowered text."""
LEFT_OUT = "\x05"
"""Stands for the mark of a note, or other text in the line, that is left out."""
_FRACTION = re.compile("\x01(?=\\d{1,9}\x02[/\u2044]\x03)")
_NOTE_MARK = re.compile('([.!?\u2026,;:"\u201d\u2019\u00bb])\x01[0-9 ,\u2013-]{1,20}\x02')
_JOINT = re.compile("\x02\x01|\x04\x03")
_POWER = re.compile(
    "\x01 *+(?!(?:st|nd|rd|th|er|re|e|o|a|\u00e8me|te)\x02)(?=[.,]?[\\w(+\u2212\u2013-])", re.IGNORECASE
)
_INDEX = re.compile("((?<=\\d)[\x02\x04\x05]*+\x03(?=\\d)|\x02\x03(?=\\w))")
_BETWEEN_NUMBERS = re.compile("(?<=\\d)[\x02\x04\x05]++(?=\\d)")
_ANY_MARK = re.compile("[\x01-\x05]")


def resolve_marks(text: str) -> str:
    r"""Write marked text so that it does not become part of the number or word before or after it.

    A raised number after punctuation is the mark of a note, and is left out.

    >>> resolve_marks("10\x01" "6\x02 by the 1\x01st\x02, CO\x03" "2\x04 in 1815.\x01" "7\x02")
    '10^6 by the 1st, CO2 in 1815.'
    """
    if not _ANY_MARK.search(text):
        return text
    text = _FRACTION.sub(LEFT_OUT, text)
    text = _NOTE_MARK.sub(rf"\1{LEFT_OUT}", text)
    text = _JOINT.sub("", text)  # Word often splits a run
    text = _POWER.sub("^", text)
    text = _INDEX.sub(r"\1_", text)
    text = _BETWEEN_NUMBERS.sub(" ", text)
    return _ANY_MARK.sub("", text)
