"""Plain text, whose lines were divided for paper or for a screen, to running text."""

from __future__ import annotations

from qgbatch.readers.hyphens import join_lines
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.subtitles import count_cues, join_cues


def running_text(text: str, omissions: Omissions) -> str:
    """A text with the words that a hyphen divides joined, and its subtitles as paragraphs."""
    if n_cues := count_cues(text):
        omissions.counts["subtitle_cues"] += n_cues
    return join_cues(join_lines(text))
