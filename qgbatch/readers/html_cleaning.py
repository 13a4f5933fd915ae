"""HTML to HTML: a page without navigation, hidden text, note marks, code and tables of data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape

from qgbatch.readers.html_elements import (
    INLINE,
    Frame,
    boilerplate_kind,
    is_boilerplate,
    is_hidden,
    is_layout,
    is_menu,
    is_note_link,
    is_note_mark,
)
from qgbatch.readers.scripts import LEFT_OUT, MARKS, TAG, resolve_marks
from qgbatch.records import OmittedKind

_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
"""Only to match at the start: a search takes quadratic time in white space."""
_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"[\s\x01-\x06]+")
"""White space, and the characters that mark raised and lowered text here."""
_NAVIGATION_TAGS = ("nav", "footer", "dialog")
_OMITTED_BLOCKS = (*_NAVIGATION_TAGS, "pre")
_OMITTED: dict[str, OmittedKind | None] = {
    **dict.fromkeys(("title", "script", "style", "template", "noscript")),
    **dict.fromkeys(("img", "svg", "canvas"), "pictures"),
    **dict.fromkeys(("iframe", "object", "audio", "video"), "embedded_media"),
    **dict.fromkeys(("select", "datalist", "textarea"), "form_fields"),
    **dict.fromkeys(_NAVIGATION_TAGS, "navigation_blocks"),
    "math": "formulas",
    "pre": "code_blocks",
}
"""Elements that are left out with their content, and what each of them counts as."""
_VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
}  # fmt: skip
_TABLE_TAGS = {"table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "colgroup"}
_CELLS = {"td", "th"}
_KEPT = ("id", "class", "role")
"""Attributes by which an extractor finds the main text."""
_FRAMES = {"sup", "a", "table", *_CELLS}
"""Elements of which their content decides whether they are omitted."""
_IN_LAYOUT_TABLES = {"h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "blockquote", "table"}
_IN_DATA_TABLES = {"caption", "thead", "th"}
_MAX_MARK_PIECES = 16
"""A note mark has fewer tags and texts, so that nested elements are not read again at each level."""
_SCRIPTS = {"sup": MARKS["superscript"], "sub": MARKS["subscript"]}
_TAG_NAME = re.compile(r"</?([^\s<>/]+)")
_STAND_IN = re.compile(rf"[{TAG}\n]")
_BREAK = "<div></div>"
"""Stands for a block that is left out."""


def cleaned(html: str, *, keeps_navigation: bool) -> tuple[str, Counter[OmittedKind]]:
    """The page without hidden text, note marks, edit links, code, tables of data and, if asked, navigation.

    Tables for the layout become ``div`` elements; a power becomes ``2^8``. What a browser would show is
    counted by kind.
    """
    from lxml import etree

    cleaner = _Cleaner(keeps_navigation=keeps_navigation)
    parser = etree.HTMLParser(target=cleaner, huge_tree=True, recover=True)
    declaration = _XML_DECLARATION.match(html)  # its encoding is not that of a string
    with suppress(etree.ParserError, etree.XMLSyntaxError):  # an empty page
        parser.feed(html[declaration.end() :] if declaration else html)
        parser.close()
    return cleaner.close(), cleaner.counts


class _Cleaner:
    """Collects the rest of the page from the events of the parser, so that no tree is built."""

    def __init__(self, *, keeps_navigation: bool) -> None:
        self.counts: Counter[OmittedKind] = Counter()
        self._keeps_navigation = keeps_navigation
        self._pieces: list[str] = []
        """Tags and escaped texts; only tags begin with ``<``."""
        self._omitted: list[str] = []
        """The open element that is omitted, and the open elements of the same name inside it."""
        self._frames = [Frame("", {}, 0)]
        self._tables = [self._frames[0]]

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if self._omitted:
            self._omitted += [tag] * (tag == self._omitted[0])
            return
        if self._is_omitted(tag, attributes):
            self._omitted += [tag] * (tag not in _VOID)
            return
        self._tables[-1].holds_layout |= tag in _IN_LAYOUT_TABLES
        self._tables[-1].holds_data |= tag in _IN_DATA_TABLES
        boilerplate = "" if self._keeps_navigation else boilerplate_kind(tag, attributes)
        if tag in _FRAMES or boilerplate:
            self._frames.append(Frame(tag, attributes, len(self._pieces), boilerplate))
        else:
            self._frames[-1].depth += tag == self._frames[-1].tag
        if tag == "table":
            self._tables.append(self._frames[-1])
        self._pieces.append(_SCRIPTS[tag][0] if tag in _SCRIPTS else _start_tag(tag, attributes))

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._omitted:
            if tag == self._omitted[0]:
                self._omitted.pop()
            return
        if tag in _SCRIPTS:
            self._pieces.append(_SCRIPTS[tag][1])
        elif tag not in _VOID:
            self._pieces.append("</div>" if tag in _TABLE_TAGS else f"</{tag}>")
        frame = self._frames[-1]
        if tag == frame.tag and frame.depth:
            frame.depth -= 1
        elif tag == frame.tag:
            self._close_frame()

    def data(self, data: str) -> None:
        """Text inside the current element."""
        if data and not self._omitted:
            self._frames[-1].n_words += len(_WORD.findall(data))
            self._pieces.append(escape(_SPACE.sub(" ", data), quote=False))  # as in a browser

    def close(self) -> str:
        """The rest of the whole page."""
        while len(self._frames) > 1:
            self._close_frame()
        return _resolved(self._pieces)

    def _is_omitted(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if attributes and is_hidden(tag, attributes):
            return True
        if tag not in _OMITTED or (self._keeps_navigation and tag in _NAVIGATION_TAGS):
            return False
        if kind := _OMITTED[tag]:
            self.counts[kind] += 1
            self._pieces.append(_BREAK if tag in _OMITTED_BLOCKS else LEFT_OUT)
        return True

    def _close_frame(self) -> None:
        frame = self._frames.pop()
        if frame.tag == "table":
            self._tables.pop()
        if not self._keeps_frame(frame):
            if frame.n_words and frame.tag not in ("a", "sup"):
                is_table = frame.tag == "table" and not frame.boilerplate
                self.counts["tables" if is_table else "navigation_blocks"] += 1
            self._pieces[frame.start :] = [LEFT_OUT if frame.tag in INLINE else _BREAK]
            return
        outer = self._frames[-1]
        outer.n_words += frame.n_words
        outer.n_links += frame.n_links + (frame.tag == "a")
        outer.n_link_words += frame.n_words if frame.tag == "a" else frame.n_link_words
        outer.n_cells += frame.tag in _CELLS and frame.n_words > 0

    def _keeps_frame(self, frame: Frame) -> bool:
        if frame.boilerplate and is_boilerplate(frame):
            return False
        if frame.tag == "table":
            return is_layout(frame)
        if frame.tag in _CELLS:
            return self._keeps_navigation or not is_menu(frame)
        if frame.tag in ("a", "sup") and len(self._pieces) - frame.start <= _MAX_MARK_PIECES:
            return self._keeps_mark(frame)
        return True

    def _keeps_mark(self, frame: Frame) -> bool:
        pieces = self._pieces[frame.start :]
        text = resolve_marks("".join(piece for piece in pieces if not piece.startswith("<"))).strip()
        if frame.tag == "a":
            return not is_note_link(frame.attributes, text)
        return not is_note_mark(frame, text)


def _resolved(pieces: Sequence[str]) -> str:
    """The page of its pieces, without marks of raised and lowered text."""
    tags = [piece for piece in pieces if piece.startswith("<")]
    stand_ins = (_stand_in(piece) if piece.startswith("<") else piece for piece in pieces)
    rest = iter(tags)
    return _STAND_IN.sub(lambda _: next(rest), resolve_marks("".join(stand_ins)))


def _stand_in(tag: str) -> str:
    """A character for a tag: whether it separates the texts on its sides."""
    name = _TAG_NAME.match(tag)
    return TAG if name and name[1] in INLINE and name[1] != "br" else "\n"


def _start_tag(tag: str, attributes: Mapping[str, str]) -> str:
    if tag in _TABLE_TAGS:
        return "<div>"
    kept = "".join(f' {name}="{escape(attributes[name])}"' for name in _KEPT if name in attributes)
    return f"<{tag}{kept}>"
