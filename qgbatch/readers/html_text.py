"""An HTML page to text, without navigation, hidden text, note marks, code and tables of data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

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
from qgbatch.readers.prose import is_prose
from qgbatch.readers.scripts import LEFT_OUT, MARKS, resolve_marks
from qgbatch.records import OmittedKind

_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
"""Only to match at the start: a search takes quadratic time in white space."""
_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"[\s\x01-\x05]+")
"""White space, and the characters that mark raised and lowered text here."""
_MANY_BREAKS = re.compile(r"\n{3,}")
_NAVIGATION_TAGS = ("nav", "footer", "dialog")
_OMITTED: dict[str, OmittedKind | None] = {
    **dict.fromkeys(("title", "script", "style", "template", "noscript")),
    **dict.fromkeys(("img", "svg", "canvas"), "pictures"),
    **dict.fromkeys(("iframe", "object", "audio", "video"), "media_elements"),
    **dict.fromkeys(("select", "datalist", "textarea"), "form_fields"),
    **dict.fromkeys(_NAVIGATION_TAGS, "navigation_blocks"),
    "math": "formulas",
    "pre": "code_blocks",
}
"""Elements that are left out with their content, and what each of them counts as."""
_OMITTED_BLOCKS = (*_NAVIGATION_TAGS, "pre")
_VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
}  # fmt: skip
_CELLS = {"td", "th"}
_FRAMES = {"sup", "a", "table", *_CELLS}
"""Elements of which their content decides whether they are omitted."""
_IN_LAYOUT_TABLES = {"h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "blockquote", "table"}
_IN_DATA_TABLES = {"caption", "thead", "th"}
_MAX_MARK_PIECES = 16
"""A note mark has fewer texts, so that nested elements are not read again at each level."""
_BREAK = "\n\n"
_STARTS = {
    "sup": MARKS["superscript"][0],
    "sub": MARKS["subscript"][0],
    "br": "\n",
    "li": f"{_BREAK}- ",
}
_ENDS = {"sup": MARKS["superscript"][1], "sub": MARKS["subscript"][1]}


def page_text(html: str, *, keeps_navigation: bool) -> tuple[str, Counter[OmittedKind]]:
    """The text of a page, and what a browser would show besides, counted by kind.

    Blocks are separated by blank lines. Hidden text, note marks, edit links, code, tables of data and,
    if asked, navigation are left out; a power becomes ``2^8``.
    """
    from lxml import etree

    reader = _Reader(keeps_navigation=keeps_navigation)
    parser = etree.HTMLParser(target=reader, huge_tree=True, recover=True)
    declaration = _XML_DECLARATION.match(html)  # its encoding is not that of a string
    with suppress(etree.ParserError, etree.XMLSyntaxError):  # an empty page
        parser.feed(html[declaration.end() :] if declaration else html)
        parser.close()
    return reader.close(), reader.counts


class _Reader:
    """Collects the text of a page from the events of the parser, so that no tree is built."""

    def __init__(self, *, keeps_navigation: bool) -> None:
        self.counts: Counter[OmittedKind] = Counter()
        self._keeps_navigation = keeps_navigation
        self._pieces: list[str] = []
        """Texts, in which white space is a space, the line breaks between them, and marks."""
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
        self._add(_STARTS.get(tag, "" if tag in INLINE else _BREAK))

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._omitted:
            if tag == self._omitted[0]:
                self._omitted.pop()
            return
        if tag in _VOID:
            return
        self._add(_ENDS.get(tag, "" if tag in INLINE else _BREAK))
        frame = self._frames[-1]
        if tag == frame.tag and frame.depth:
            frame.depth -= 1
        elif tag == frame.tag:
            self._close_frame()

    def data(self, data: str) -> None:
        """Text inside the current element."""
        if not self._omitted:
            self._frames[-1].n_words += len(_WORD.findall(data))
            text = _SPACE.sub(" ", data)  # as in a browser
            self._frames[-1].n_chars += len(text) - text.isspace()
            self._add(text)

    def close(self) -> str:
        """The text of the whole page."""
        while len(self._frames) > 1:
            self._close_frame()
        text = resolve_marks("".join(self._pieces))
        lines = (" ".join(line.split()) for line in text.split("\n"))
        return _MANY_BREAKS.sub(_BREAK, "\n".join(line if line != "-" else "" for line in lines)).strip()

    def _add(self, piece: str) -> None:
        if piece:
            self._pieces.append(piece)

    def _is_omitted(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if attributes and is_hidden(tag, attributes):
            return True
        if tag not in _OMITTED or (self._keeps_navigation and tag in _NAVIGATION_TAGS):
            return False
        if kind := _OMITTED[tag]:
            self.counts[kind] += 1
            self._add(_BREAK if tag in _OMITTED_BLOCKS else LEFT_OUT)
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
        outer.n_chars += frame.n_chars
        outer.n_words += frame.n_words
        outer.n_links += frame.n_links + (frame.tag == "a")
        outer.n_link_words += frame.n_words if frame.tag == "a" else frame.n_link_words
        if frame.tag in _CELLS and is_prose(frame.n_chars, self._last_text()):
            outer.n_prose_chars += frame.n_chars

    def _last_text(self) -> str:
        """The last of the texts so far, or an empty string if it is not among the last pieces."""
        last = self._pieces[-_MAX_MARK_PIECES:]
        return next((piece for piece in reversed(last) if not piece.isspace()), "")

    def _keeps_frame(self, frame: Frame) -> bool:
        if frame.boilerplate and is_boilerplate(frame):
            return False
        if frame.tag == "table":
            return is_layout(frame)
        if frame.tag in _CELLS:
            return self._keeps_navigation or not is_menu(frame)
        if frame.tag in ("a", "sup") and len(self._pieces) - frame.start <= _MAX_MARK_PIECES:
            text = resolve_marks("".join(self._pieces[frame.start :])).strip()
            return not (is_note_link if frame.tag == "a" else is_note_mark)(frame, text)
        return True
