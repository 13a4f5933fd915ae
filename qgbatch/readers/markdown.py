"""Markdown to plain text: paragraphs, headings and list items."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_PART_CHARS = 1 << 20
"""The size of a part that is parsed at once. The parser's tokens take about 100 times the memory."""
_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?=[\w\"'#-][^\n]*:)(?:(?!---|\.\.\.).*\n)*(?:---|\.\.\.)[ \t]*(?:\n|$)"
)
_SUPERSCRIPT = re.compile(r"\0(?!(?:st|nd|rd|th|er|re|e|o|a)\b)(?=\S)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def plain_text(markdown: str) -> str:
    """The prose of a document, its blocks separated by blank lines.

    Code blocks, tables, HTML, images, link targets, front matter and markup are omitted.
    List items keep their dash or number, because the sentence splitter recognizes items by it.
    """
    prose = _FRONT_MATTER.sub("", markdown, count=1) if markdown.startswith("---") else markdown
    return "\n\n".join(block for part in _parts(prose) for block in _blocks(part))


def _parts(text: str) -> Iterator[str]:
    """The text in parts of bounded size, cut at blank lines outside code blocks where possible."""
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
    """The lines with their line breaks; a line longer than a part is cut."""
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
    """The text of a block, from the type and the content of each piece."""
    breaks = {"softbreak": " ", "hardbreak": "\n", "superscript": "\0"}
    text = "".join(
        content if kind in ("text", "code_inline") else breaks.get(_kind(kind, content), "")
        for kind, content in pieces
    )
    text = _SUPERSCRIPT.sub("^", text).replace("\0", "")  # 2<sup>8</sup> would become 28
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _kind(kind: str, content: str) -> str:
    """The type of a piece; inline HTML for a line break or a superscript has a type of its kind."""
    starts = {"<br": "hardbreak", "<su": "superscript" if content[:4].lower() == "<sup" else kind}
    return starts.get(content[:3].lower(), kind) if kind == "html_inline" else kind
