"""A document of each format with much of what its reader knows, to be damaged."""

from __future__ import annotations

import io
import json

import pandas as pd

from tests.support.documents import make_epub, make_placed_pdf
from tests.support.word import make_word, paragraph, run

SENTENCES = [f"In {1800 + 7 * n} the keeper of light {n} wrote a report about ships." for n in range(12)]

PAGE = f"""<!DOCTYPE html><html><head><meta charset="utf-8"><title>Lights</title></head><body>
<nav><ul><li><a href="/">Home</a></ul></nav><h1>Lights</h1><p>{SENTENCES[0]}<sup><a href="#n1">[1]</a></sup>
10<sup>6</sup> candles &amp; more.<p hidden>{SENTENCES[1]}</p>
<ul><li>{SENTENCES[2]}<li>{SENTENCES[3]}</ul>
<table><tr><th>Year<th>Ships<tr><td>1815<td>18</table><table><tr><td>{SENTENCES[4]}</table>
<details><summary>More</summary>{SENTENCES[5]}</details><pre>x = 1</pre>
<footer>Imprint</footer></body></html>"""
MARKDOWN = f"""---
title: Lights
---
# Lights

{SENTENCES[0]} [link](http://x.example) **bold** ![picture](a.png)[^1]

!!! note
    {SENTENCES[1]}

- {SENTENCES[2]}
    - {SENTENCES[3]}

| Year | Ships |
|---|---|
| 1815 | 18 |

```
x = 1
```

<div><p>{SENTENCES[4]}</p></div>

[^1]: {SENTENCES[5]}
"""
RST = f"""Lights
======

:Author: Ann

{SENTENCES[0]} ``code`` :sup:`2` [1]_

.. note:: {SENTENCES[1]}

   {SENTENCES[2]}

.. code-block:: python

   x = 1

====  ====
Year  Ships
====  ====
1815  18
====  ====

- {SENTENCES[3]}::

    y = 2
"""
SUBTITLES = "".join(
    f"{n}\n00:00:{n:02},000 --> 00:00:{n + 1:02},000\n{sentence}\n\n"
    for n, sentence in enumerate(SENTENCES, 1)
)
CHAPTERS = {
    f"c{n}.xhtml": f"<html><body><h2>{n}</h2><p>{s}</p></body></html>" for n, s in enumerate(SENTENCES)
}
BODY = (
    paragraph(run("Lights"))
    + paragraph(run(SENTENCES[0]), run("2", '<w:vertAlign w:val="superscript"/>'))
    + paragraph(run(SENTENCES[1]), '<w:r><w:footnoteReference w:id="1"/></w:r>')
    + f"<w:tbl><w:tr><w:tc>{paragraph(run(SENTENCES[2]))}</w:tc></w:tr></w:tbl>"
)
NOTES = f'<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">\
<w:footnote w:id="1">{paragraph(run(SENTENCES[3]))}</w:footnote></w:footnotes>'
PDF = make_placed_pdf(
    [
        [
            (60, 800, "About lights"),
            *((60 + 250 * (n % 2), 700 - 14.0 * n, text[:40]) for n, text in enumerate(SENTENCES)),
            (300, 40, str(number)),
        ]
        for number in range(1, 4)
    ]
)
TEXT = "\n\n".join(SENTENCES) + "\nThe govern-\nment of light-\nhouses.\fA page.\n"
ROWS = [{"id": n, "text": f"{sentence} It had 2, 3 or 4 pages."} for n, sentence in enumerate(SENTENCES)]


def _parquet() -> bytes:
    stream = io.BytesIO()
    pd.DataFrame(ROWS).to_parquet(stream)
    return stream.getvalue()


SEEDS: dict[str, bytes] = {
    "txt": TEXT.encode(),
    "srt": SUBTITLES.encode(),
    "md": MARKDOWN.encode(),
    "rst": RST.encode(),
    "html": PAGE.encode(),
    "docx": make_word(BODY, {"footnotes.xml": NOTES}),
    "epub": make_epub(CHAPTERS),
    "pdf": PDF,
    "csv": pd.DataFrame(ROWS).to_csv(index=False).encode(),
    "tsv": pd.DataFrame(ROWS).to_csv(index=False, sep="\t").encode(),
    "jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "parquet": _parquet(),
}
"""A document of each format by its suffix."""
