"""A directory of Parquet parts that reads as one table.

Parts are made in a hidden directory in it and moved up when all are there, so a reader has
the old table until the new one is whole; an empty file ``_SUCCESS`` says that it is. Each
part tells in its metadata which documents it holds and what was counted, so a run that
was cut off goes on with the documents that no part has.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from qgbatch.errors import OutputError
from qgbatch.output.atomic import replacing
from qgbatch.output.directories import prepare_directory
from qgbatch.output.remote import is_uri, version_of
from qgbatch.output.rows import Row
from qgbatch.output.writers import open_writer

FileVersion: TypeAlias = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds, or two zeros for what is no file."""

_SUCCESS = "_SUCCESS"
_DRAFT = ".parts"
_ATTEMPTS = ".attempts"
MAX_ATTEMPTS = 4
"""How many workers may die on a block, and then on each of its documents."""
_ANYWHERE = ("engine", "device", "precision")
"""Facts that each worker finds out on its own machine."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of questions, and what its metadata say."""

    path: Path
    facts: dict[str, Any]
    columns: Sequence[str]
    documents: dict[str, FileVersion]
    """Paths of the documents that it holds the questions of, failed ones left out."""
    report: dict[str, Any]
    """:meth:`qgbatch.records.RunReport.as_dict` of its block."""


def file_version(path: str) -> FileVersion:
    """What no one can write to a file without changing."""
    if is_uri(path):
        return version_of(path)
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return 0, 0
    return status.st_size, status.st_mtime_ns


def write_part(
    directory: Path,
    name: str,
    rows: Iterable[Row],
    facts: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    documents: Mapping[str, FileVersion] | None = None,
    report: Mapping[str, Any] | None = None,
) -> None:
    """Write rows as one file, whole or not at all.

    The name is hashed: the same block of documents is the same file, however often it is
    tried.

    Raises:
        OutputError: the directory cannot be written.
    """
    facts = {**facts, "block": {"documents": documents or {}, "report": report or {}}}
    with (
        replacing(directory / f"part-{_digest(name)}.parquet") as stream,
        open_writer(stream, "parquet", facts, columns) as writer,
    ):
        for row in rows:
            writer.write(row)


@contextmanager
def attempt(directory: Path, name: str) -> Iterator[int]:
    """Tell the how manieth attempt at a block this is (from 1), as others died in the middle of theirs.

    Raises:
        OutputError: the directory cannot be written.
    """
    tally = directory / f"{_digest(name)}{_ATTEMPTS}"
    try:
        with tally.open("ab") as file:
            file.write(b"|")
            number = file.tell()
    except OSError as error:
        raise _cannot_write(directory, error) from error
    try:
        yield number
    finally:
        tally.unlink(missing_ok=True)


def read_part(path: Path) -> Part:
    """What a part says of itself.

    Raises:
        OutputError: it is damaged, or not of qgbatch.
    """
    try:
        schema = pq.read_schema(path)
        facts = json.loads(schema.metadata[b"qgbatch"])
        columns = [field.name for field in schema]
        block = facts.pop("block")
        documents = {source: (size, time) for source, (size, time) in block["documents"].items()}
        return Part(path, facts, columns, documents, block["report"])
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{path}: is no part that qgbatch wrote ({type(error).__name__}).",
            "Move it away, or write to another directory.",
        ) from error


def _read_or_none(path: Path) -> Part | None:
    """A part, or None for a file that is damaged or that qgbatch did not write."""
    with suppress(OutputError):
        return read_part(path)
    return None


class PartsDirectory:
    """The output of a run in parts; while it is open, it is there.

    Raises:
        OutputError: it is a file, cannot be made, or holds Parquet files of others.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self._path = path
        self._facts = dict(facts)
        self.draft = path.absolute() / _DRAFT
        """Where the parts of documents are made."""
        self._old: list[Part] = []

    def __enter__(self) -> Self:
        found = {path: _read_or_none(path) for path in sorted(self._path.glob("*.parquet"))}
        prepare_directory(
            self._path, found, lambda path: found[path] is not None, "qgbatch run --runner ray"
        )
        self._old = [part for part in found.values() if part]
        try:
            self.draft.mkdir(exist_ok=True)
            for tally in self.draft.glob(f"*{_ATTEMPTS}"):  # left by workers of a run that was killed
                tally.unlink()
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # parts that a second attempt can go on with are left there
            self.draft.rmdir()
            self._path.rmdir()

    def reuse(self, documents: Mapping[str, FileVersion]) -> list[Part]:
        """Parts that are as this run would make them; others of an earlier attempt are removed.

        A part counts if the same model and settings made it and all its documents are
        still there, unchanged.
        """
        kept: list[Part] = []
        seen: set[str] = set()
        drafts = [read_part(found) for found in sorted(self.draft.glob("*.parquet"))]
        for part in (*drafts, *self._old):
            fits = _comparable(part.facts) == _comparable(self._facts)
            same = all(documents.get(path) == version for path, version in part.documents.items())
            if fits and same and part.documents and seen.isdisjoint(part.documents):
                kept.append(part)
                seen.update(part.documents)
            elif part.path.parent == self.draft:
                part.path.unlink()
        return kept

    def finish(self, parts: Sequence[Path]) -> None:
        """Make these parts the whole table, and remove the others.

        Raises:
            OutputError: the directory cannot be written.
        """
        try:
            (self._path / _SUCCESS).unlink(missing_ok=True)
            final = {self._path / part.name for part in parts}
            for part in parts:
                part.replace(self._path / part.name)
            for old in self._old:
                if old.path not in final:
                    old.path.unlink()
            shutil.rmtree(self.draft, ignore_errors=True)
            (self._path / _SUCCESS).touch()
        except OSError as error:
            raise _cannot_write(self._path, error) from error


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: cannot be written ({error.strerror}).", "Check the rights and the free space there."
    )


def _comparable(facts: Mapping[str, Any]) -> str:
    return json.dumps({name: fact for name, fact in facts.items() if name not in _ANYWHERE}, sort_keys=True)
