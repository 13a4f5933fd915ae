"""Word documents and EPUB books, and archives that are damaged or hostile."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from qgbatch.errors import DocumentError
from qgbatch.readers import docx, epub
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.reading import read_document
from tests.support.documents import CONTAINER, make_docx, make_epub, make_zip, with_member, without_member

MAIN = "word/document.xml"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]>'
"""A billion of them, if they were unfolded."""


def docx_text(content: bytes) -> str:
    return docx.extract_text(content, "a.docx", Omissions("a.docx"))


def epub_text(content: bytes, encodings: Sequence[str] = ()) -> str:
    return epub.extract_text(content, "a.epub", Omissions("a.epub"), encodings)


def body(xml: str) -> str:
    return f'<w:document xmlns:w="{WORD}"><w:body>{xml}</w:body></w:document>'


def with_package(book: bytes, old: str, new: str) -> bytes:
    """The book with other text in its package document."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        package = archive.read("book/my.opf").decode()
    assert old in package
    return with_member(book, "book/my.opf", package.replace(old, new))


def test_a_word_document_gives_its_paragraphs() -> None:
    content = make_docx(["Title", "One\ttwo.\nThree.", "", "Käse."])
    assert docx_text(content) == "Title\n\nOne two.\nThree.\n\nKäse."


def test_tracked_changes_links_and_controls_are_read_as_word_shows_them() -> None:
    run = "<w:r><w:t>{}</w:t></w:r>".format
    xml = (
        f"<w:p>{run('A')}<w:ins>{run('B')}</w:ins><w:del>{run('X')}</w:del>"
        f"<w:hyperlink>{run('C')}</w:hyperlink></w:p><w:sdt><w:sdtContent><w:p>{run('D')}</w:p>"
        "</w:sdtContent></w:sdt>"
    )
    assert docx_text(with_member(make_docx([]), MAIN, body(xml))) == "ABC\n\nD"


def test_the_chapters_of_a_book_are_read_in_its_order() -> None:
    chapters = {"one.xhtml": "<p>One.</p>", "two%20b.xhtml": "<h1>Two</h1><p>Käse.", "toc.xhtml": "<p>no"}
    content = make_epub(chapters, ["two%20b.xhtml", "one.xhtml", "one.xhtml"])
    content = with_member(content, "book/two b.xhtml", chapters["two%20b.xhtml"])
    assert epub_text(content) == "Two\n\nKäse.\n\nOne."


GOOD = {"docx": make_docx(["Tea is hot."]), "epub": make_epub({"a.xhtml": "<p>Tea is hot."})}
ENCRYPTED = bytearray(make_zip({"a": "b"}))
ENCRYPTED[ENCRYPTED.rindex(b"PK\x01\x02") + 8] |= 1


