"""Words that a hyphen divides at the ends of the lines of a plain text."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgbatch.readers.hyphens import join_lines
from qgbatch.readers.reading import read_document, read_documents
from qgbatch.records import Document
from qgbatch.settings import FileSettings

DIVIDED = "The govern-\nment met in May. The meet-\ning was long."
JOINED = "The government met in May. The meeting was long."


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("the govern\u2010\nment", "the government"),
        ("the govern-\n\n\fment", "the government"),
        ("the \u201cgovern-\nment\u201d of", "the \u201cgovernment\u201d of"),
        ("a well-\nknown man", "a well-known man"),
        ("a light-house, a light-\nhouse", "a light-house, a light-house"),
        ("a light\u2010house, a light\u2010\nhouse", "a light\u2010house, a light\u2010house"),
        ("a lighthouse or light-house, a light-\nhouse", "a lighthouse or light-house, a lighthouse"),
        ("both pre-\nand post-war", "both pre- and post-war"),
        ("two-\nor three-storey", "two- or three-storey"),
    ],
)
def test_divided_words_are_joined_and_real_hyphens_stay(text: str, joined: str) -> None:
    in_print = f"\n{DIVIDED}\nIt was a long meet-\ning of all."  # a text that divides words
    assert join_lines(text + in_print).startswith(joined)


def test_a_hyphen_stays_in_a_text_that_does_not_divide_words() -> None:
    assert join_lines("a heavily-\n  commented script") == "a heavily-commented script"
    divided = "a heavily-\ncommented script\nand a write-\nprotected file\n"
    assert join_lines(divided + "of lines\n" * 200).startswith(
        "a heavily-commented script\nand a write-protected"
    )
    assert join_lines(divided + "of lines\n" * 20).startswith(
        "a heavilycommented script\nand a writeprotected"
    )


@pytest.mark.parametrize(
    "text",
    [
        "both pre- and post-war",
        "a list:\n-\nof tea",
        "He stopped -\nbut why?",
        "He stopped--\nbut why?",
        "He stopped\u2014\nbut why?",
        "the Franco-\nPrussian war",
        "a govern-\n\nment",
        "a govern-\n  - ment",
        "ann@old-\nmill.example",
        "old-\nmill.example",
        "ann-\nlee@mill.example",
        "www.example/the-\nmill",
        "run it with --dry-\nrun",
        "some_name-\nsize = 5",
        "no-\nsize(5)",
        "from 1914-\nand on",
        "a" * 100 + "-\nment",
    ],
)
def test_other_hyphens_at_line_ends_stay(text: str) -> None:
    assert join_lines(text) == text


def test_text_files_and_rows_of_tables_are_joined(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(DIVIDED.replace("\n", "\r\n"), encoding="utf-8")
    assert read_document(str(tmp_path / "a.txt")).text == JOINED
    (tmp_path / "a.csv").write_text(f'text\n"{DIVIDED}"\n', encoding="utf-8")
    [(row, _)] = read_documents(str(tmp_path / "a.csv"), FileSettings())
    assert isinstance(row, Document)
    assert row.text == JOINED
