"""HTML to HTML: a page without navigation, hidden text, note marks, code and tables of data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape

_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
"""Only to match at the start: a search takes quadratic time in white space."""
_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"\s+")
_OMITTED = {
    "title", "script", "style", "template", "noscript", "svg", "math", "iframe", "object", "canvas",
    "audio", "video", "select", "datalist", "textarea", "pre",
}  # fmt: skip
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
_MIN_WORDS_PER_CELL = 8
"""Cells of data are shorter; cells of a layout hold paragraphs."""
_MIN_LINKS = 3
_MAX_WORDS_PER_LINK = 5
_LISTS = {"ul", "ol"}
_MAX_MARK_PIECES = 16
"""A note mark has fewer tags and texts, so that nested elements are not read again at each level."""

_HIDDEN_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_HIDDEN_CLASSES = {"hidden", "d-none", "sr-only", "visually-hidden", "screen-reader-text"}
_SHOWN_AGAIN = re.compile(r"[:-](?:block|flex|grid|inline|table)\b")
"""In a class that shows a hidden element on large screens."""
_DECORATION = {"a", "b", "em", "i", "span"}
_EDIT_CLASSES = {"editsection", "headerlink", "mw-cite-backlink", "mw-editsection"}
_NOTE_CLASSES = {
    "footnote",
    "footnote-back",
    "footnote-backref",
    "footnote-ref",
    "footnote-reference",
    "noteref",
}
_NOTE_ROLES = {"backlink", "doc-backlink", "doc-noteref", "noteref"}
_LINKED_MARK = re.compile(r"\[\s*(?:note )?\w{1,4}\s*\]|\^\w{1,4}|[^\w\s]+", re.IGNORECASE)
_UNLINKED_MARK = re.compile(r"\[[^\[\]]{1,30}\]|[*†‡§¶]+")
_NOTE_NUMBERS = re.compile(r"\d{1,3}(?:\s?[,\u2013-]\s?\d{1,3})*")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|e|o|a|ème|te)?", re.IGNORECASE)

_NAVIGATION_TAGS = {"nav", "footer", "dialog"}
_NAVIGATION_ROLES = {
    "navigation", "contentinfo", "banner", "search", "menu", "menubar", "toolbar", "dialog", "alertdialog",
}  # fmt: skip
_NAVIGATION_NAME = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navbox|navigation|nav(?:head|foot)er|docnav|menu|(?:sphinx)?sidebar"
    r"|breadcrumbs?|pagination|pager|toc)(?=$|\s)",
    re.IGNORECASE,
)
_NOTICE_NAME = re.compile(
    r"(?:^|[\s_-])(?:(?:print)?footer|catlinks|share|sharing|social|skip-?link"
    r"|cookies?(?:[_-]?(?:banner|bar|consent|law|message|modal|note|notice|notification|popup|warning))?"
    r"|consent(?:[_-](?:banner|bar|modal|notice|popup))?|gdpr)(?=$|\s)",
    re.IGNORECASE,
)
_LAYOUT_NAME = re.compile(r"(?:^|\s)(?:has|no|with)[_-]\S*", re.IGNORECASE)
_MAX_NAME_CHARS = 300
_MAX_NOTICE_WORDS = 100
"""More words outside links are text, whatever the element is called: a manual has a section ``cookies``."""
_NEVER_NAVIGATION = {"html", "body", "main", "article", "h1", "h2", "h3", "h4", "h5", "h6"}


def cleaned(html: str, *, keeps_navigation: bool) -> str:
    """The page without hidden text, note marks, edit links, code, tables of data and, if asked, navigation.

    Tables for the layout become ``div`` elements; a power becomes ``2^8``.
    """
    from lxml import etree

    cleaner = _Cleaner(keeps_navigation=keeps_navigation)
    parser = etree.HTMLParser(target=cleaner, huge_tree=True, recover=True)
    declaration = _XML_DECLARATION.match(html)  # its encoding is not that of a string
    with suppress(etree.ParserError, etree.XMLSyntaxError):  # an empty page
        parser.feed(html[declaration.end() :] if declaration else html)
        parser.close()
    return cleaner.close()


@dataclass(slots=True)
class _Frame:
    """An open element that may still be omitted, and what is in it so far."""

    tag: str
    attributes: Mapping[str, str]
    start: int
    """The number of pieces before it."""
    boilerplate: str = ""
    """``notice`` or ``navigation`` if its name or role says so, or ``list``."""
    depth: int = 0
    """The number of open elements of the same name inside it."""
    n_words: int = 0
    n_links: int = 0
    n_link_words: int = 0
    n_cells: int = 0
    holds_layout: bool = False
    holds_data: bool = False


class _Cleaner:
    """Collects the rest of the page from the events of the parser, so that no tree is built."""

    def __init__(self, *, keeps_navigation: bool) -> None:
        self._keeps_navigation = keeps_navigation
        self._pieces: list[str] = []
        """Tags and escaped texts; only tags begin with ``<``."""
        self._omitted: list[str] = []
        """The open element that is omitted, and the open elements of the same name inside it."""
        self._frames = [_Frame("", {}, 0)]
        self._tables = [self._frames[0]]

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if self._omitted:
            self._omitted += [tag] * (tag == self._omitted[0])
            return
        if self._is_omitted(tag, attributes):
            self._omitted.append(tag)
            return
        self._tables[-1].holds_layout |= tag in _IN_LAYOUT_TABLES
        self._tables[-1].holds_data |= tag in _IN_DATA_TABLES
        boilerplate = "" if self._keeps_navigation else _boilerplate(tag, attributes)
        if tag in _FRAMES or boilerplate:
            self._frames.append(_Frame(tag, attributes, len(self._pieces), boilerplate))
        else:
            self._frames[-1].depth += tag == self._frames[-1].tag
        if tag == "table":
            self._tables.append(self._frames[-1])
        self._pieces.append(_start_tag(tag, attributes))

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._omitted:
            if tag == self._omitted[0]:
                self._omitted.pop()
            return
        if tag not in _VOID:
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
        return "".join(self._pieces)

    def _is_omitted(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag in _OMITTED or (attributes and _is_hidden(tag, attributes)):
            return True
        return not self._keeps_navigation and tag in _NAVIGATION_TAGS

    def _close_frame(self) -> None:
        frame = self._frames.pop()
        if frame.tag == "table":
            self._tables.pop()
        if not self._keeps_frame(frame):
            del self._pieces[frame.start :]
            return
        outer = self._frames[-1]
        outer.n_words += frame.n_words
        outer.n_links += frame.n_links + (frame.tag == "a")
        outer.n_link_words += frame.n_words if frame.tag == "a" else frame.n_link_words
        outer.n_cells += frame.tag in _CELLS and frame.n_words > 0

    def _keeps_frame(self, frame: _Frame) -> bool:
        if frame.boilerplate and _is_boilerplate(frame):
            return False
        if frame.tag == "table":
            return _is_layout(frame)
        if frame.tag in _CELLS:
            return self._keeps_navigation or not _is_menu(frame)
        if frame.tag in ("a", "sup") and len(self._pieces) - frame.start <= _MAX_MARK_PIECES:
            return self._keeps_mark(frame)
        return True

    def _keeps_mark(self, frame: _Frame) -> bool:
        text = "".join(piece for piece in self._pieces[frame.start :] if not piece.startswith("<")).strip()
        if frame.tag == "a":
            return not _is_note_link(frame.attributes, text)
        if _is_note_mark(frame, text) or (_NOTE_NUMBERS.fullmatch(text) and self._ends_clause(frame.start)):
            return False
        if not _ORDINAL.fullmatch(text):
            self._mark_power(frame.start)
        return True

    def _ends_clause(self, end: int) -> bool:
        """Whether a punctuation mark is directly before a piece."""
        before = "".join(
            piece for piece in self._pieces[max(0, end - 4) : end] if not piece.startswith("<")
        )
        return before.endswith((".", ",", ";", ":", "!", "?", '"', "\u201d", "\u2019"))

    def _mark_power(self, start: int) -> None:
        """Replace the tags of a superscript by a caret; 2<sup>8</sup> would become 28."""
        self._pieces[start] = "^"
        for index in range(start + 1, len(self._pieces)):
            self._pieces[index] = "" if self._pieces[index] == "</sup>" else self._pieces[index].lstrip()


def _start_tag(tag: str, attributes: Mapping[str, str]) -> str:
    if tag in _TABLE_TAGS:
        return "<div>"
    kept = "".join(f' {name}="{escape(attributes[name])}"' for name in _KEPT if name in attributes)
    return f"<{tag}{kept}>"


def _is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    """Whether a browser does not show an element, as far as its attributes tell, or it is an edit link."""
    if attributes.get("hidden", "until-found") != "until-found":
        return True
    if _HIDDEN_STYLE.search(attributes.get("style", "")):
        return True
    classes = set(attributes.get("class", "").split())
    if classes & _HIDDEN_CLASSES and not _SHOWN_AGAIN.search(attributes["class"]):
        return True
    is_decoration = tag in _DECORATION and attributes.get("aria-hidden") == "true"
    return is_decoration or bool(classes & _EDIT_CLASSES)


def _boilerplate(tag: str, attributes: Mapping[str, str]) -> str:
    """What the role, the class or the id of an element says it is, if it is not text."""
    if tag in _NEVER_NAVIGATION:
        return ""
    names = f"{attributes.get('id', '')[:_MAX_NAME_CHARS]} {attributes.get('class', '')[:_MAX_NAME_CHARS]}"
    names = _LAYOUT_NAME.sub("", names)
    if attributes.get("role") in _NAVIGATION_ROLES or _NOTICE_NAME.search(names):
        return "notice"
    if _NAVIGATION_NAME.search(names):
        return "navigation"
    return "list" if tag in _LISTS else ""


def _is_boilerplate(frame: _Frame) -> bool:
    n_other = frame.n_words - frame.n_link_words
    if frame.boilerplate == "notice":
        return n_other <= _MAX_NOTICE_WORDS
    if frame.boilerplate == "list":
        return _is_menu(frame)
    return n_other <= frame.n_link_words


def _is_menu(frame: _Frame) -> bool:
    """Whether a list or a cell holds short links and hardly anything else."""
    has_only_links = frame.n_links >= _MIN_LINKS and 5 * frame.n_link_words >= 4 * frame.n_words
    return has_only_links and frame.n_link_words <= _MAX_WORDS_PER_LINK * frame.n_links


def _is_layout(table: _Frame) -> bool:
    """Whether a table arranges paragraphs, and is not one of data."""
    if table.attributes.get("role") in ("presentation", "none"):
        return True
    has_paragraphs = table.n_words >= _MIN_WORDS_PER_CELL * max(table.n_cells, 1)
    return not table.holds_data and (table.holds_layout or has_paragraphs)


def _is_note_link(attributes: Mapping[str, str], text: str) -> bool:
    """Whether a link is the mark of a note, or leads back from a note or to a heading."""
    roles = {attributes.get("role"), attributes.get("epub:type")}
    if roles & _NOTE_ROLES or _NOTE_CLASSES & set(attributes.get("class", "").split()):
        return True
    return "#" in attributes.get("href", "") and bool(_LINKED_MARK.fullmatch(text))


def _is_note_mark(superscript: _Frame, text: str) -> bool:
    classes = set(superscript.attributes.get("class", "").split())
    is_marked = superscript.n_links or classes & {"reference", *_NOTE_CLASSES}
    return bool(is_marked or _UNLINKED_MARK.fullmatch(text))