@pytest.mark.parametrize("suffix", ["docx", "epub"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"plain text", "damaged, or not"),
        (b"PK\x03\x04", "damaged, or not"),
        (make_zip({"a.txt": "b"}), "damaged, or not"),
        (bytes(ENCRYPTED), "is encrypted"),
        (lambda: {"a": bytes(300 << 20)}, "unpacks to 300 MiB, more than 256 MiB"),
        (lambda: {"a.png": b" <a>" + bytes(33 << 20)}, "unpacks to 33 MiB, more than 32 MiB"),
        (lambda: {str(number): "" for number in range(10_001)}, "more than 10,000 files"),
    ],
    ids=["no zip", "cut", "other", "encrypted", "bomb", "markup bomb", "many"],
)
def test_an_archive_that_cannot_be_read_is_refused_with_the_reason(
    suffix: str, content: bytes | Callable[[], dict[str, bytes | str]], reason: str
) -> None:
    if not isinstance(content, bytes):
        content = make_zip(content())  # takes too long to be done for each collection
    extract_text = {"docx": docx.extract_text, "epub": epub.extract_text}[suffix]
    tracemalloc.start()
    with pytest.raises(DocumentError, match=reason) as caught:
        extract_text(content, f"d/a.{suffix}", Omissions(f"d/a.{suffix}"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.message.startswith(f"d/a.{suffix}: ")
    assert caught.value.hint
    assert peak < 16 << 20


@pytest.mark.parametrize("suffix", ["docx", "epub"])
def test_a_damaged_archive_gives_its_text_or_an_error(suffix: str, tmp_path: Path) -> None:
    path, content = tmp_path / f"a.{suffix}", GOOD[suffix]
    for position in range(0, len(content), len(content) // 150):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            assert "Tea is hot." in read_document(str(path)).text
        except DocumentError as error:
            assert str(path) in str(error)  # noqa: PT017


def test_entities_are_not_expanded() -> None:
    word = with_member(GOOD["docx"], MAIN, BOMB + body("<w:p><w:r><w:t>x&a9;y</w:t></w:r></w:p>"))
    with pytest.raises(DocumentError, match=r"a\.docx: damaged"):
        docx_text(word)
    book = with_member(GOOD["epub"], "META-INF/container.xml", BOMB + CONTAINER.replace("book/", "&a9;"))
    with pytest.raises(DocumentError, match=r"a\.epub: damaged"):
        epub_text(book)


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<a/>",
        body("<w:p>" * 400 + "</w:p>" * 400),
        body("<w:p>")[:-3],
        '<!DOCTYPE a [<!ENTITY b "c">]><a/>',
    ],
    ids=["none", "other", "deep", "cut", "entity"],
)
def test_a_word_document_with_invalid_xml_is_damaged(xml: str) -> None:
    with pytest.raises(DocumentError, match=r"a\.docx: damaged, or not what it seems \("):
        docx_text(with_member(GOOD["docx"], MAIN, xml))


@pytest.mark.parametrize("target", ["/word/document.xml", "other/main.xml"])
def test_the_body_of_a_word_document_is_where_its_relationships_say(target: str) -> None:
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    relationships = f'<Relationships><Relationship Type="{kind}" Target="{target}"/></Relationships>'
    archive = make_zip(
        {"_rels/.rels": relationships, target.lstrip("/"): body("<w:p><w:r><w:t>A</w:t></w:r></w:p>")}
    )
    assert docx_text(archive) == "A"


def test_a_strict_word_document_is_read() -> None:
    xml = body("<w:p><w:r><w:t>A <!-- c -->b.</w:t></w:r></w:p>")
    strict = xml.replace(WORD, "http://purl.oclc.org/ooxml/wordprocessingml/main")
    assert docx_text(with_member(make_docx([]), MAIN, strict)) == "A b."


def test_a_spreadsheet_is_not_a_word_document() -> None:
    with pytest.raises(DocumentError, match="its main part is not a Word document"):
        docx_text(with_member(make_docx([]), MAIN, "<worksheet/>"))


def test_a_chapter_is_read_whatever_its_media_type() -> None:
    chapters = {
        "a.xhtml": "<p>A.",
        "b.html": "\n<p>B.",
        "c.xml": "<?xml version='1.0'?><p>C.</p>",
        "d": "D.",
    }
    types = {"b.html": "text/x-oeb1-document", "c.xml": "APPLICATION/XML", "d": "Text/Plain; x=y"}
    assert epub_text(make_epub(chapters, (), types)) == "A.\n\nB.\n\nC.\n\nD."


def test_a_chapter_in_several_places_of_a_page_is_read_once() -> None:
    book = make_epub({"a.xhtml": "<p>A.", "b.xhtml": "", "c.xhtml": "<p>C."})
    book = with_package(book, 'href="a.xhtml"', 'href="a.xhtml#top"')
    assert epub_text(with_package(book, 'href="b.xhtml"', 'href="a.xhtml#b"')) == "A.\n\nC."


def test_a_page_stands_in_for_a_picture_in_the_spine() -> None:
    chapters: dict[str, str | bytes] = {"a.png": b"\x89PNG", "b.png": b"\x89PNG", "c.xhtml": "<p>Page."}
    book = make_epub(chapters, ["a.png", "b.png"], {"a.png": "image/png", "b.png": "image/png"})
    book = with_package(book, 'id="0"', 'id="0" fallback="2"')
    omissions = Omissions("a.epub")
    assert epub.extract_text(book, "a.epub", omissions) == "Page."
    assert messages(omissions) == [
        "a.epub: chapter book/b.png is left out: it cannot be read (its type is image/png)."
    ]


def messages(omissions: Omissions) -> list[str]:
    return [part.message for part in omissions.unread_parts]


def test_chapters_that_are_missing_or_damaged_are_left_out_and_named() -> None:
    book = make_epub({"a.xhtml": "<p>Tea.", "b.xhtml": "", "c.xhtml": "", "d.xhtml": "<p>Milk."})
    book = without_member(book, "book/b.xhtml")
    book = with_package(book, 'id="2"', 'id="x"')
    checksum = book.rindex(b"book/d.xhtml") - 30  # in the list at the end of the archive
    book = book[:checksum] + bytes(4) + book[checksum + 4 :]
    omissions = Omissions("a.epub")
    assert epub.extract_text(book, "a.epub", omissions) == "Tea."
    assert messages(omissions) == [
        "a.epub: chapter book/b.xhtml is left out: it cannot be read (the file does not contain it).",
        "a.epub: chapter 2 is left out: the manifest does not list it.",
        "a.epub: chapter book/d.xhtml is left out: it cannot be read (Bad CRC-32 for file 'book/d.xhtml').",
    ]
    assert omissions.counts == {"unreadable_parts": 3}


def test_a_chapter_that_declares_no_encoding_is_read_in_the_given_one(tmp_path: Path) -> None:
    path = tmp_path / "a.epub"
    path.write_bytes(with_member(GOOD["epub"], "book/a.xhtml", "<p>Käse</p>".encode("cp1252")))
    assert read_document(str(path), ["cp1252"]).text == "Käse"
    with pytest.raises(
        DocumentError, match=r"no text was found in it; .*a\.xhtml: the bytes are not valid"
    ):
        read_document(str(path))


def test_an_encrypted_book_is_named_whatever_the_encoding() -> None:
    book = with_member(make_epub({"a.xhtml": ""}), "META-INF/encryption.xml", "<encryption/>")
    book = with_member(book, "book/a.xhtml", b"\x8f\x01\xfe\x93" * 9)
    with pytest.raises(DocumentError, match=r"a\.epub: is encrypted"):
        epub_text(book, ["latin-1"])


def test_a_member_never_unpacks_to_more_than_it_declares(tmp_path: Path) -> None:
    content = bytearray(make_zip({"a": bytes(1 << 20)}))
    at = content.rindex(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    (tmp_path / "a.epub").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.epub") as archive, pytest.raises(zipfile.BadZipFile):
        archive.read("a")
