"""HTML -> text: the main text of a page, else all that is visible."""

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
_MAX_TAGS = 100_000
"""Of a page whose main text is looked for, which takes some ten seconds for so many."""
_ENOUGH_CHARS = 250
"""Of main text, to believe that it is not a stray part of the page; trafilatura's own figure."""
_SPACE = re.compile(r"\s+")
_FOOTNOTE = re.compile(r"<sup\b[^<>]*>\s*(?:\[\s*)?<a\b[^<>]*>[^<>]*</a>(?:\s*\])?\s*</sup>", re.IGNORECASE)
_SUPERSCRIPT = re.compile(r"<sup\b[^<>]*>\s*(?=[^\s<])(?!(?:st|nd|rd|th|er|re|e|o|a)\s*<)", re.IGNORECASE)
_BEFORE = {"br": "\n", "li": "\n\n- "}
_LEFT_OUT = {
    "title", "script", "style", "template", "noscript", "svg", "math", "iframe", "object", "canvas",
    "audio", "video", "select", "textarea", "table", "pre",
}  # fmt: skip
_INSIDE_LINES = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
}  # fmt: skip


def declared_encoding(data: bytes) -> str | None:
    """The encoding that a page says it is in, if Python knows it."""
    found = _CHARSET.search(data[:2048])
    name = found[1].decode("ascii") if found else ""
    with suppress(LookupError, UnicodeError):
        b"x".decode(name)
        return codecs.lookup(name).name
    return None


def main_text(html: str) -> str:
    """The main text of a page without navigation and the like; all visible text where none is found.

    Tables, preformatted text and the marks of footnotes are left out; powers become 2^8.
    """
    html = _SUPERSCRIPT.sub("^", _FOOTNOTE.sub("", html))  # or 2<sup>8</sup> would read 28
    everything = visible_text(html)
    if html.count("<") <= _MAX_TAGS:
        import trafilatura

        # What it finds odd is no user's concern.
        logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
        main = trafilatura.extract(
            # On one line: it takes line ends inside paragraphs for the ends of paragraphs.
            _SPACE.sub(" ", _XML_DECLARATION.sub("", html, count=1)),
            include_comments=False,
            include_tables=False,
            prune_xpath="//pre",
            fast=True,
            config=_config(),
        )
        if main and (len(main) >= _ENOUGH_CHARS or 2 * len(main) >= len(everything)):
            return "\n\n".join(main.split("\n"))
    return everything


def visible_text(html: str) -> str:
    """All text of a page that a browser would show but tables and preformatted text; blocks apart."""
    from lxml import etree

    text = _VisibleText()
    parser = etree.HTMLParser(target=text, huge_tree=True, recover=True)
    with suppress(etree.ParserError, etree.XMLSyntaxError):  # nothing in it
        parser.feed(_XML_DECLARATION.sub("", html, count=1))
        parser.close()
    return text.close()


class _VisibleText:
    """What the parser tells what it meets, so that there is no tree."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._left_out: list[str] = []
        """The element that is left out and those of its name in it."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._left_out:
            self._left_out += [tag] * (tag == self._left_out[0])
        elif tag in _LEFT_OUT:
            self._left_out.append(tag)
        else:
            self._pieces.append(_BEFORE.get(tag, "" if tag in _INSIDE_LINES else "\n\n"))

    def end(self, tag: str) -> None:
        if self._left_out:
            if tag == self._left_out[0]:
                self._left_out.pop()
        elif tag not in _INSIDE_LINES:
            self._pieces.append("\n\n")

    def data(self, data: str) -> None:
        if not self._left_out:
            self._pieces.append(_SPACE.sub(" ", data))  # any white space is a space, as in a browser

    def close(self) -> str:
        lines = [" ".join(line.split()) for line in "".join(self._pieces).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(line if line != "-" else "" for line in lines)).strip()


@cache
def _config() -> ConfigParser:
    """Trafilatura's, but that short texts count too."""
    from trafilatura.settings import use_config

    config = use_config()
    config.set("DEFAULT", "MIN_EXTRACTED_SIZE", "1")
    return config
