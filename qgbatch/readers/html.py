"""HTML pages to text, and the encodings that they declare."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress

from qgbatch.readers.html_text import page_text
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
    """The text of a page without navigation, or all visible text if there is no other."""
    text, counts = page_text(html, keeps_navigation=False)
    if not text:
        text, counts = page_text(html, keeps_navigation=True)
    omissions.counts.update(counts)
    return text
