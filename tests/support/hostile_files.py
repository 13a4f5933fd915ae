"""Hostile files by the reason they are refused for, and odd ones that are good text."""

from __future__ import annotations

import codecs
import gzip
import random
from collections.abc import Iterator

GOOD = "Bees live in hives. They make honey from the nectar of flowers."
TEXT = GOOD.encode()

BROKEN_UTF8: dict[str, list[bytes]] = {
    "continuation": [bytes([byte]) for byte in range(0x80, 0xC0)],
    "overlong-2": [bytes([lead, tail]) for lead in (0xC0, 0xC1) for tail in (0x80, 0xAF, 0xBF)],
    "overlong-3": [b"\xe0\x80\x80", b"\xe0\x80\xaf", b"\xe0\x9f\xbf"],
    "overlong-4": [b"\xf0\x80\x80\x80", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf"],
    "surrogate": [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf"],
    "surrogate-pair": [b"\xed\xa0\xbd\xed\xb8\x80"],
    "cut-2": [b"\xc2", b"\xc3", b"\xdf"],
    "cut-3": [b"\xe0", b"\xe2", b"\xef", b"\xe0\xa0", b"\xe2\x82", b"\xef\xbf"],
    "cut-4": [b"\xf0", b"\xf4", b"\xf0\x9f", b"\xf4\x8f", b"\xf0\x9f\x98", b"\xf4\x8f\xbf"],
    "never": [b"\xfe", b"\xff", b"\xff\xff"],
    "above-10ffff": [b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf6\x80\x80\x80", b"\xf7\xbf\xbf\xbf"],
    "five-bytes": [b"\xf8\x88\x80\x80\x80", b"\xfb\xbf\xbf\xbf\xbf"],
    "six-bytes": [b"\xfc\x84\x80\x80\x80\x80", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
}
"""Byte sequences that are no UTF-8, each to its last byte or what follows it, by class."""

ODD_TEXT = {
    "arabic": "تعيش النحل في الخلايا. يصنع العسل من رحيق الأزهار.",
    "bidi": "\u202eBees live\u202c in \u2067hives\u2069. \u200fThey make\u200e honey.",
    "bidi-unclosed": "\u202e\u2066\u2067\u2068Bees live in hives. They make honey.",
    "bom-inside": "Bees live\ufeff in hives. They make honey.",
    "bells": "Bees\a live\x1b[31m in\x7f hives. They make honey.\x1a",
    "combining": "e\u0301\u0302\u0303 " + "Z" + "\u0335\u0322\u0348" * 300 + " Bees live in hives.",
    "combining-first": "\u0301\u0302Bees live in hives.",
    "combining-alone": "\u0301" * 100,
    "emoji": "Bees 🐝 live in hives 👩‍👩‍👧‍👦🏴‍☠️. They make 🍯.",
    "full-stops": "." * 1_000,
    "han": "蜜蜂住在蜂巢里。它们用花蜜酿蜜。",
    "ligature": "\ufdfa" * 40,
    "line-ends": "Bees live\r\nin hives.\rThey make\u2028honey\u2029from\x85nectar.\x0b\x0c",
    "long-word": "a" * 2_000,
    "noncharacters": "Bees \ufffe\uffff\U0001fffe live in hives.",
    "one-letter": "a",
    "private": "\ue000\U000f0000\U00100000 Bees live in hives.",
    "replacement": "Bees \ufffd\ufffd live in hives.",
    "separator-words": "Bees <sep> live </s> in <pad> hives. <extra_id_0> They make <unk> honey.",
    "tags": "Bees\U000e0041\U000e0042 live in hives.",
    "wide-spaces": "\u3000Bees\u2003live\u00a0in\u205fhives.\u3000",
    "zero-width": "Be\u200bes li\u200dve in\u2060 hi\u00adves.",
    "zero-width-alone": "\u200b\u200c\u200d",
}
"""Text that is unusual, but text."""
UNKNOWN_SCRIPTS = ("arabic", "han", "ligature")
"""The names of those texts whose script an English model cannot read."""


BLANKS = ["", " ", "\n\n", "\t\r\n", "\u00a0\u3000", "\u2028\x85\x0c", "\x1c\x1d\x1e\x1f"]
MARKS = [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE]
WITHOUT_MARK = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-32"]


def bad_files() -> Iterator[tuple[str, str, bytes, str]]:
    """Kind, suffix, content and a part of the reason."""
    for kind, sequences in BROKEN_UTF8.items():
        for number, sequence in enumerate(sequences):
            before = "Größe: ".encode() * (number % 3)
            reason = f"not valid utf-8 (byte {len(before)})"
            yield f"utf8-{kind}", "txt", before + sequence + b" Bees live in hives.", reason
            yield f"utf8-{kind}", "md", before + sequence, reason  # at the end
    for blank in BLANKS:
        reason = "white space" if blank else "is empty"
        yield "blank", "txt", blank.encode(), reason
        yield "blank", "txt.gz", gzip.compress(blank.encode()), reason
    for mark in MARKS:
        yield "mark", "txt", mark, "is empty"
    for encoding in WITHOUT_MARK:
        yield "utf16", "txt", GOOD.encode(encoding), "binary (a NUL"
    yield "utf16", "txt", GOOD.encode("utf-16")[:-1], "not valid utf-16 (byte"
    yield "utf16", "txt", codecs.BOM_UTF16_LE + b"\x3d\xd8B\0", "not valid utf-16 (byte"
    for offset in (0, 1, len(TEXT)):
        content = TEXT[:offset] + b"\0" + TEXT[offset:]
        yield "nul", "txt", content, f"a NUL character at offset {offset}"
        yield "nul", "md.gz", gzip.compress(content), f"a NUL character at offset {offset}"
    yield "binary", "txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not valid utf-8 (byte 0)"
    yield "binary", "md", b"\x7fELF\x02\x01\x01" + bytes(9), "a NUL character at offset 7"
    yield "binary", "txt", b"PK\x03\x04\x14\0\0\0", "is a zip archive"
    for seed in range(8):
        noise = b"\xff\xff" + random.Random(seed).randbytes(4_000)
        yield "binary", "txt", noise, "not valid utf-8 (byte 0)"
        yield "binary", "md.gz", gzip.compress(noise), "not valid utf-8 (byte 0)"
    packed = gzip.compress(TEXT, mtime=0)
    for length in range(1, len(packed), 4):
        yield "gzip-cut", "txt.gz", packed[:length], "gzip file is damaged"
    for content in (packed[:-8] + bytes(8), packed + b"behind", packed + packed[:-1], TEXT):
        yield "gzip", "txt.gz", content, "gzip file is damaged"
    yield "gzip", "txt.gz", gzip.compress(packed), "is compressed with gzip"
