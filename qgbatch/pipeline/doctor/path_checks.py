"""Checks of the places that a run writes to."""

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

from qgbatch.output.atomic import STDOUT, open_output, open_temporary_file, replacing
from qgbatch.output.remote import is_uri
from qgbatch.output.rows import COLUMNS
from qgbatch.output.writers import choose_format, open_writer
from qgbatch.pipeline.distributed.parts import PartsDirectory
from qgbatch.pipeline.doctor.findings import CautionError
from qgbatch.pipeline.sqlite_store import FILE_NAME, SqliteStore
from qgbatch.settings import CacheSettings, FileSettings

_BLOCK_BYTES = 4096
"""Written to see that there is space: an empty file takes none."""


class _DroppedError(Exception):
    """Ends the block of an output that is not to be replaced."""


def check_temporary_files() -> str:
    """There is a directory for temporary files, and space in it."""
    with open_temporary_file() as stream:
        stream.write(bytes(_BLOCK_BYTES))
    directory = tempfile.gettempdir()
    return f"{directory}, {_free(directory)}"


def check_output(output: str, files: FileSettings) -> str:
    """The output of a run can be written."""
    file_format = choose_format(output, files.format)
    if output == STDOUT:
        return f"standard output, as {file_format}"

    def write(stream: IO[bytes]) -> None:
        with open_writer(stream, file_format, None, COLUMNS):
            pass

    return f"{_try(output, open_output(output), write)}, as {file_format}"


def check_directory(output: str) -> str:
    """The output of a run with ``--runner ray`` can be written."""
    with PartsDirectory(Path(output)):
        return f"{output} can be written, {_free(output)}"


def check_side_output(path: Path) -> str:
    """A file beside the output can be written."""
    return _try(str(path), replacing(path), lambda stream: None)


def _try(
    output: str, opening: AbstractContextManager[IO[bytes]], write: Callable[[IO[bytes]], None]
) -> str:
    """Write beside an output, and drop it."""
    if is_uri(output):
        return f"{output} is left alone: a run sends it in one piece at its end"
    if os.path.exists(output) and not os.path.isfile(output) and not os.path.isdir(output):
        return f"{output} is a pipe or device, and left alone"
    with suppress(_DroppedError), opening as stream:
        write(stream)
        stream.write(bytes(_BLOCK_BYTES))
        stream.flush()
        raise _DroppedError
    return f"{output} can be written, {_free(Path(os.path.realpath(output)).parent)}"


def _free(directory: str | Path) -> str:
    return f"{shutil.disk_usage(directory).free / 1e9:,.1f} GB free"


def check_cache(cache: CacheSettings) -> str:
    """The cache directory can be written, and its file is ours."""
    directory, limit = cache.directory, cache.max_bytes
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(_BLOCK_BYTES))
        results = directory / FILE_NAME
        if results.exists() and not os.access(results, os.W_OK):  # SQLite would go on reading
            raise PermissionError(errno.EACCES, f"no right to write {FILE_NAME}")
    except OSError as error:
        reason = error.strerror or error
        raise CautionError(
            f"{directory} cannot be written ({reason}): a run goes on without it.",
            "Name another directory with --cache-dir.",
        ) from error
    if not cache.cache:
        return f"{directory} for converted models alone, by --no-cache; {_free(directory)}"
    with closing(SqliteStore(directory, sys.maxsize)) as store:  # so that nothing has to go
        store.put({})
        n_entries, n_bytes = store.size()
    sizes = f"{n_bytes / 1e6:,.1f} of {limit / 1e6:,.1f} MB"
    return f"{directory}, {n_entries:,} entries, {sizes}; {_free(directory)}"
