"""Markdown -> plain text: paragraphs, headings and list items, without what is not prose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_PART_CHARS = 1 << 20
"""What is parsed at once; its tokens take some 100 times as many bytes."""
_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?=[\w\"'#-][^\n]*:)(?:(?!---|\.\.\.).*\n)*(?:---|\.\.\.)[ \t]*(?:\n|$)"
)
_SUPERSCRIPT = re.compile(r"\0(?!(?:st|nd|rd|th|er|re|e|o|a)\b)(?=\S)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def plain_text(markdown: str) -> str:
    """The prose of a document, blocks apart by blank lines.

    Code blocks, tables, HTML, images, link targets, front matter and markup are left
    out. Items of lists keep their dash or number, by which sentences are told apart.
    """
    prose = _FRONT_MATTER.sub("", markdown, count=1) if markdown.startswith("---") else markdown
    return "\n\n".join(block for part in _parts(prose) for block in _blocks(part))


def _parts(text: str) -> Iterator[str]:
    """The text in parts of bounded size, cut at blank lines outside of code where there are any."""
    lines: list[str] = []
    n_chars, fence = 0, ""
    for line in _short_lines(text):
        lines.append(line)
        n_chars += len(line)
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        if (n_chars >= _PART_CHARS and not line.strip() and not fence) or n_chars >= 2 * _PART_CHARS:
            yield "".join(lines)
            lines, n_chars = [], 0
    yield "".join(lines)


def _short_lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start, start + _PART_CHARS) + 1 or min(start + _PART_CHARS, len(text))
        yield text[start:end]
        start = end


def _blocks(markdown: str) -> Iterator[str]:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    marker, in_table = "", False
    for token in parser.parse(markdown):
        if token.type in ("table_open", "table_close"):
            in_table = token.type == "table_open"
        elif token.type == "list_item_open":
            marker = f"{token.info}{token.markup} " if token.info else "- "
        elif token.type == "inline" and not in_table:
            text = _inline_text((piece.type, piece.content) for piece in token.children or [])
            if text:
                yield marker + text
                marker = ""


def _inline_text(pieces: Iterable[tuple[str, str]]) -> str:
    """The text of a block from the kinds of its pieces and their contents."""
    breaks = {"softbreak": " ", "hardbreak": "\n", "superscript": "\0"}
    text = "".join(
        content if kind in ("text", "code_inline") else breaks.get(_kind(kind, content), "")
        for kind, content in pieces
    )
    text = _SUPERSCRIPT.sub("^", text).replace("\0", "")  # or 2<sup>8</sup> would read 28
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _kind(kind: str, content: str) -> str:
    starts = {"<br": "hardbreak", "<su": "superscript" if content[:4].lower() == "<sup" else kind}
    return starts.get(content[:3].lower(), kind) if kind == "html_inline" else kind
