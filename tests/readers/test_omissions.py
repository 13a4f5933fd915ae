"""What each reader leaves out of a document is counted by kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from qgbatch.readers.reading import read_document
from tests.support.documents import Placed, make_epub, make_placed_pdf
from tests.support.word import make_word, paragraph, run

PAGE = """<nav><a href="/">Home</a></nav><h1>Tea</h1><p>Tea is a hot drink. <img src="cup.png"> <svg/>
<math><mi>x</mi></math></p><table><tr><th>Sort<th>Grams</tr><tr><td>Assam<td>5</tr></table><pre>x = 1</pre>
<div class="cookie-banner">We use cookies.</div><select><option>One</select><iframe src="film"></iframe>
<p hidden>Not seen.</p><script>alert(1)</script><footer>Imprint</footer>"""
IN_PAGE = {
    "navigation_blocks": 3,
    "pictures": 2,
    "formulas": 1,
    "tables": 1,
    "code_blocks": 1,
    "form_fields": 1,
    "media_elements": 1,
}
MARKDOWN = """---
title: Tea
---
Tea is a hot drink. ![A cup](cup.png) <img src="leaf.png">

| Sort | Grams |
|---|---|
| Assam | 5 |

```
x = 1
```

    y = x * 2
    z = y

<pre>
z
</pre>
<script>alert(1)</script>
"""
RST = """Tea is a hot drink::

    x = 1

.. image:: cup.png
.. |leaf| image:: leaf.png
.. figure:: pot.png

   A pot.

.. code-block:: python

   z = 3

.. csv-table::

   a,b

.. math:: x^2

.. raw:: html

   <hr>

.. note:: It is hot.
.. _target: http://x
.. A comment.

+---+---+
| a | b |
+---+---+
"""
TABLE = (
    "<w:tbl>" + "<w:tr><w:tc>{0}</w:tc><w:tc>{0}</w:tc></w:tr>".format(paragraph(run("5"))) * 2 + "</w:tbl>"
)
PICTURE = '<w:r><w:drawing><pic:pic xmlns:pic="x">{}</pic:pic></w:drawing></w:r>'.format(
    paragraph(run("y"))
)


def placed(*lines: str) -> list[Placed]:
    """A page with a running header and a page number, and the lines between them."""
    return [(60.0, 700.0 - 14 * row, line) for row, line in enumerate(lines)]


def page(number: int, *lines: str) -> list[Placed]:
    return [(60.0, 780.0, "All about tea"), *placed(*lines), (300.0, 40.0, str(number))]


SENTENCES = [f"Tea number {word} is a hot drink that many people like." for word in ("one", "two", "three")]
PDF = make_placed_pdf(
    [
        page(1, "Contents", "Green tea ........ 2", "Black tea ........ 3", SENTENCES[0]),
        page(
            2,
            SENTENCES[1],
            "It costs \ue000\ue001\ue002",
            "and is sold in many shops of the town in boxes.",
        ),
        page(3, SENTENCES[2]),
    ]
)


@pytest.mark.parametrize(
    ("name", "content", "omitted"),
    [
        ("a.txt", b"Tea is a hot drink.", {}),
        ("a.html", PAGE.encode(), IN_PAGE),
        ("a.epub", make_epub({"a.xhtml": PAGE}), IN_PAGE),
        ("a.md", MARKDOWN.encode(), {"metadata_blocks": 1, "pictures": 2, "tables": 1, "code_blocks": 3}),
        (
            "a.rst",
            RST.encode(),
            {"code_blocks": 2, "pictures": 3, "tables": 2, "formulas": 1, "directives": 1},
        ),
        (
            "a.docx",
            make_word(
                paragraph(run("Tea is a hot drink."), PICTURE) + TABLE,
                {"header1.xml": "<a/>", "footer1.xml": "<a/>"},
            ),
            {"pictures": 1, "tables": 1, "page_headers": 1, "page_footers": 1},
        ),
        (
            "a.pdf",
            PDF,
            {"page_headers": 3, "page_footers": 3, "contents_lines": 3, "unreadable_characters": 10},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_in_the_text_is_counted(
    name: str, content: bytes, omitted: Mapping[str, int], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    document = read_document(str(tmp_path / name))
    assert "hot drink" in document.text
    assert document.omitted == {kind: count for kind, count in omitted.items() if count}
    assert not any(part.message for part in document.unread_parts)
