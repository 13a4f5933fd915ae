"""Word documents to text: the paragraphs of the body, with notes and embedded documents."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Sequence
from typing import Any

from qgbatch.errors import DocumentError
from qgbatch.readers.archive import DAMAGED, damaged, open_archive, parse_xml
from qgbatch.readers.content import MAX_MARKUP_BYTES, too_large_error
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.word import embedded
from qgbatch.readers.word.body import Body
from qgbatch.readers.word.names import attribute, name_of
from qgbatch.readers.word.positions import positions_of_styles

_NOTES = ("footnote", "endnote")


def extract_text(data: bytes, source: str, omissions: Omissions, encodings: Sequence[str] = ()) -> str:
    """The paragraphs of the body, those in text boxes included, separated by blank lines.

    Footnotes follow the paragraph with their mark, endnotes the body. Headers, footers, tables
    of data and text that tracked changes deleted are omitted. A part that is missing or damaged
    is left out.

    Args:
        data: The file.
        source: Its name, for messages.
        omissions: Counts what is left out.
        encodings: Encodings of embedded HTML that declares none, as for :func:`decode`.

    Raises:
        DocumentError: the file is not a Word document, is encrypted, damaged or too large.
    """
    with open_archive(data, source) as archive:
        return _Package(archive, source, omissions, encodings).text()


class _Package:
    """The parts of one file."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        source: str,
        omissions: Omissions,
        encodings: Sequence[str],
        outer: _Package | None = None,
    ) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist())
        self._source = source
        self._omissions = omissions
        self._encodings = encodings
        self._outer = outer
        self._n_bytes = 0
        """The size of all that was read, because a body may embed the same part a thousand times."""
        self._parts: dict[str, tuple[str, str]] = {}
        """The kind and the name of the parts that the main part refers to, by relationship id."""

    def text(self) -> str:
        """The text of the main part."""
        main = self._main_part()
        root = self._parse(main)
        body = next((child for child in root if name_of(child) == "w:body"), None)
        if name_of(root) != "w:document" or body is None:
            raise damaged(self._source, "its main part is not a Word document")
        self._parts = self._relationships(main)
        styles = self._part_of_kind("styles")
        positions = {} if styles is None else positions_of_styles(styles)
        counts = self._omissions.counts
        counts["page_headers"] += self._n_parts("header")
        counts["page_footers"] += self._n_parts("footer")
        return "\n\n".join(Body(self._notes(), positions, counts, self._embedded_text).paragraphs(body))

    def _n_parts(self, kind: str) -> int:
        return sum(found == kind for found, _ in self._parts.values())

    def _main_part(self) -> str:
        """The name of the member that holds the body."""
        for kind, name in self._relationships("").values():
            if kind == "officeDocument":
                return name
        raise damaged(self._source, "it has no main part")

    def _relationships(self, part: str) -> dict[str, tuple[str, str]]:
        """The kind and the name of the members that a part refers to, by id; all of the file for ``""``."""
        folder, name = posixpath.split(part)
        list_name = posixpath.join(folder, "_rels", f"{name}.rels")
        if part and list_name not in self._names:
            return {}
        return {
            str(item.get("Id")): (
                str(item.get("Type")).rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, str(item.get("Target")))).lstrip("/"),
            )
            for item in self._parse(list_name).iter("{*}Relationship")
            if item.get("TargetMode") != "External"
        }

    def _notes(self) -> dict[tuple[str, str], Any]:
        return {
            (kind, attribute(note, "id")): note
            for kind in _NOTES
            if (root := self._part_of_kind(f"{kind}s")) is not None
            for note in root
        }

    def _part_of_kind(self, kind: str) -> Any:
        """The parsed part, or ``None`` if there is none or it cannot be read."""
        name = next((name for found, name in self._parts.values() if found == kind), None)
        if name is None:
            return None
        try:
            if name in self._names:
                return self._parse(name)
            self._omissions.leave_out_part(f"part {name}", "the file does not contain it")
        except (DocumentError, *DAMAGED) as error:
            self._omissions.leave_out_part(f"part {name}", error)
        return None

    def _embedded_text(self, relationship: str) -> str:
        kind, name = self._parts.get(relationship, ("", ""))
        if kind != "aFChunk" or name not in self._names:
            part = f"embedded document {name or relationship}"
            self._omissions.leave_out_part(part, "the file does not contain it")
            return ""
        try:
            data = self._read(name)
            if data.startswith(b"PK\x03\x04"):
                return self._nested_text(data, name)
            return embedded.plain_text(data, name, self._omissions, self._encodings)
        except (DocumentError, *DAMAGED) as error:
            if self._n_bytes > MAX_MARKUP_BYTES:
                raise
            self._omissions.leave_out_part(f"embedded document {name}", error)
            return ""

    def _nested_text(self, data: bytes, name: str) -> str:
        if self._outer:
            raise DocumentError("embedded in an embedded document.")
        source = f"{self._source}: {name}"
        with open_archive(data, source) as archive:
            return _Package(archive, source, self._omissions, self._encodings, outer=self).text()

    def _parse(self, name: str) -> Any:
        return parse_xml(self._read(name), self._source)

    def _read(self, name: str) -> bytes:
        data = self._archive.read(name)
        self._count(len(data))
        return data

    def _count(self, n_bytes: int) -> None:
        self._n_bytes += n_bytes
        if self._n_bytes > MAX_MARKUP_BYTES:
            raise too_large_error(self._source, MAX_MARKUP_BYTES)
        if self._outer:
            self._outer._count(n_bytes)
