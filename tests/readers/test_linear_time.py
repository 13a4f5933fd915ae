"""Texts of one character or piece of markup, again and again: readers take steps in proportion."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from html import escape
from pathlib import Path

import pytest

from qgbatch.readers import pdf
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.reading import read_documents
from qgbatch.settings import FileSettings
from tests.support.documents import make_epub, make_placed_pdf
from tests.support.steps import CHARACTERS, MARKUP, assert_calls_are_in_proportion, repeated
from tests.support.word import make_word, paragraph, run

BLANKS_AND_WORDS = [unit for unit in CHARACTERS if unit not in string.punctuation]

WRITE: dict[str, Callable[[str], str | bytes]] = {
    "txt": str,
    "md": str,
    "rst": str,
    "html": str,
    "csv": lambda text: f"text\n{text}\n",
    "tsv": lambda text: f"text\n{text}\n",
    "jsonl": lambda text: json.dumps({"text": text}),
    "docx": lambda text: make_word(paragraph(run(escape(text.translate({0xB: " ", 0xC: " "}))))),
    "epub": lambda text: make_epub({"a.xhtml": f"<html><body><p>{escape(text)}</p></body></html>"}),
}


def write(path: Path, unit: str, n_chars: int) -> str:
    content = WRITE[path.suffix[1:]](repeated(unit, n_chars))
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


# A regular expression or a copy in quadratic time takes minutes for this size.
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("suffix", "n_chars", "units"),
    [
        ("txt", 1_000_000, CHARACTERS + MARKUP),
        ("rst", 250_000, CHARACTERS + MARKUP),
        ("jsonl", 500_000, CHARACTERS + MARKUP),
        ("csv", 100_000, CHARACTERS + MARKUP),
        ("tsv", 100_000, CHARACTERS + MARKUP),
        ("docx", 100_000, CHARACTERS),
        ("epub", 250_000, CHARACTERS),
        ("html", 250_000, CHARACTERS + MARKUP),
        ("md", 500_000, BLANKS_AND_WORDS),
    ],
)
def test_a_long_text_of_one_unit_is_read_or_refused(
    suffix: str, n_chars: int, units: list[str], tmp_path: Path
) -> None:
    for unit in units:
        path = write(tmp_path / f"a.{suffix}", unit, n_chars)
        assert list(read_documents(path, FileSettings()))


@pytest.mark.parametrize("suffix", WRITE)
def test_calls_are_in_proportion_to_the_size_of_a_file(suffix: str, tmp_path: Path) -> None:
    def read(text: str) -> None:
        assert list(read_documents(paths[text], FileSettings()))

    for unit in CHARACTERS + MARKUP:
        paths = {repeated(unit, n): write(tmp_path / f"{n}.{suffix}", unit, n) for n in (2_000, 4_000)}
        assert_calls_are_in_proportion(read, unit, 2_000)


def test_calls_are_in_proportion_to_the_size_of_a_page_of_a_pdf() -> None:
    def read(text: str) -> None:
        pdf.read_pages(data[text], "a.pdf", Omissions("a.pdf"))

    for unit in CHARACTERS + MARKUP:
        texts = [repeated(unit, n) for n in (2_000, 4_000)]
        data = {text: make_placed_pdf([[(40, 770, text)]]) for text in texts}
        assert_calls_are_in_proportion(read, unit, 2_000)
