"""Word documents to text: the paragraphs of the body."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers.archive import damaged, open_archive, parse_xml

_OLD_FORMAT = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How files of Word before 2007 begin, and .docx files with a password."""
_WORD_NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",  # "Strict Open XML Document" when saving
)
_OMITTED = ("tbl", "del", "moveFrom", "pPr", "rPr", "sectPr")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
"""Repeats the text before it for older programs."""
_BREAKS = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def extract_text(data: bytes, source: str, _encodings: Sequence[str] = ()) -> str:
    """The paragraphs of the body, those in text boxes included, separated by blank lines.

    Tables, headers, footers, notes and text that tracked changes deleted are omitted.

    Raises:
        DocumentError: the file is not a Word document, is encrypted, damaged or too large.
    """
    if data.startswith(_OLD_FORMAT):
        raise DocumentError(
            f"{source}: has a password, or is in the format of Word before 2007.",
            "Save it as .docx without a password.",
        )
    with open_archive(data, source) as archive:
        root = parse_xml(archive.read(_main_part(archive, source)), source)
    word = next((f"{{{name}}}" for name in _WORD_NAMESPACES if root.tag.startswith(f"{{{name}}}")), "")
    body = root.find(f"{word}body") if word else None
    if body is None:
        raise damaged(source, "its main part is not a Word document")
    paragraphs = "".join(_pieces(body, word)).split("\n\n")
    return "\n\n".join(filter(None, map(_tidy, paragraphs)))


def _main_part(archive: zipfile.ZipFile, source: str) -> str:
    """The name of the member that holds the body."""
    relationships = parse_xml(archive.read("_rels/.rels"), source)
    for relationship in relationships.iter("{*}Relationship"):
        if str(relationship.get("Type")).endswith("/officeDocument"):
            return posixpath.normpath(str(relationship.get("Target")).lstrip("/"))
    raise damaged(source, "it has no main part")


def _pieces(body: Any, word: str) -> Iterator[str]:
    """The text in document order, with a blank line before and after each paragraph.

    Args:
        body: The element that holds the paragraphs.
        word: The namespace of Word's elements, in braces.
    """
    omitted = {_FALLBACK, *(word + name for name in _OMITTED)}
    breaks = {word + name: text for name, text in _BREAKS.items()}
    waiting: list[Any] = [body]
    while waiting:
        element = waiting.pop()
        if isinstance(element, str):
            yield element
        elif element.tag == f"{word}t":
            yield element.text or ""
        elif element.tag in breaks:
            yield breaks[element.tag]
        elif element.tag not in omitted:
            if element.tag == f"{word}p":
                yield "\n\n"
                waiting.append("\n\n")
            waiting.extend(reversed(element))


def _tidy(paragraph: str) -> str:
    lines = (" ".join(line.split()) for line in paragraph.split("\n"))
    return "\n".join(line for line in lines if line)
