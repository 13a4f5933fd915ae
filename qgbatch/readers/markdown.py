"""Markdown to plain text: paragraphs, headings and list items."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from qgbatch.readers.front_matter import without_front_matter
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.scripts import MARKS, resolve_marks
from qgbatch.records import OmittedKind

if TYPE_CHECKING:
    from markdown_it.token import Token

_PART_CHARS = 1 << 20
"""The size of a part that is parsed at once. The parser's tokens take about 100 times the memory."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TAG = re.compile(r"<(/?)([a-z][a-z0-9-]*)", re.IGNORECASE)
_OMITTED_ELEMENTS: dict[str, OmittedKind | None] = {
    **dict.fromkeys(("script", "style", "title", "comment")),
    **dict.fromkeys(("pre", "highlight"), "code_blocks"),
    **dict.fromkeys(("textarea", "select"), "form_fields"),
    "table": "tables",
    "svg": "pictures",
    "math": "formulas",
}
"""Elements of HTML, and the tags of Jekyll and Hugo around code and comments, and what each counts as."""
_OMITTED_TOKENS: dict[str, OmittedKind] = {
    "fence": "code_blocks",
    "code_block": "code_blocks",
    "table_open": "tables",
}
"""Tokens of the parser that are left out."""
_SCRIPTS = {"sup": MARKS["superscript"], "sub": MARKS["subscript"]}
_Piece = tuple[str, str]
"""The kind of a piece of the document, and its text, tag or list marker."""


def plain_text(markdown: str, omissions: Omissions) -> str:
    """The prose of a document, its blocks separated by blank lines.

    Code, tables, images, link targets, front matter, template tags and markup are omitted, and
    so are the HTML elements that hold no prose. An indented paragraph of sentences is no code.
    List items keep their dash or number, because the sentence splitter recognizes items by it.
    """
    document = without_front_matter(markdown)
    if document != markdown:
        omissions.counts["metadata_blocks"] += 1
    blocks = (block for part in _parts(document) for block in _blocks(part, omissions.counts))
    return "\n\n".join(blocks)


def _parts(text: str) -> Iterator[str]:
    """The text in parts of bounded size, cut before unindented paragraphs outside code if possible."""
    lines: list[str] = []
    n_chars, fence, is_after_blank = 0, "", False
    for line in _short_lines(text):
        may_cut = is_after_blank and not fence and not line[0].isspace()
        if (n_chars >= _PART_CHARS and may_cut) or n_chars >= 2 * _PART_CHARS:
            yield "".join(lines)
            lines, n_chars = [], 0
        lines.append(line)
        n_chars += len(line)
        is_after_blank = line.isspace()
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
    yield "".join(lines)


def _short_lines(text: str) -> Iterator[str]:
    """The lines with their line breaks; a line longer than a part is cut."""
    start = 0
    while start < len(text):
        end = text.find("\n", start, start + _PART_CHARS) + 1 or min(start + _PART_CHARS, len(text))
        yield text[start:end]
        start = end


def _blocks(markdown: str, counts: Counter[OmittedKind]) -> Iterator[str]:
    marker, texts = "", list[str]()
    for kind, content in [*_without_omitted_elements(_pieces(markdown, counts), counts), ("break", "")]:
        if kind == "text":
            texts.append(content)
            continue
        if text := _tidy("".join(texts)):
            yield marker + text
            marker = ""
        texts.clear()
        marker = content or marker


def _pieces(markdown: str, counts: Counter[OmittedKind]) -> Iterator[_Piece]:
    """The document's text, the breaks between its blocks and the HTML tags in it.

    A break has the marker of the list item that it begins, or "".
    """
    from qgbatch.readers.markdown_parser import block_parser, inline_parser

    in_table = False
    links: dict[str, Any] = {}
    for token in block_parser().parse(markdown, links):
        if kind := _OMITTED_TOKENS.get(token.type):
            counts[kind] += 1
        if token.type in ("table_open", "table_close"):
            in_table = token.type == "table_open"
        elif token.type == "list_item_open":
            yield "break", f"{token.info}{token.markup} " if token.info else "- "
        elif token.type in ("inline", "html_block") and not in_table:
            # A block of HTML may have text behind its comment.
            for block in inline_parser().parseInline(token.content, links):
                counts["pictures"] += sum(child.type == "image" for child in block.children or ())
                yield from map(_piece, block.children or ())
            yield "break", ""


def _piece(token: Token) -> _Piece:
    if token.type == "html_inline":
        return "tag", token.content
    if token.type == "break":
        return "break", ""
    texts = {"text": token.content, "code_inline": token.content, "softbreak": " ", "hardbreak": "\n"}
    return "text", texts.get(token.type, "")


def _without_omitted_elements(pieces: Iterable[_Piece], counts: Counter[OmittedKind]) -> list[_Piece]:
    """The pieces with HTML tags replaced by what they mean; an element that never ends is kept."""
    from markdown_it.common.html_blocks import block_names

    kept: list[_Piece] = []
    starts: dict[str, list[int]] = {tag: [] for tag in _OMITTED_ELEMENTS}
    for kind, content in pieces:
        tag = _TAG.match(content) if kind == "tag" else None
        name = tag[2].lower() if tag else ""
        if tag and tag[1] and starts.get(name):
            start = starts[name][-1]
            if omitted := _OMITTED_ELEMENTS[name]:
                counts[omitted] += 1
            del kept[start:]
            for positions in starts.values():
                while positions and positions[-1] >= start:
                    positions.pop()
        elif tag and not tag[1] and name in starts and not content.endswith("/>"):
            starts[name].append(len(kept))
        counts["pictures"] += name == "img"
        if kind != "tag":
            kept.append((kind, content))
        elif name in block_names or name in ("pre", "textarea"):
            kept.append(("break", "- " if name == "li" and tag and not tag[1] else ""))
        elif name == "br":
            kept.append(("text", "\n"))
        elif tag and name in _SCRIPTS:
            kept.append(("text", _SCRIPTS[name][bool(tag[1])]))
    return kept


def _tidy(text: str) -> str:
    """A block with powers marked and single spaces."""
    lines = (" ".join(line.split()) for line in resolve_marks(text).split("\n"))
    return "\n".join(line for line in lines if line)
