"""Word documents -> text: the paragraphs of the body."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers.archive import damaged, open_archive

_ENCRYPTED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Word wraps what has a password into the container of its old format."""
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_LEFT_OUT = {f"{_WORD}{name}" for name in ("tbl", "del", "moveFrom", "pPr", "rPr", "sectPr")} | {
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # the same text once more
}
_BREAKS = {f"{_WORD}tab": " ", f"{_WORD}br": "\n", f"{_WORD}cr": "\n", f"{_WORD}noBreakHyphen": "-"}


def extract_text(data: bytes, source: str) -> str:
    """The paragraphs of the body, also those in text boxes, apart by blank lines.

    Tables, headers, footers, notes, and what tracked changes took out are left out.

    Raises:
        DocumentError: it is no Word document, is encrypted, damaged or too large.
    """
    if data.startswith(_ENCRYPTED):
        raise DocumentError(
            f"{source}: has a password, or is in Word's format before 2007.",
            "Save it as .docx without one.",
        )
    with open_archive(data, source):
        import docx

        try:
            body = docx.Document(BytesIO(data)).element.body
        except Exception as error:  # python-docx has no error of its own for most that may be wrong
            raise damaged(source, error) from error
        paragraphs = "".join(_pieces(body)).split("\n\n")
    return "\n\n".join(filter(None, map(_tidy, paragraphs)))


def _pieces(body: Any) -> Iterator[str]:
    """The text below an element in order, a blank line around each paragraph."""
    waiting: list[Any] = [body]
    while waiting:
        element = waiting.pop()
        if isinstance(element, str):
            yield element
        elif element.tag == f"{_WORD}t":
            yield element.text or ""
        elif element.tag in _BREAKS:
            yield _BREAKS[element.tag]
        elif element.tag not in _LEFT_OUT:
            is_paragraph = element.tag == f"{_WORD}p"
            if is_paragraph:
                yield "\n\n"
                waiting.append("\n\n")
            waiting.extend(reversed(element))


def _tidy(paragraph: str) -> str:
    lines = (" ".join(line.split()) for line in paragraph.split("\n"))
    return "\n".join(line for line in lines if line)
