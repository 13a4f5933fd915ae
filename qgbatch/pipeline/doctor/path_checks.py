"""Checks of the files that a run is given or writes to: decisions, outputs, temporary files, the cache."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import IO

from qgbatch.output.atomic import STDOUT, lock_output, open_output, open_temporary_file, replace_file
from qgbatch.output.remote import is_uri, local_path
from qgbatch.output.rows import COLUMNS
from qgbatch.output.writers import choose_format, choose_passages_format, open_writer
from qgbatch.pipeline.distributed.parts import PartsDirectory
from qgbatch.pipeline.doctor.findings import CautionError
from qgbatch.pipeline.sqlite_store import FILE_NAME, SqliteStore
from qgbatch.questions.retrieval.passage_index import PassageIndex
from qgbatch.questions.review import read_decisions
from qgbatch.settings import CacheSettings, FileSettings

_BLOCK_BYTES = 4096
"""Number of bytes that a check writes: an empty file does not show whether there is free space."""


class _DiscardError(Exception):
    """Ends the ``with`` block of an output, so that the file is not replaced."""


def check_temporary_files() -> str:
    """Check that temporary files can be written."""
    with open_temporary_file() as stream:
        stream.write(bytes(_BLOCK_BYTES))
    directory = tempfile.gettempdir()
    return f"{directory}, {_free_space(directory)}"


def check_output(output: str, files: FileSettings) -> str:
    """Check that the output of a run can be written."""
    file_format, output = choose_format(output, files.format), local_path(output)
    if output == STDOUT:
        return f"standard output, as {file_format}"

    def write(stream: IO[bytes]) -> None:
        with open_writer(stream, file_format, None, COLUMNS):
            pass

    return f"{_try_to_write(output, open_output(output), write)}, as {file_format}"


def check_passages(path: str) -> str:
    """Check that the file of ``--passages`` can be written, and that passages can be ranked."""
    choose_passages_format(path)
    found = check_output(path, FileSettings())
    if not PassageIndex.is_available():
        raise CautionError(
            f"{found}; but SQLite was built without FTS5, so bm25_rank stays empty.",
            "Use a Python whose SQLite has FTS5.",
        )
    return found


def check_decisions(path: str) -> str:
    """Check that the file of ``--review-with`` holds decisions."""
    return f"{path}, {len(read_decisions(path).by_id):,} decisions"


def check_directory(output: str) -> str:
    """Check that the output directory of a run with ``--runner ray`` can be written."""
    with lock_output(Path(output), 0.0), PartsDirectory(Path(output)):
        return f"{output} can be written, {_free_space(output)}"


def check_side_output(path: Path) -> str:
    """Check that the file of ``--report`` or ``--failures`` can be written."""
    return _try_to_write(str(path), replace_file(path), lambda stream: None)


def _try_to_write(
    output: str, opening: AbstractContextManager[IO[bytes]], write: Callable[[IO[bytes]], None]
) -> str:
    """Write a temporary file beside an output, as a run does, and discard it."""
    if is_uri(output):
        return f"{output} was not checked: a run uploads it at the end"
    if os.path.exists(output) and not os.path.isfile(output) and not os.path.isdir(output):
        return f"{output} was not checked: it is a pipe or device"
    with suppress(_DiscardError), opening as stream:
        write(stream)
        stream.write(bytes(_BLOCK_BYTES))
        stream.flush()
        raise _DiscardError
    return f"{output} can be written, {_free_space(Path(os.path.realpath(output)).parent)}"


def _free_space(directory: str | Path) -> str:
    return f"{shutil.disk_usage(directory).free / 1e9:,.1f} GB free"


def check_cache(cache: CacheSettings) -> str:
    """Check that the cache directory can be written, and that its file is a cache of qgbatch."""
    directory, limit = cache.directory, cache.max_bytes
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(_BLOCK_BYTES))
        results = directory / FILE_NAME
        if results.exists() and not os.access(results, os.W_OK):  # SQLite would open it for reading only
            raise PermissionError(errno.EACCES, f"no permission to write {FILE_NAME}")
    except OSError as error:
        reason = error.strerror or error
        raise CautionError(
            f"{directory} cannot be written ({reason}): a run works without the cache.",
            "Name another directory with --cache-dir.",
        ) from error
    if not cache.cache:
        return f"{directory}, only for converted models because of --no-cache; {_free_space(directory)}"
    with closing(SqliteStore(directory, sys.maxsize)) as store:  # no limit, so that no entry is evicted
        store.put({})
        n_entries, n_bytes = store.size()
    sizes = f"{n_bytes / 1e6:,.1f} of {limit / 1e6:,.1f} MB"
    return f"{directory}, {n_entries:,} entries, {sizes}; {_free_space(directory)}"
