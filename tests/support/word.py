"""Word documents that are written as XML, to test what python-docx does not write."""

from __future__ import annotations

from collections.abc import Mapping

from qgbatch.readers import docx
from qgbatch.readers.omissions import Omissions
from tests.support.documents import make_zip

TRANSITIONAL = "http://schemas.openxmlformats.org"
STRICT = "http://purl.oclc.org/ooxml"
OFFICE = f"{TRANSITIONAL}/officeDocument/2006/relationships"
NAMESPACES = (
    f'xmlns:w="{TRANSITIONAL}/wordprocessingml/2006/main" xmlns:r="{OFFICE}"'
    f' xmlns:m="{TRANSITIONAL}/officeDocument/2006/math"'
)


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*content: str) -> str:
    return f"<w:p>{''.join(content)}</w:p>"


def make_word(body: str, parts: Mapping[str, str | bytes] = {}, strict: bool = False) -> bytes:
    """A Word document whose body refers to the parts: by their name, and their kind is its stem."""
    relationship = f'<Relationship Id="{{}}" Type="{OFFICE}/{{}}" Target="{{}}"/>'.format
    kinds = {name: name.partition(".")[0].rstrip("0123456789") for name in parts}
    lists = {
        "_rels/.rels": relationship("a", "officeDocument", "word/document.xml"),
        "word/_rels/document.xml.rels": "".join(relationship(name, kinds[name], name) for name in parts),
    }
    members: dict[str, str | bytes] = {
        "word/document.xml": f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>",
        **{name: f"<Relationships>{items}</Relationships>" for name, items in lists.items()},
        **{f"word/{name}": content for name, content in parts.items()},
    }
    if strict:
        for name, content in members.items():
            assert isinstance(content, str)
            members[name] = (
                content.replace(f"{TRANSITIONAL}/wordprocessingml/2006", f"{STRICT}/wordprocessingml")
                .replace(f"{TRANSITIONAL}/officeDocument/2006", f"{STRICT}/officeDocument")
            )  # fmt: skip
    return make_zip(members)


def text_of(body: str, parts: Mapping[str, str | bytes] = {}) -> str:
    return docx.extract_text(make_word(body, parts), "a.docx", Omissions("a.docx"))


def m(name: str, *content: str) -> str:
    return (
        f"<m:{name}>{''.join(part if part[:1] == '<' else math_run(part) for part in content)}</m:{name}>"
    )


def math_run(text: str) -> str:
    return f"<m:r><w:rPr/><m:t>{text}</m:t></m:r>"
