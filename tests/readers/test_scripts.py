"""Raised and lowered text: no reader glues it to the number before or after it."""

from __future__ import annotations

import re
from html import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qgbatch.readers import epub, html, markdown, pdf, rst
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.scripts import resolve_marks
from tests.support.documents import Placed, make_epub, make_placed_pdf
from tests.support.word import paragraph, run, text_of

Piece = tuple[str, str]
"""A kind of text in a line, and the text: ``base``, ``sup``, ``sub`` or ``note``, which is a note mark."""

numbers = st.integers(0, 2000).map(str)
bases = st.one_of(numbers, st.sampled_from(["H", "in 1815", "km", "10.", '"19"', "7,", "(8)", "x"]))
raised = st.one_of(numbers, st.sampled_from(["-1", "n", "st", "12, 13", "+", "2n", "*"]))
formulas = st.lists(
    st.one_of(
        st.tuples(st.just("base"), bases),
        st.tuples(st.sampled_from(["sup", "sub"]), raised),
        st.tuples(st.just("note"), st.integers(1, 99).map(str)),
    ),
    min_size=2,
    max_size=6,
)


def shown_numbers(pieces: list[Piece]) -> list[str]:
    """The runs of digits that a reader of the document sees, those of note marks included."""
    shown, last = "", ""
    for kind, text in pieces:
        shown += ("" if kind == last != "note" else " ") + text
        last = kind
    return re.findall("[0-9]+", shown)


def assert_no_digits_are_glued(text: str, pieces: list[Piece]) -> None:
    left = shown_numbers(pieces)
    for number in re.findall("[0-9]+", text):
        while left and number not in left[0]:
            del left[0]
        assert left, text
        left[0] = left[0].partition(number)[2]


TAGS = ["{}", "<b>{}</b>", "<a href='/x'>{}</a>", "<span> {} </span>"]
NOTES = [
    "<sup class=reference><a href='#n'>[{}]</a></sup>",
    "<a href='#n'><sup>{}</sup></a>",
    "<a role=doc-noteref href='#n'>{}</a>",
    "<sup>[{}]</sup>",
]
tags = st.tuples(st.sampled_from(TAGS[:3]), st.sampled_from(TAGS), st.sampled_from(NOTES))


def marked_up(pieces: list[Piece], around: str, inside: str, note: str) -> str:
    forms = {"base": around}
    for tag in ("sup", "sub"):
        forms[tag] = around.format(f"<{tag}>{inside}</{tag}>")
    forms["note"] = note
    return "".join(forms[kind].format(escape(text, quote=False)) for kind, text in pieces)


@given(pieces=formulas, tags=tags)
def test_html_glues_no_digits(pieces: list[Piece], tags: tuple[str, str, str]) -> None:
    page = f"<p>{marked_up(pieces, *tags)}</p>"
    assert_no_digits_are_glued(html.main_text(page, Omissions("")), pieces)
    book = make_epub({"a.xhtml": f"<html><body>{page}</body></html>"})
    assert_no_digits_are_glued(epub.extract_text(book, "a.epub", Omissions("")), pieces)


@pytest.mark.parametrize("forms", [("<sup>{}</sup>", "<sub>{}</sub>"), ("^{}^", "~{}~")])
@given(pieces=formulas)
def test_markdown_glues_no_digits(forms: tuple[str, str], pieces: list[Piece]) -> None:
    form = {"base": "{}", "sup": forms[0], "sub": forms[1], "note": "[^{}]"}
    source = "A " + "".join(form[kind].format(text) for kind, text in pieces)
    assert_no_digits_are_glued(markdown.plain_text(source, Omissions("")), pieces)


@given(pieces=formulas)
def test_restructuredtext_glues_no_digits(pieces: list[Piece]) -> None:
    form = {"base": "{}", "sup": ":sup:`{}`", "sub": ":subscript:`{}`", "note": "[{}]_"}
    source = "A " + "\\ ".join(form[kind].format(text) for kind, text in pieces)
    assert_no_digits_are_glued(rst.plain_text(source, Omissions("")), pieces)


@pytest.mark.parametrize("property_", ['<w:vertAlign w:val="{}script"/>', '<w:position w:val="{}6"/>'])
@given(pieces=formulas)
def test_word_glues_no_digits(property_: str, pieces: list[Piece]) -> None:
    values = ("super", "sub") if "script" in property_ else ("", "-")
    form = dict(zip(("sup", "sub"), map(property_.format, values), strict=True))
    reference = '<w:r><w:footnoteReference w:id="7"/></w:r>'
    runs = (reference if kind == "note" else run(text, form.get(kind, "")) for kind, text in pieces)
    assert_no_digits_are_glued(text_of(paragraph(*runs)), pieces)


@given(pieces=formulas)
@example(pieces=[("base", "0"), ("sup", "1"), ("base", "0")])  # PDFium ends a word before the exponent
def test_pdf_glues_no_digits(pieces: list[Piece]) -> None:
    rises = {"base": 0, "sup": 4, "sub": -2}
    pieces = [("sup" if kind == "note" else kind, text) for kind, text in pieces]  # which look alike
    left, placed = 40.0, list[Placed]()
    for kind, text in [("base", "about "), *pieces]:
        size = 10 if kind == "base" else 6
        placed.append((left, 770 + rises[kind], text, size))
        left += sum(0.278 if char in " .,;" else 0.556 for char in text) * size
    data = make_placed_pdf([placed])
    assert_no_digits_are_glued(pdf.read_pages(data, "a.pdf", Omissions(""))[0], pieces)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("101<sub>2</sub> is 5", "101_2 is 5"),
        ("<a href=/x>10<b><sup>6</sup></b></a>5", "10^6 5"),
        ("1<sup>1</sup>/<sub>2</sub> or <sup>3</sup>&frasl;<sub>4</sub> cup", "1 1/2 or 3\u20444 cup"),
        ("the 1<sup>st</sup> and 2<sup>\u00e8me</sup>", "the 1st and 2\u00e8me"),
        ("<span>19</span><span>88</span> 19<script></script>88", "1988 1988"),
        ("1815<sup>[2]</sup>88 19<img>88", "1815 88 19 88"),
        ("x<sup>2</sup><sub>1</sub> Tea<sup>\u2122</sup>", "x^2_1 Tea\u2122"),
        ("10<pre>x</pre>20<nav>x</nav>30<table><tr><td>1<tr><td>2</table>40", "10\n\n20\n\n30\n\n40"),
        ("\x0110\x02 \x05 20\x05", "10 20"),
    ],
)
def test_a_page_shows_which_digits_are_one_number(page: str, text: str) -> None:
    assert html.main_text(f"<p>{page}", Omissions("")) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("2\\ :sup:`8` of 101\\ :sub:`2`\\ 5", "2^8 of 101_2 5"),
        ("in 1815\\ [1]_\\ 88", "in 1815 88"),
        ("10\\ |7|_", "10 7"),
        ("19\\ *88*", "1988"),
    ],
)
def test_restructuredtext_joins_what_an_escaped_space_joins(source: str, text: str) -> None:
    assert rst.plain_text(source, Omissions("")) == text


@pytest.mark.parametrize("mark", [*"\x01\x02\x03\x04\x05\x06", "\x01\x02", "1\x05", "\x021"])
def test_many_marks_are_resolved_in_linear_time(mark: str) -> None:
    resolve_marks(mark * 500_000)  # a regular expression in quadratic time would take hours
