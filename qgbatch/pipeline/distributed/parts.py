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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from qgbatch.errors import OutputError
from qgbatch.output.atomic import replacing
from qgbatch.output.remote import is_uri, remote_file_version
from qgbatch.output.rows import Row
from qgbatch.output.writers import open_writer
from qgbatch.records import Provenance, RunFacts

FileVersion: TypeAlias = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds, or two zeros for what is no file."""

_SUCCESS = "_SUCCESS"
_DRAFT = ".parts"
_ATTEMPTS = ".attempts"
MAX_ATTEMPTS = 4
"""How many workers may die on a block, and then on each of its documents."""
_ANYWHERE = ("engine", "device", "precision")
"""Provenance that each worker determines on its own machine."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of questions, and what its metadata say."""

    path: Path
    provenance: Provenance
    columns: Sequence[str]
    documents: dict[str, FileVersion]
    """Paths of the documents that it holds the questions of, failed ones left out."""
    report: RunFacts | None
    """Counts, times and failures of its block; ``None`` for a part of deduplicated questions."""


def file_version(path: str) -> FileVersion:
    """What no one can write to a file without changing."""
    if is_uri(path):
        return remote_file_version(path)
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return 0, 0
    return status.st_size, status.st_mtime_ns


def write_part(
    directory: Path,
    name: str,
    rows: Iterable[Row],
    provenance: Provenance,
    columns: Mapping[str, str],
    *,
    documents: Mapping[str, FileVersion] | None = None,
    report: RunFacts | None = None,
) -> None:
    """Write rows as one file, whole or not at all.

    The name is hashed: the same block of documents is the same file, however often it is
    tried.

    Raises:
        OutputError: the directory cannot be written.
    """
    block = {"documents": documents or {}, "report": report.to_json() if report else {}}
    provenance = replace(provenance, extra={**provenance.extra, "block": block})
    with (
        replacing(directory / f"part-{_digest(name)}.parquet") as stream,
        open_writer(stream, "parquet", provenance, columns) as writer,
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
        values = json.loads(schema.metadata[b"qgbatch"])
        columns = [field.name for field in schema]
        block = values.pop("block")
        documents = {source: (size, time) for source, (size, time) in block["documents"].items()}
        report = RunFacts.from_json(block["report"]) if block["report"] else None
        return Part(path, Provenance.from_json(values), columns, documents, report)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{path}: is no part that qgbatch wrote ({type(error).__name__}).",
            "Move it away, or write to another directory.",
        ) from error


class PartsDirectory:
    """The output of a run in parts; while it is open, it is there.

    Raises:
        OutputError: it is a file, cannot be made, or holds Parquet files of others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.draft = path.absolute() / _DRAFT
        """Where the parts of documents are made."""
        self._old: list[Part] = []

    def __enter__(self) -> Self:
        self._old = [read_part(found) for found in sorted(self._path.glob("*.parquet"))]
        try:
            self.draft.mkdir(parents=True, exist_ok=True)
            for tally in self.draft.glob(f"*{_ATTEMPTS}"):  # of workers that were stopped with their run
                tally.unlink()
        except OSError as error:
            raise OutputError(
                f"{self._path}: is no directory that can be written ({error.strerror}).",
                "Name another one.",
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # parts that a second attempt can go on with are left there
            self.draft.rmdir()
            self._path.rmdir()

    def reuse(self, documents: Mapping[str, FileVersion], provenance: Provenance) -> list[Part]:
        """Parts that are as this run would make them; others of an earlier attempt are removed.

        A part counts if the same model and settings made it and all its documents are
        still there, unchanged.
        """
        kept: list[Part] = []
        seen: set[str] = set()
        drafts = [read_part(found) for found in sorted(self.draft.glob("*.parquet"))]
        for part in (*drafts, *self._old):
            fits = _comparable(part.provenance) == _comparable(provenance)
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


def _comparable(provenance: Provenance) -> str:
    values = {name: value for name, value in provenance.to_json().items() if name not in _ANYWHERE}
    return json.dumps(values, sort_keys=True)
