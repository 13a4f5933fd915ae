"""The prose of Markdown, reStructuredText and HTML."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from qgbatch.errors import DocumentError
from qgbatch.readers import content, html, html_text, markdown, rst
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.reading import read_document, read_documents
from qgbatch.records import Document
from qgbatch.settings import FileSettings
from tests.support.steps import assert_calls_are_in_proportion

NAVIGATION = "<nav><a href=/>Home</a> <a href=/about>About us</a></nav>"
PARAGRAPHS = [
    "The ferry to the island leaves at noon on every day of the week, and it takes forty minutes to cross.",
    "It carries tea, flour and letters, and in summer some two hundred visitors who stay for the day.",
    "In winter storms it stays in the harbour, and the islanders live on what they have put by in autumn.",
]


def main_text(page: str) -> str:
    return html.main_text(page, Omissions("a.html"))


def visible_text(page: str) -> str:
    return html_text.page_text(page, keeps_navigation=True)[0]


def markdown_text(source: str) -> str:
    return markdown.plain_text(source, Omissions("a.md"))


def rst_text(source: str) -> str:
    return rst.plain_text(source, Omissions("a.rst"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("# Tea\nIt is *hot* and __strong__.", "Tea\n\nIt is hot and strong."),
        ("Tea\n===\n\nHot.\n\nAnd\nmild.", "Tea\n\nHot.\n\nAnd mild."),
        ("See [the *map*](http://x.org 'y') and <http://x.org>.", "See the map and http://x.org."),
        ("See [the map][m].\n\n[m]: http://x.org", "See the map."),
        ("Call `run` now.", "Call run now."),
        ("Before.\n\n```py\nx = 1\n```\n\n    y = 2\n\nAfter.", "Before.\n\nAfter."),
        ("Before.\n\n|a|b|\n|-|-|\n|1|2|\n\nAfter.", "Before.\n\nAfter."),
        ("- One\n  line.\n- Two.\n\n  More.", "- One line.\n\n- Two.\n\nMore."),
        ("3. One.\n4. Two.", "3. One.\n\n4. Two."),
        ("> Said so.", "Said so."),
        ("![a cat](cat.png) A cat.", "A cat."),
        ("One  \ntwo<br>three\\\nfour", "One\ntwo\nthree\nfour"),
        ("<div>\nShown\n</div>\n\nShown &amp; <b>bold</b> \\* 1.", "Shown\n\nShown & bold * 1."),
        ("---\ntitle: T\n---\n\nText.", "Text."),
        ("---\n\nText.\n\n---\n\nMore.", "Text.\n\nMore."),
    ],
)
def test_markdown_is_read_without_markup_code_and_tables(source: str, text: str) -> None:
    assert markdown_text(source) == text


def test_long_markdown_is_parsed_in_parts_that_do_not_cut_code(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "A *b* c.\n\n" * 20 + "```\n" + "x\n\n" * 15 + "```\n\nEnd.\n" + "word " * 30
    whole = markdown_text(source)
    monkeypatch.setattr(markdown, "_PART_CHARS", 40)
    assert " ".join(markdown_text(source).split()) == " ".join(whole.split())


RST = """\
=====
Title
=====

:Author: Me

A ``b`` *c* **d** `e <http://x>`_ :ref:`f <g>` h_ [1]_ snake_case.

Section
-------
Code follows::

    x = 1

    y = 2

.. note:: Kept
   this.

.. code-block:: python
   :linenos:

   z = 3

.. _target: http://x

+---+---+
| a | b |
+---+---+

