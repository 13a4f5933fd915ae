"""Which files are read: their suffixes, and the packages that some kinds need."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from qgbatch.errors import ModelError
from qgbatch.readers.content import display

KindName = Literal[
    "text", "markdown", "rst", "html", "pdf", "docx", "epub", "lines", "csv", "tsv", "parquet"
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file."""

    name: KindName
    suffixes: tuple[str, ...]
    is_table: bool = False
    package: str | None = None
    """Imported by its reader alone, and installed by the extra of the kind's name."""


def _with_gz(*suffixes: str) -> tuple[str, ...]:
    return *suffixes, *(f"{suffix}.gz" for suffix in suffixes)


KINDS = (
    Kind("text", _with_gz(".txt")),
    Kind("markdown", _with_gz(".md")),
    Kind("rst", _with_gz(".rst")),
    Kind("html", _with_gz(".html", ".htm"), package="trafilatura"),
    Kind("pdf", (".pdf",), package="pypdfium2"),
    Kind("docx", (".docx",), package="docx"),
    Kind("epub", (".epub",), package="lxml"),
    Kind("lines", _with_gz(".jsonl"), is_table=True),
    Kind("csv", _with_gz(".csv"), is_table=True),
    Kind("tsv", _with_gz(".tsv"), is_table=True),
    Kind("parquet", (".parquet",), is_table=True),
)
SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind.suffixes if not kind.is_table)
TABLE_SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind.suffixes if kind.is_table)


def kind_of(path: str) -> Kind | None:
    """The kind of a file by its name, or nothing for one that is not read."""
    name = path.lower()
    return next((kind for kind in KINDS if name.endswith(kind.suffixes)), None)


def has_known_suffix(path: str) -> bool:
    """Whether a file name says that qgbatch reads it, also inside a directory."""
    return path.lower().endswith(SUFFIXES)


def is_table(path: str) -> bool:
    """Whether a file name says that each of its rows is a document."""
    return path.lower().endswith(TABLE_SUFFIXES)


def require_packages(paths: Iterable[str]) -> None:
    """See that what reads these files is installed, before the first is read.

    Raises:
        ModelError: a package is missing; it names a file and the line that installs it.
    """
    examples = {kind: path for path in paths if (kind := kind_of(path)) is not None}
    for kind, path in examples.items():
        if kind.package and not importlib.util.find_spec(kind.package):
            raise ModelError(
                f"{display(path)}: reading it needs the package {kind.package}.",
                f"Install it: pip install 'qgbatch[{kind.name}]'",
            )
