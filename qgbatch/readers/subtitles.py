"""Subtitles in a plain text (SubRip, WebVTT) -> running text, without numbers, times and tags."""

from __future__ import annotations

import html
import re
from io import StringIO

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d\d[.,]\d{1,3}"
_HEAD = rf"(?:[ \t]*\d{{1,6}}[ \t]*\n)?[ \t]*{_TIME}[ \t]{{0,9}}-->[ \t]{{0,9}}{_TIME}"
_CUE = re.compile(rf"^{_HEAD}[^\n]*(?:\n|\Z)((?:(?!{_HEAD})[^\n]+(?:\n|\Z))*+)", re.MULTILINE)
"""A number, the times and the lines up to a blank line or the next cue."""
_WEBVTT = re.compile(r"\s{0,9}WEBVTT\b")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{1,80})?[ \t]([^<>\n]{1,80})>")
_TAG = re.compile(r"</?(?:[bciuv]|font|lang|rt|ruby)\b[^<>\n]{0,80}>|<[\d:.]{1,16}>|\{\\[^{}\n]{0,80}\}")
_TURN = re.compile(r"-|>>|[A-Z][A-Z .'-]{1,40}\d{0,3}:\s")
"""The beginning of what another speaker says."""


def count_cues(text: str) -> int:
    """The number of subtitles in a text."""
    return sum(1 for _ in _CUE.finditer(text))


def join_cues(text: str) -> str:
    r"""A plain text in which subtitles that follow each other are one paragraph.

    In WebVTT, which begins with that word, nothing else is text. In SubRip, other text stays.

    >>> join_cues("1\n00:01,000 --> 00:02,500\nHe was born\n\n2\n00:02,500 --> 00:04,000\nin Ulm.\n")
    'He was born in Ulm.\n\n'
    """
    if "-->" not in text:
        return text
    is_webvtt = _WEBVTT.match(text) is not None
    joined = _RunningText()
    end = 0
    for cue in _CUE.finditer(text):
        if not is_webvtt:
            joined.add_other(text[end : cue.start()])
        joined.add_cue(cue[1])
        end = cue.end()
    if not end:
        return text
    joined.end_paragraph()
    return joined.getvalue() + ("" if is_webvtt else text[end:].lstrip("\n"))


class _RunningText(StringIO):
    """The text so far; the lines of subtitles are joined."""

    _last_line = _voice = ""

    def add_other(self, text: str) -> None:
        """Append text between subtitles."""
        if text and not text.isspace():
            self.end_paragraph()
            self.write(text)

    def end_paragraph(self) -> None:
        """End the paragraph that consists of subtitles."""
        if self._last_line:
            self.write("\n\n")
        self._last_line = self._voice = ""

    def add_cue(self, text: str) -> None:
        """Append the text of a subtitle, except a line that the subtitle before ends with."""
        text = html.unescape(_TAG.sub("", _VOICE.sub(self._begin_turn, text)))
        for line in map(str.strip, StringIO(text)):
            if line and line != self._last_line:
                separator = "\n" if _TURN.match(line) else " "
                self.write(f"{separator if self._last_line else ''}{line}")
                self._last_line = line

    def _begin_turn(self, voice: re.Match[str]) -> str:
        name, before = voice[1].strip().upper(), self._voice
        self._voice = name
        return "" if name == before else f"\n{name}: "