- item
"""


def test_rst_is_read_without_underlines_directives_and_literal_blocks() -> None:
    text = "Title\n\nA b c d e f h snake_case.\n\nSection\n\nCode follows:\n\nKept\nthis.\n\n- item"
    assert rst_text(RST) == text


def test_the_main_text_of_a_page_is_read_without_navigation_and_footer() -> None:
    body = "".join(f"<p>{p}</p>" for p in PARAGRAPHS)
    page = f"<html><head><title>T</title></head><body>{NAVIGATION}"
    page += f"<article><h1>Ferry</h1>{body}<pre>x = 1</pre></article>"
    page += "<footer>Imprint</footer><script>alert(1)</script>"
    assert main_text(page) == "\n\n".join(["Ferry", *PARAGRAPHS])


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>One <b>bold</b>\nword.<br>Two.</p>Three", "One bold word.\nTwo.\n\nThree"),
        ("<ul><li>One.<li>Two.</ul>", "- One.\n\n- Two."),
        ("<table><tr><td>a<table><tr><td>b</table></table>After.<pre>x</pre>", "a\n\nAfter."),
        ("<title>T</title><style>p{}</style><script>x</script><!-- c --><p>a &lt; b", "a < b"),
        ('<?xml version="1.0" encoding="ascii"?><html xmlns="x"><p>Käse</p></html>', "Käse"),
        ("<b>" * 3000 + "deep", "deep"),
        ("<p>" + "word " * 2_100_000, ("word " * 2_100_000).strip()),
        (f"<title>T</title>{NAVIGATION}", "Home About us"),
        ("<!-- -->", ""),
        ("", ""),
    ],
    ids=["inline", "list", "table", "unseen", "xhtml", "deep", "long", "no body", "nothing", "empty"],
)
def test_all_visible_text_of_a_page_is_read(page: str, text: str) -> None:
    assert visible_text(page) == text


@pytest.mark.parametrize("character", " \n\xa0<&[_")
def test_a_megabyte_of_one_character_is_read(character: str) -> None:
    main_text(character * 1_000_000)  # a regular expression in quadratic time would take hours


@pytest.mark.parametrize(
    "tags", ["<p>", "<b>a", "<sup>[<a>1", "<a><sup>1", "<table><td>a", "<ul><li>", "<div class=nav>"]
)
def test_the_steps_for_repeated_tags_are_in_proportion_to_their_number(tags: str) -> None:
    assert_calls_are_in_proportion(visible_text, tags, 2000 * len(tags))


def test_a_page_without_main_text_gives_all_of_it() -> None:
    assert main_text(NAVIGATION) == "Home About us"
    many = "<p>Tea is hot.</p>" * 60_000  # too many tags to look for the main text in
    assert main_text(many).count("Tea is hot.") == 60_000


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "iso-8859-1"),
        ('<meta content="text/html; charset=cp1252">', "cp1252"),
        ('<meta charset="no-such"><meta>', "utf-8"),
        ('<meta charset="base64">', "utf-8"),
    ],
)
def test_a_page_is_decoded_as_it_declares(head: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(f"{head}<p>Käse".encode(encoding))
    assert read_document(str(tmp_path / "a.html")).text == "Käse"


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("iso-8859-1", "cp1252", "The keepers\u2019 log \u2013 it cost \u20ac5."),
        ("us-ascii", "cp1252", "K\u00e4se \u2026"),
        ("iso-8859-9", "cp1254", "\u201c\u015eah\u201d"),
        ("tis-620", "cp874", "\u0e01 \u2026"),
        ("gb2312", "gb18030", "\u9555\u20ac"),
        ("shift_jis", "cp932", "\u2460\u9ad9"),
        ("euc-kr", "cp949", "\ub620"),
        ("Windows-31J", "cp932", "\u2460"),
        ("iso-8859-1", "iso-8859-1", "K\u00e4se\u0081"),  # a byte that Windows-1252 lacks
    ],
)
def test_old_names_of_encodings_mean_what_they_mean_in_browsers(
    declared: str, encoding: str, text: str
) -> None:
    page = f'<meta charset="{declared}"><p>'.encode() + text.encode(encoding)
    assert content.decode(page, "a.html", [html.declared_encoding(page) or ""]).endswith(f"<p>{text}")


@pytest.mark.parametrize("suffix", ["md", "rst", "html", "htm"])
def test_markup_may_be_gzipped_and_its_size_is_limited(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{suffix}.gz"
    path.write_bytes(gzip.compress(b"Tea is hot."))
    assert read_document(str(path)).text == "Tea is hot."
    monkeypatch.setattr(content, "MAX_MARKUP_BYTES", 10)
    with pytest.raises(DocumentError, match="larger than"):
        read_document(str(path))


@pytest.mark.parametrize("source", ["```\ncode\n```", "<div></div>"])
def test_markup_without_prose_is_refused(source: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(source)
    with pytest.raises(DocumentError, match=r"a\.md: no text was found in it"):
        read_document(str(tmp_path / "a.md"))


def test_line_breaks_inside_an_html_paragraph_do_not_split_it() -> None:
    wrapped = (
        "<p>" + "The ferry, which <code>runs</code> in\nsummer, takes\nan hour to cross. " * 6 + "</p>"
    )
    text = main_text(f"<html><body><article><h1>Ferry</h1>{wrapped}</article></body></html>")
    assert text.split("\n\n")[1].startswith("The ferry, which runs in summer, takes an hour")


SUPERSCRIPTS = "Of 2<sup>8</sup> values, from -(2<sup>n - 1</sup>) on, in the 20<sup>th</sup> century."
READ = "Of 2^8 values, from -(2^n - 1) on, in the 20th century."


def test_a_superscript_is_marked_with_a_caret() -> None:
    assert markdown_text(SUPERSCRIPTS) == READ
    assert main_text(f"<p>{SUPERSCRIPTS}</p>") == READ


def test_footnote_marks_are_omitted() -> None:
    page = '<p>It fell in 1809<sup id="r"><a href="#n">[3]</a></sup>.</p>'
    assert main_text(page) == "It fell in 1809."


@pytest.mark.parametrize(
    "mark",
    [
        '<sup class="reference"><a href="#n"><span>&#91;</span>1<span>&#93;</span></a></sup>',
        '<sup class="noprint">[<i><a href="/x"><span>citation needed</span></a></i>]</sup>',
        '<a href="#n"><sup>4</sup></a>',
        '<a href="https://example.org/page#n">[note 2]</a>',
        '<a role="doc-noteref" href="#n">1</a>',
        '<a class="footnote-reference brackets" href="#n">1</a>',
        "<sup>[12]</sup>",
        "<sup>\u2020</sup>",
        '<span class="mw-editsection">[<a href="/e">edit</a>]</span>',
        '<a class="headerlink" href="#h">\u00b6</a>',
        '<a href="#ref">\u21a9</a>',
    ],
)
def test_note_marks_and_edit_links_are_omitted(mark: str) -> None:
    assert main_text(f"<p>It fell in 1809{mark} and rose.</p>") == "It fell in 1809 and rose."


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("It fell in 1815<sup>1</sup> again.", "It fell in 1815^1 again."),
        ("It fell.<sup>1, 2</sup> Then", "It fell. Then"),
        ("Na<sup>+</sup> of <sup>14</sup>C", "Na^+ of ^14C"),
        ("m<sup> <b>2</b></sup> and H<sub>2</sub>O", "m^2 and H2O"),
        ('See <a href="#s">3</a> and <a href="/n">[4]</a>', "See 3 and [4]"),
    ],
)
def test_what_looks_like_a_note_mark_but_is_none_stays(page: str, text: str) -> None:
    assert main_text(f"<p>{page}") == text


@pytest.mark.parametrize(
    "attribute",
    ["hidden", 'style="color:red; DISPLAY : none"', 'style="visibility:hidden"', 'class="sr-only"'],
)
def test_hidden_text_is_omitted(attribute: str) -> None:
    page = f"<p>Seen.</p><div {attribute}>No <div>never</div> no</div><p>Also seen.</p>"
    assert main_text(page) == "Seen.\n\nAlso seen."


@pytest.mark.parametrize(
    "attribute", ['class="hidden md:block"', 'hidden="until-found"', 'style="margin:0"']
)
def test_text_that_is_hidden_at_times_is_read(attribute: str) -> None:
    assert main_text(f"<p>Seen.</p><p {attribute}>Also seen.</p>") == "Seen.\n\nAlso seen."


BODY = "".join(f"<p>{p}</p>" for p in PARAGRAPHS)


@pytest.mark.parametrize(
    "part",
    [
        "<ul><li>to light the lamp at dusk</ul>",
        "<section><h2>Duties</h2><div>The lamp is lit at dusk.</div></section>",
        "<dl><dt>Duty</dt><dd>The lamp is lit at dusk.</dd></dl>",
        "<details><summary>Who lit it?</summary>The keeper lit the lamp at dusk.</details>",
        "<table><tr><td>The keeper lit the lamp at dusk on every day.<td>A boat came weekly.</table>",
        "<table role=presentation><tr><td>The lamp is lit.</table>",
        "<table><tr><td><h2>Duties</h2><ul><li>to light it</ul></table>",
        '<div class="sidebar">The lamp is lit at dusk.</div>',
        '<section id="menu">The menu of the keeper was short.</section>',
        '<div class="with-sidebar">The lamp is lit at dusk.</div>',
    ],
)
def test_no_part_of_the_text_is_lost(part: str) -> None:
    page = f"<html><head><title>T</title></head><body>{NAVIGATION}{BODY}{part}{BODY}</body></html>"
    for word in visible_text(part).split():
        assert word in main_text(page).split()


@pytest.mark.parametrize(
    "part",
    [
        '<div class="main-menu"><a href="/">Home</a> | <a href="/a">About us</a></div>',
        '<div role="navigation"><a href="/">Home</a></div>',
        '<div id="page-footer">Imprint</div>',
        '<div class="cookie-banner"><p>We use cookies.</p><button>Accept</button></div>',
        '<ul><li><a href="/">Home</a><li><a href="/b">News</a><li><a href="/c">About us</a></ul>',
        "<table><tr><td>1815<td>18<tr><td>1816<td>20</table>",
        "<table><tr><th>Year<th>Notes<tr><td>1815<td>A ship sank.<tr><td>1816<td>Two ships sank.</table>",
    ],
)
def test_navigation_notices_and_data_stay_out_when_all_the_text_is_read(part: str) -> None:
    lists = "<ul><li>to light the lamp<li>to keep the lens clean of soot and salt</ul>"
    page = f"<html><body>{part}{BODY}<div>{lists}</div></body></html>"
    assert main_text(page) == "\n\n".join(
        [*PARAGRAPHS, "- to light the lamp", "- to keep the lens clean of soot and salt"]
    )


def test_the_menu_in_a_table_for_the_layout_stays_out() -> None:
    menu = '<a href="/">Home</a> <a href="/b">News</a> <a href="/c">Contact</a>'
    assert main_text(f"<table><tr><td>{menu}<td>{BODY}</table>") == "\n\n".join(PARAGRAPHS)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (".. [1] Tea is hot.", "Tea is hot."),
        (".. rubric:: Tea\n\nHot.", "Tea\n\nHot."),
        (".. figure:: a.png\n   :alt: b\n\n   A cup.", "A cup."),
        (".. py:function:: brew(x)\n\n   Makes tea.", "Makes tea."),
        (".. image:: a.png\n\n   hidden", ""),
    ],
)
def test_directives_with_prose_keep_it(source: str, text: str) -> None:
    assert rst_text(source) == text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", "The light\u00adhouse is for\u00ad\nty feet high."),
        ("a.md", "The light&shy;house is for\u00ad\nty feet high."),
        ("a.html", "<p>The light&shy;house is for\u00adty feet high."),
        ("a.jsonl", '{"text": "The light\u00adhouse is for\u00ad\\nty feet high."}'),
    ],
)
def test_soft_hyphens_are_removed(name: str, data: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(data, encoding="utf-8")
    [(document, _)] = read_documents(str(tmp_path / name), FileSettings())
    assert isinstance(document, Document)
    assert document.text == "The lighthouse is forty feet high."
