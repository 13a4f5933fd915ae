"""The output of a distributed run: a directory of Parquet parts that readers see as one table.

Workers write the parts to the hidden subdirectory ``.parts``. At the end of the run the parts move
up, and an empty file ``_SUCCESS`` marks the table as complete. Until then, readers see the table of an
earlier run. The metadata of each part list its documents and its counts. A run that starts again
after an interruption therefore processes only documents that no part contains.
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
from qgbatch.output.atomic import replace_file
from qgbatch.output.directories import prepare_directory
from qgbatch.output.remote import is_uri, remote_file_version
from qgbatch.output.rows import Row
from qgbatch.output.run_facts import Provenance, RunFacts
from qgbatch.output.writers import open_writer

FileVersion: TypeAlias = tuple[int, int | None]
"""Size in bytes, and a number that changes with the content; ``None`` if nothing tells of a change."""

_SUCCESS = "_SUCCESS"
_DRAFT = ".parts"
_ATTEMPTS = ".attempts"
MAX_ATTEMPTS = 4
"""If this many workers die on a block (the documents of one part), its documents are tried one by one.
A document on which this many workers die again is reported as failed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A Parquet part, and what its metadata contain."""

    path: Path
    provenance: Provenance
    columns: Sequence[str]
    documents: dict[str, FileVersion]
    """Paths and versions of the documents in this part. Documents that failed are left out; a table of
    which some rows could be read before it failed has the version ``(0, None)``."""
    report: RunFacts | None
    """Counts and failures of these documents, without what differs between runs: times, and how many chunks
    the model processed. None for a part of deduplicated questions."""


def file_version(path: str) -> FileVersion:
    """Return the version of a file or URI; see :func:`is_unchanged`."""
    if is_uri(path):
        return remote_file_version(path)
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return 0, None
    # A file that replaces another one can have its time of modification, but not that of its change.
    return status.st_size, max(status.st_mtime_ns, status.st_ctime_ns)


def is_unchanged(before: FileVersion, now: FileVersion | None) -> bool:
    """Whether two versions are certain to be of the same content."""
    return before[1] is not None and before == now


def part_path(directory: Path, name: str) -> Path:
    """Return the path of the part for a block of this name."""
    return directory / f"part-{_digest(name)}.parquet"


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
    """Write rows as one part. The file appears only when it is complete.

    Args:
        directory: Where the part is written.
        name: Identifies the block. Its hash is the file name, so a second attempt at the same block
            replaces the file of the first.
        rows: The questions.
        provenance: Provenance of the run, for the metadata.
        columns: The columns and their pyarrow types.
        documents: For :attr:`Part.documents`.
        report: For :attr:`Part.report`.

    Raises:
        OutputError: The directory cannot be written.
    """
    block = {"documents": documents or {}, "report": report.to_json() if report else {}}
    # As a text in ASCII, because paths that are not valid Unicode have no place in JSON that others read.
    provenance = replace(provenance, extra={**provenance.extra, "block": json.dumps(block)})
    with (
        replace_file(part_path(directory, name), remove_leftovers=False) as stream,
        open_writer(stream, "parquet", provenance, columns) as writer,
    ):
        for row in rows:
            writer.write(row)


@contextmanager
def counted_attempt(directory: Path, name: str) -> Iterator[int]:
    """Count the attempts to process a block, including those in which a worker died.

    The count is the size of a small file, which stays behind if the worker dies in the ``with`` block
    and is removed otherwise.

    Yields:
        The number of this attempt, from 1.

    Raises:
        OutputError: The directory cannot be written.
    """
    counter = directory / f"{_digest(name)}{_ATTEMPTS}"
    try:
        with counter.open("ab") as file:
            file.write(b"|")
            number = file.tell()
    except OSError as error:
        raise _cannot_write(directory, error) from error
    try:
        yield number
    finally:
        counter.unlink(missing_ok=True)


def read_part(path: Path) -> Part:
    """Read the metadata of a part.

    Raises:
        OutputError: The file is damaged, or qgbatch did not write it.
    """
    try:
        with path.open("rb") as stream:  # pyarrow does not open a path that is not valid Unicode
            schema = pq.read_schema(stream)
        values = json.loads(schema.metadata[b"qgbatch"])
        columns = [field.name for field in schema]
        block = json.loads(values.pop("block"))
        documents = {path: (size, mark) for path, (size, mark) in block["documents"].items()}
        report = RunFacts.from_json(block["report"]) if block["report"] else None
        return Part(path, Provenance.from_json(values), columns, documents, report)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{path}: not a Parquet part that qgbatch wrote ({type(error).__name__}).",
            "Move it away, or write to another directory.",
        ) from error


def _read_part_or_none(path: Path) -> Part | None:
    with suppress(OutputError):
        return read_part(path)
    return None


class PartsDirectory:
    """The output directory of a distributed run, used in a ``with`` statement.

    Raises:
        OutputError: The directory cannot be created or written, or it contains Parquet files that
            qgbatch did not write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.draft = path.absolute() / _DRAFT
        """The directory to which workers write parts."""
        self._old: list[Part] = []

    def __enter__(self) -> Self:
        found = {path: _read_part_or_none(path) for path in sorted(self._path.glob("*.parquet"))}
        command = "qgbatch run --runner ray"
        prepare_directory(self._path, found, lambda path: found[path] is not None, command)
        self._old = [part for part in found.values() if part]
        try:
            self.draft.mkdir(exist_ok=True)
            for counter in self.draft.glob(f"*{_ATTEMPTS}"):  # of workers that were killed with their run
                counter.unlink()
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # not empty: the next run can reuse the parts
            self.draft.rmdir()
            self._path.rmdir()

    def reuse(self, documents: Mapping[str, FileVersion], provenance: Provenance) -> list[Part]:
        """Find the existing parts that this run can keep, and delete unpublished parts that it cannot.

        A part is reused if the same model and settings wrote it and all of its documents are inputs of
        this run that have not changed since.

        Args:
            documents: Paths and current versions of all documents of this run.
            provenance: Provenance of this run.
        """
        reused: list[Part] = []
        done: set[str] = set()
        drafts = [read_part(path) for path in sorted(self.draft.glob("*.parquet"))]
        for part in (*drafts, *self._old):
            has_same_origin = part.provenance.origin == provenance.origin
            is_current = all(
                is_unchanged(version, documents.get(path)) for path, version in part.documents.items()
            )
            if has_same_origin and is_current and part.documents and done.isdisjoint(part.documents):
                reused.append(part)
                done.update(part.documents)
            elif part.path.parent == self.draft:
                part.path.unlink()
        return reused

    def finish(self, paths: Sequence[Path]) -> None:
        """Make these parts the whole table, and remove all others.

        Raises:
            OutputError: The directory cannot be written.
        """
        try:
            (self._path / _SUCCESS).unlink(missing_ok=True)
            final = {self._path / path.name for path in paths}
            for path in paths:
                path.replace(self._path / path.name)
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
        f"{path}: cannot be written ({error.strerror}).", "Check the permissions and the free space there."
    )
