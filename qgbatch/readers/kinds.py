"""The kinds of files that qgbatch reads: their suffixes, and the package that each needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from qgbatch.errors import display, require_package
from qgbatch.readers.content import file_name

KindName = Literal[
    "text", "markdown", "rst", "html", "pdf", "docx", "epub", "jsonl", "csv", "tsv", "parquet"
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file that qgbatch reads."""

    name: KindName
    suffixes: tuple[str, ...]
    is_table: bool = False
    package: str | None = None
    """The optional package that the reader imports; the extra with the kind's name installs it."""


def _with_gz(*suffixes: str) -> tuple[str, ...]:
    return *suffixes, *(f"{suffix}.gz" for suffix in suffixes)


KINDS = (
    Kind("text", _with_gz(".txt", ".srt", ".vtt")),
    Kind("markdown", _with_gz(".md", ".markdown", ".mdx")),
    Kind("rst", _with_gz(".rst")),
    Kind("html", _with_gz(".html", ".htm"), package="lxml"),
    Kind("pdf", (".pdf",), package="pypdfium2"),
    Kind("docx", (".docx",), package="lxml"),
    Kind("epub", (".epub",), package="lxml"),
    Kind("jsonl", _with_gz(".jsonl"), is_table=True),
    Kind("csv", _with_gz(".csv"), is_table=True),
    Kind("tsv", _with_gz(".tsv"), is_table=True),
    Kind("parquet", (".parquet",), is_table=True),
)
MEDIA_TYPES: Mapping[str, KindName] = {
    "": "text",
    "application/octet-stream": "text",
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/x-rst": "rst",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/epub+zip": "epub",
}
"""What a web server calls the kinds of documents; ``text`` where the content has to decide."""
SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind.suffixes if not kind.is_table)
TABLE_SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind.suffixes if kind.is_table)


def kind_of(path: str) -> Kind | None:
    """The kind of a file by its suffix, or ``None`` if qgbatch does not read it."""
    name = file_name(path)
    return next((kind for kind in KINDS if name.endswith(kind.suffixes)), None)


def kind_named(name: KindName) -> Kind:
    """The kind with this name."""
    return next(kind for kind in KINDS if kind.name == name)


def has_known_suffix(path: str) -> bool:
    """Whether qgbatch reads a file of this name inside a directory, where tables are skipped."""
    return file_name(path).endswith(SUFFIXES)


def is_table(path: str) -> bool:
    """Whether a file of this name is a table, whose rows are documents."""
    return file_name(path).endswith(TABLE_SUFFIXES)


def require_packages(paths: Iterable[str]) -> None:
    """Check that the packages that read these files are installed, before the first is read.

    Raises:
        ModelError: a package is missing; it names a file and the command that installs the package.
    """
    examples = {kind: path for path in paths if (kind := kind_of(path)) is not None}
    for kind, path in examples.items():
        if kind.package:
            require_package(kind.package, f"{display(path)}: reading it", extra=kind.name)
