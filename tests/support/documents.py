"""Files of the formats that qgbatch reads, made small for tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from types import MappingProxyType

CONTAINER = '<container><rootfiles><rootfile full-path="book/my.opf"/></rootfiles></container>'
"""What an EPUB begins with; the namespaces are left out."""


def make_pdf(pages: Sequence[Sequence[str]], step: int = 14) -> bytes:
    """A PDF of pages of lines in ASCII; an empty line leaves a gap."""
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for index, lines in enumerate(pages):
        escaped = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in lines]
        shown = "".join(f"({line}) Tj T*\n" for line in escaped)
        content = f"BT /F1 10 Tf {step} TL 40 800 Td\n{shown}ET"
        objects += [
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {5 + 2 * index} 0 R>>",
            f"<</Length {len(content)}>>stream\n{content}\nendstream",
        ]
    return join_objects([text.encode("ascii") for text in objects])


Placed = tuple[float, float, str] | tuple[float, float, str, float]
"""The horizontal and vertical position of a text in points, the text and the size of its font (else 10)."""


def make_placed_pdf(pages: Sequence[Sequence[Placed]], is_turned: bool = False) -> bytes:
    """A PDF of pages of texts that are drawn in this order; they may have characters beyond ASCII.

    Args:
        pages: The texts of each page, as they are seen.
        is_turned: Whether the pages are drawn on their side and have a mark that turns them upright.
    """
    beyond = sorted({char for page in pages for item in page for char in item[2] if not " " <= char <= "~"})
    codes = {char: code for code, char in enumerate(beyond, 128)}
    table = "".join(f"<{code:02X}><{char.encode('utf-16-be').hex()}>\n" for char, code in codes.items())
    cmap = (
        "begincmap 1 begincodespacerange <00><FF> endcodespacerange "
        f"{len(codes)} beginbfchar\n{table}endbfchar endcmap"
    )
    kids = " ".join(f"{5 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 4 0 R>>",
        f"<</Length {len(cmap)}>>stream\n{cmap}\nendstream",
    ]
    for index, page in enumerate(pages):
        content = "".join(_placed(codes, is_turned, *item) for item in page)
        objects += [
            f"<</Type/Page/Parent 2 0 R/Rotate {90 * is_turned}/MediaBox[0 0 595 842]"
            f"/Resources<</Font<</F1 3 0 R>>>>/Contents {6 + 2 * index} 0 R>>",
            f"<</Length {len(content)}>>stream\n{content}\nendstream",
        ]
    return join_objects([text.encode("ascii") for text in objects])


def _placed(
    codes: Mapping[str, int], is_turned: bool, x: float, y: float, text: str, size: float = 10
) -> str:
    shown = "".join(f"{codes.get(char, ord(char)):02X}" for char in text)
    matrix = f"0 1 -1 0 {595 - y} {x}" if is_turned else f"1 0 0 1 {x} {y}"
    return f"BT /F1 {size} Tf {matrix} Tm <{shown}> Tj ET\n"


def join_objects(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A PDF file of its objects, the first being the catalogue."""
    content, table = b"%PDF-1.6\n", b"0000000000 65535 f \n"
    for number, text in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(content)
        content += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    size = len(objects) + 1
    end = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (size, trailer, len(content))
    return content + b"xref\n0 %d\n%s%s" % (size, table, end)


def make_docx(paragraphs: Sequence[str]) -> bytes:
    """A Word document of paragraphs."""
    import docx

    document, stream = docx.Document(), io.BytesIO()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    document.save(stream)
    return stream.getvalue()


def make_zip(members: Mapping[str, str | bytes]) -> bytes:
    """A container of members, packed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def with_member(container: bytes, name: str, content: str | bytes) -> bytes:
    """The container with another content of a member."""
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    return make_zip({**members, name: content})


def without_member(container: bytes, name: str) -> bytes:
    """The container without a member."""
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        return make_zip({member: archive.read(member) for member in archive.namelist() if member != name})


def make_epub(
    chapters: Mapping[str, str | bytes],
    order: Sequence[str] = (),
    media_types: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """A book of chapters by name; ``order`` is that of reading, else as given.

    The media type is that of XHTML if ``media_types`` has no other for the name.
    """
    items = "".join(
        f'<item id="{index}" href="{name}" media-type="{media_types.get(name, "application/xhtml+xml")}"/>'
        for index, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="{list(chapters).index(name)}"/>' for name in order or chapters)
    package = f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>"
    return make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "book/my.opf": package,
            **{f"book/{name}": content for name, content in chapters.items()},
        }
    )
