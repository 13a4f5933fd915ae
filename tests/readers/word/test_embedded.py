"""Documents inside Word documents, and parts that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgbatch.errors import DocumentError
from qgbatch.readers import docx
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.reading import read_document
from tests.support.documents import without_member
from tests.support.word import make_word, paragraph, run, text_of

MULTIPART = """MIME-Version: 1.0
Content-Type: multipart/related; boundary="b"

--b
Content-Type: text/css

p { color: red }
--b
Content-Type: text/html; charset="cp1252"
Content-Transfer-Encoding: quoted-printable

<p>K=E4se is w=
hite.</p>
--b--
"""


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("aFChunk.html", "Tea <b>is</b> hot.<p>Milk", "Tea is hot.\n\nMilk"),
        ("aFChunk.dat", "\ufeff<html><body><p>Tea.", "Tea."),
        ("aFChunk.html", b"<p>K\xe4se", "Käse"),
        ("aFChunk.mht", MULTIPART, "Käse is white."),
        ("aFChunk.dat", MULTIPART.replace("\n", "\r\n"), "Käse is white."),
        ("aFChunk.mht", "Content-Type: text/plain; charset=hex\n\nTea.", "Tea."),
        ("aFChunk.txt", "Subject: tea\n\nTea.", "Subject: tea\n\nTea."),
        ("aFChunk.docx", make_word(paragraph(run("Inner."))), "Inner."),
    ],
)
def test_an_embedded_document_is_read_in_its_place(
    name: str, content: str | bytes, text: str, tmp_path: Path
) -> None:
    body = paragraph(run("A")) + f'<w:altChunk r:id="{name}"/>' + paragraph(run("Z"))
    (tmp_path / "a.docx").write_bytes(make_word(body, {name: content}))
    assert read_document(str(tmp_path / "a.docx"), ["cp1252"]).text == f"A\n\n{text}\n\nZ"


def test_parts_that_cannot_be_read_are_left_out_and_named() -> None:
    chunks = "".join(f'<w:altChunk r:id="{name}"/>' for name in ("none", "aFChunk.rtf", "aFChunk.docx"))
    inner = make_word('<w:altChunk r:id="aFChunk.docx"/>', {"aFChunk.docx": make_word("")})
    content = make_word(
        paragraph(run("A")) + chunks, {"aFChunk.rtf": r"{\rtf1 Tea.}", "aFChunk.docx": inner}
    )
    assert unread_parts(content) == [
        "embedded document none is left out: the file does not contain it.",
        "embedded document word/aFChunk.rtf is left out: it cannot be read (Rich Text, which qgbatch does "
        "not read).",
        "embedded document word/aFChunk.docx is left out: it cannot be read (embedded in an embedded "
        "document).",
    ]


def unread_parts(content: bytes) -> list[str]:
    """The messages about the parts of a document of which "A" can be read."""
    omissions = Omissions("a.docx")
    assert docx.extract_text(content, "a.docx", omissions) == "A"
    assert omissions.counts["unreadable_parts"] == len(omissions.unread_parts)
    return [part.message.removeprefix("a.docx: ") for part in omissions.unread_parts]


def test_missing_notes_and_damaged_styles_do_not_hide_the_text() -> None:
    content = make_word(paragraph(run("A")), {"styles.xml": "<a>", "footnotes.xml": ""})
    content = without_member(content, "word/footnotes.xml")
    styles, notes = unread_parts(content)
    assert styles.startswith("part word/styles.xml is left out: it cannot be read (a.docx: damaged")
    assert notes == "part word/footnotes.xml is left out: the file does not contain it."


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "aFChunk.mht",
            "Content-Type: text/html; a=" + '";' * 5000 + "\n\nTea.",
            "web archive is too long",
        ),
        ("aFChunk.mht", "Content-Type: image/png\n\n", "a web archive without an HTML page"),
        ("aFChunk.mht", "Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 20, "with too many levels"),
        ("aFChunk.html", b"<p>\xe4", "aFChunk.html: the bytes are not valid utf-8"),
        ("aFChunk.docx", b"PK\x03\x04", "aFChunk.docx: damaged, or not what it seems"),
    ],
)
def test_an_embedded_document_that_is_damaged_is_named(
    name: str, content: str | bytes, reason: str
) -> None:
    body = paragraph(run("A")) + f'<w:altChunk r:id="{name}"/>'
    (message,) = unread_parts(make_word(body, {name: content}))
    assert message.startswith(f"embedded document word/{name} is left out: it cannot be read (")
    assert reason in message


def test_embedding_one_part_many_times_is_limited() -> None:
    with pytest.raises(DocumentError, match="larger than 32 MiB"):
        text_of('<w:altChunk r:id="aFChunk.txt"/>' * 40, {"aFChunk.txt": "a" * (1 << 20)})
