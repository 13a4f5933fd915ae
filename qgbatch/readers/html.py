"""HTML to text: the main text of a page, or all of its visible text if no main text is found."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Mapping
from configparser import ConfigParser
from contextlib import suppress
from functools import cache

_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([\w.:-]{1,40})""", re.ASCII)
_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
"""Only to match at the start: a search takes quadratic time in white space."""
_IN_BROWSERS = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254",
    "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
"""Encodings that browsers take for others, which contain them (https://encoding.spec.whatwg.org/#names-and-labels)."""
_LABELS = {
    "windows-31j": "cp932", "x-sjis": "cp932", "windows-949": "cp949", "windows-874": "cp874",
    "x-gbk": "gb18030", "x-euc-jp": "euc_jp", "x-cp1251": "cp1251", "x-cp1252": "cp1252",
}  # fmt: skip
"""Names of encodings on pages that Python does not know."""
_MAX_TAGS = 100_000
"""The maximum for a page whose main text is searched for, which takes about ten seconds for so many."""
_MIN_MAIN_CHARS = 250
"""Shorter main text may be a stray part of the page; the default of trafilatura."""
_SPACE = re.compile(r"\s+")
_FOOTNOTE = re.compile(r"<sup\b[^<>]*>\s*(?:\[\s*)?<a\b[^<>]*>[^<>]*</a>(?:\s*\])?\s*</sup>", re.IGNORECASE)
_SUPERSCRIPT = re.compile(r"<sup\b[^<>]*>\s*(?=[^\s<])(?!(?:st|nd|rd|th|er|re|e|o|a)\s*<)", re.IGNORECASE)
_BEFORE = {"br": "\n", "li": "\n\n- "}
_OMITTED = {
    "title", "script", "style", "template", "noscript", "svg", "math", "iframe", "object", "canvas",
    "audio", "video", "select", "textarea", "table", "pre",
}  # fmt: skip
_INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
}  # fmt: skip


def declared_encoding(data: bytes) -> str | None:
    """The encoding that a page declares, as browsers take it, or ``None`` if none is known."""
    found = _CHARSET.search(data[:2048])
    label = found[1].decode("ascii").lower() if found else ""
    try:
        name = codecs.lookup(_LABELS.get(label, label)).name
        b"x".decode(name)
    except (LookupError, UnicodeError):
        return None
    with suppress(UnicodeError):  # Windows-1252 has no character for some of the bytes
        data.decode(_IN_BROWSERS.get(name, name))
        return _IN_BROWSERS.get(name, name)
    return name


def main_text(html: str) -> str:
    """The main text of a page without navigation, or all visible text if no main text is found.

    Tables, preformatted text and footnote marks are omitted; powers become ``2^8``.
    """
    html = _SUPERSCRIPT.sub("^", _FOOTNOTE.sub("", html))  # 2<sup>8</sup> would become 28
    everything = visible_text(html)
    if html.count("<") <= _MAX_TAGS:
        import trafilatura

        # Its warnings are about the page's HTML, which the user cannot change.
        logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
        main = trafilatura.extract(
            # On one line, because trafilatura takes a line break for the end of a paragraph.
            _SPACE.sub(" ", _without_declaration(html)),
            include_comments=False,
            include_tables=False,
            prune_xpath="//pre",
            fast=True,
            config=_config(),
        )
        if main and (len(main) >= _MIN_MAIN_CHARS or 2 * len(main) >= len(everything)):
            return "\n\n".join(main.split("\n"))
    return everything


def visible_text(html: str) -> str:
    """The text of a page that a browser shows, except tables and preformatted text.

    Blocks are separated by blank lines.
    """
    from lxml import etree

    text = _VisibleText()
    parser = etree.HTMLParser(target=text, huge_tree=True, recover=True)
    with suppress(etree.ParserError, etree.XMLSyntaxError):  # an empty page
        parser.feed(_without_declaration(html))
        parser.close()
    return text.close()


def _without_declaration(html: str) -> str:
    """The page without its XML declaration, whose encoding is not that of a string."""
    declaration = _XML_DECLARATION.match(html)
    return html[declaration.end() :] if declaration else html


class _VisibleText:
    """Collects text from the events of the parser, so that no tree is built."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._omitted: list[str] = []
        """The open element that is omitted, and the open elements of the same name inside it."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if self._omitted:
            self._omitted += [tag] * (tag == self._omitted[0])
        elif tag in _OMITTED:
            self._omitted.append(tag)
        else:
            self._pieces.append(_BEFORE.get(tag, "" if tag in _INLINE else "\n\n"))

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._omitted:
            if tag == self._omitted[0]:
                self._omitted.pop()
        elif tag not in _INLINE:
            self._pieces.append("\n\n")

    def data(self, data: str) -> None:
        """Text inside the current element."""
        if not self._omitted:
            self._pieces.append(_SPACE.sub(" ", data))  # as in a browser

    def close(self) -> str:
        """The text of the whole page."""
        lines = [" ".join(line.split()) for line in "".join(self._pieces).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(line if line != "-" else "" for line in lines)).strip()


@cache
def _config() -> ConfigParser:
    """The configuration of trafilatura, except that short texts are extracted too."""
    from trafilatura.settings import use_config

    config = use_config()
    config.set("DEFAULT", "MIN_EXTRACTED_SIZE", "1")
    return config
