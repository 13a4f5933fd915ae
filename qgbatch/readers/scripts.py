r"""Raised and lowered text of all formats: ``10^6``, ``CO2``, ``101_2``.

Readers put marks around raised and lowered text. The marks are control characters, which no text of
a document needs.
"""

from __future__ import annotations

import re

MARKS = {"superscript": ("\x01", "\x02"), "subscript": ("\x03", "\x04")}
"""The marks before and after raised and lowered text."""
TAG = "\x05"
"""Stands for a tag that does not separate what is before it from what is after it; it is kept."""
LEFT_OUT = "\x06"
"""Stands for the mark of a note, or other text in the line, that is left out."""
_FRACTION = re.compile("\x01(?=\x05*\\d{1,9}\x05*\x02\x05*[/\u2044]\x05*\x03)")
_NOTE_MARK = re.compile('([.!?\u2026,;:"\u201d\u2019\u00bb]\x05*)\x01[0-9 ,\u2013\x05-]{1,20}\x02')
_JOINT = re.compile("\x02(\x05*)\x01|\x04(\x05*)\x03")
_POWER = re.compile(
    "\x01[\x05 ]*+(?!(?:st|nd|rd|th|er|re|e|o|a|\u00e8me|te)\x05*\x02)(?=[.,]?[\\w(+\u2212\u2013-])",
    re.IGNORECASE,
)
_INDEX = re.compile("((?<=\\d)[\x02\x04-\x06]*+\x03(?=\x05*\\d)|\x02\x05*+\x03(?=\x05*\\w))")
_BETWEEN_NUMBERS = re.compile("(?<=\\d)[\x02\x04-\x06]++(?=\\d)")
_ANY_MARK = re.compile("[\x01-\x04\x06]")


def resolve_marks(text: str) -> str:
    r"""Write marked text so that it does not become part of the number or word before or after it.

    A raised number after punctuation is the mark of a note, and is left out.

    >>> resolve_marks("10\x01" "6\x02 by the 1\x01st\x02, CO\x03" "2\x04 in 1815.\x01" "7\x02")
    '10^6 by the 1st, CO2 in 1815.'
    """
    if not _ANY_MARK.search(text):
        return text
    text = _FRACTION.sub(LEFT_OUT, text)
    text = _NOTE_MARK.sub(lambda mark: mark[1] + LEFT_OUT + _tags(mark[0][len(mark[1]) :]), text)
    text = _JOINT.sub(lambda joint: _tags(joint[0]), text)  # Word often splits a run
    text = _POWER.sub(lambda power: "^" + _tags(power[0]), text)
    text = _INDEX.sub(r"\1_", text)
    text = _BETWEEN_NUMBERS.sub(lambda marks: _tags(marks[0]) + " " * (marks[0].strip(TAG) != ""), text)
    return _ANY_MARK.sub("", text)


def _tags(text: str) -> str:
    return TAG * text.count(TAG)
