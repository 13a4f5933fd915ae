"""Subtitles become running text, in files of their own and inside a plain text."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from qgbatch.readers.reading import read_document
from qgbatch.readers.subtitles import count_cues, join_cues

SUBRIP = """1
00:01:02,000 --> 00:01:04,500
He was born in
Ulm in <i>1879</i> and

2
00:01:05,000 --> 00:01:07,250
moved to Munich.
"""
JOINED = "He was born in Ulm in 1879 and moved to Munich."
WEBVTT = """WEBVTT - The film
Kind: captions

NOTE made by hand

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start position:0%
He was born in <c.red>Ulm</c>

00:02.500 --> 00:04.000
in 1879 &amp; moved<00:03.000><c> to Munich.</c>
"""


@pytest.mark.parametrize(
    ("name", "subtitles", "text"),
    [
        ("a.srt", SUBRIP, JOINED),
        ("a.txt", SUBRIP, JOINED),
        ("a.txt", SUBRIP.replace("\n\n", "\n").replace("\n", "\r\n"), JOINED),
        ("a.vtt", WEBVTT, "He was born in Ulm in 1879 & moved to Munich."),
        ("a.vtt.gz", WEBVTT, "He was born in Ulm in 1879 & moved to Munich."),
    ],
    ids=["srt", "txt", "no blank lines", "vtt", "gz"],
)  # fmt: skip
def test_subtitles_are_read_as_running_text(name: str, subtitles: str, text: str, tmp_path: Path) -> None:
    data = subtitles.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_document(str(tmp_path / name)).text.strip() == text


def test_the_text_around_subtitles_stays() -> None:
    text = f"The film begins.\n\n{SUBRIP}\nThen it ends at 5:30.\n\n42\n"
    assert join_cues(text) == f"The film begins.\n\n{JOINED}\n\nThen it ends at 5:30.\n\n42\n"


def cue(number: int, text: str) -> str:
    return f"{number}\n00:00:{number:02},000 --> 00:00:{number + 1:02},000\n{text}\n\n"


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (["- Where is it?", "- Here,", "I think."], "- Where is it?\n- Here, I think."),
        (["ANNA: Where is it?", "BO: Here."], "ANNA: Where is it?\nBO: Here."),
        (["<v Anna>Where", "<v Anna>is it?", "<v.loud Bo>Here."], "ANNA: Where is it?\nBO: Here."),
        ([" \nHe was born", "He was born\nin Ulm", "in Ulm\n \nin 1879."], "He was born in Ulm in 1879."),
        (["{\\an8}<font color='#fff'>Hello</font>"], "Hello"),
        (["a < b and b > c"], "a < b and b > c"),
    ],
    ids=["dashes", "names", "voices", "rolling", "tags", "no tags"],
)
def test_turns_are_lines_and_repeated_lines_and_tags_are_left_out(texts: list[str], joined: str) -> None:
    assert join_cues("".join(cue(number, text) for number, text in enumerate(texts))).strip() == joined


@pytest.mark.parametrize(
    "text",
    ["At 00:01:02 he left.\n\n12\n\nThe end.", "[00:01] Hello\n[00:02] Yes", "5 --> 6\nmaps five to six"],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert join_cues(text) == text
    assert count_cues(text) == 0


def test_subtitles_are_counted() -> None:
    assert (count_cues(SUBRIP), count_cues(WEBVTT)) == (2, 2)
