"""HTML to text: the main text of a page, or all of its text if the main text lacks much of it."""

from __future__ import annotations

import codecs
import logging
import re
from collections import Counter
from collections.abc import Mapping
from configparser import ConfigParser
from contextlib import suppress
from functools import cache

from qgbatch.readers.html_cleaning import cleaned
from qgbatch.readers.html_elements import INLINE
from qgbatch.readers.omissions import Omissions

_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([\w.:-]{1,40})""", re.ASCII | re.IGNORECASE)
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
_MAX_MISSING = 0.05
"""The share of the text that the main text may lack; if it lacks more, its extraction has failed."""
_BEFORE = {"br": "\n", "li": "\n\n- "}


def declared_encoding(data: bytes, header: str = "") -> str | None:
    """The encoding that a page declares, as browsers take it, or ``None`` if none is known.

    Args:
        data: The page, or another text.
        header: The header ``Content-Type``, if that is to declare the encoding and not the page.
    """
    found = _CHARSET.search(header.encode("ascii", "replace") if header else data[:2048])
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


def main_text(html: str, omissions: Omissions) -> str:
    """The text of a page without navigation, or all visible text if there is no other.

    Hidden text, tables of data, preformatted text and footnote marks are omitted; powers become ``2^8``.
    """
    page, counts = cleaned(html, keeps_navigation=False)
    text = _text(page)
    if not text:
        return visible_text(html, omissions)
    main = _extracted(page)
    missing = Counter(text.split()) - Counter(main.split())
    if not _is_whole(main, text, missing):
        main = text
    elif missing:
        counts["words_outside_main_text"] = missing.total()
    omissions.counts.update(counts)
    return main


def visible_text(html: str, omissions: Omissions, *, keeps_navigation: bool = True) -> str:
    """The text of a page that a browser shows, except tables of data, preformatted text and note marks.

    Blocks are separated by blank lines.
    """
    page, counts = cleaned(html, keeps_navigation=keeps_navigation)
    omissions.counts.update(counts)
    return _text(page)


def _extracted(page: str) -> str:
    """The main text in the judgment of trafilatura; empty if it finds none."""
    if page.count("<") > _MAX_TAGS:
        return ""
    import trafilatura

    # Its warnings are about the page's HTML, which the user cannot change.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    main = trafilatura.extract(page, include_comments=False, fast=True, config=_config())
    return "\n\n".join((main or "").split("\n"))


def _is_whole(main: str, text: str, missing: Counter[str]) -> bool:
    """Whether the main text has nearly all words of the text, and no paragraph that is split at a link."""
    n_chars = sum(n * (len(word) + 1) for word, n in missing.items())
    return n_chars <= _MAX_MISSING * len(text) and main.count("\n") <= text.count("\n")


def _text(page: str) -> str:
    from lxml import etree

    text = _Text()
    parser = etree.HTMLParser(target=text, huge_tree=True, recover=True)
    with suppress(etree.ParserError, etree.XMLSyntaxError):  # an empty page
        parser.feed(page)
        parser.close()
    return text.close()


class _Text:
    """Collects text from the events of the parser, so that no tree is built."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._pieces.append(_BEFORE.get(tag, "" if tag in INLINE else "\n\n"))

    def end(self, tag: str) -> None:
        """An element ends."""
        if tag not in INLINE:
            self._pieces.append("\n\n")

    def data(self, data: str) -> None:
        """Text inside the current element."""
        self._pieces.append(data)

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
