"""Plain text, whose lines were divided for paper or for a screen, to running text."""

from __future__ import annotations

from qgbatch.readers.hyphens import join_lines
from qgbatch.readers.subtitles import join_cues


def running_text(text: str) -> str:
    """A text with the words that a hyphen divides joined, and its subtitles as paragraphs."""
    return join_cues(join_lines(text))
