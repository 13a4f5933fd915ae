"""Where bytes go: files that are replaced as a whole, and a standard output of data alone."""

from __future__ import annotations

import glob
import hashlib
import io
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout, lock_descriptor
from typing_extensions import Buffer

from qgbatch.errors import LockedError, OutputError
from qgbatch.output.remote import is_uri, uploading

STDOUT = "-"


@contextmanager
def open_output(output: str, wait_lock: float = 0.0) -> Iterator[IO[bytes]]:
    """Give the stream of an output: standard output for ``-``, else as :func:`replacing` does.

    A file is locked meanwhile, so that no two runs do the same work and the later one
    does not find its output replaced; ``wait_lock`` is how many seconds to wait for it. A
    URI is not locked.

    Raises:
        LockedError: another run has it.
        OutputError: the place cannot be written.
    """
    if output == STDOUT:
        with _data_alone_on_stdout() as stream:
            yield stream
    elif is_uri(output):
        with uploading(output) as stream:
            yield stream
    elif os.path.exists(output) and not os.path.isfile(output):
        with replacing(Path(output)) as stream:
            yield stream
    else:
        with locked(Path(output), wait_lock), replacing(Path(output)) as stream:
            yield stream


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose content becomes the file's, all at once, when the block ends well.

    A link is followed. A pipe or device is written to as it is. What killed processes
    left of this file is removed.

    Raises:
        OutputError: it is a directory, or its directory is missing, full or read-only.
    """
    # os.path answers False where Path raises, as for names that are too long.
    if os.path.isdir(path):
        raise OutputError(f"{path}: is a directory.", "Name a file in it.")
    is_special = os.path.exists(path) and not os.path.isfile(path)
    target = path if is_special else Path(os.path.realpath(path))
    try:
        if is_special:
            partial, raw = target, _OutputFile(target, "wb", path)
        else:
            _remove_leftovers(target)
            partial, raw = _open_partial(target, path)
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        with io.BufferedWriter(raw) as stream:
            yield stream
            stream.flush()
            if not is_special:
                raw.sync()
        if not is_special:
            with suppress(OSError):  # there was no file, or its file system has no modes
                shutil.copymode(target, partial)
            _rename(partial, target)
    finally:
        if not is_special:
            partial.unlink(missing_ok=True)


@contextmanager
def temporary_file() -> Iterator[IO[bytes]]:
    """Give a file to write and then read, which is gone after the block.

    Raises:
        OutputError: the directory for temporary files is missing, full or read-only.
    """
    try:
        directory = tempfile.gettempdir()
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    except OSError as error:
        raise OutputError(f"No place for temporary files ({error}).", "Name one in TMPDIR.") from error
    with io.BufferedRandom(_OutputFile(descriptor, "r+b", directory)) as stream:
        yield stream


@contextmanager
def _data_alone_on_stdout() -> Iterator[IO[bytes]]:
    """Give standard output, and send to standard error what anything else prints meanwhile."""
    stdout = sys.stdout
    if stdout is None:
        raise OutputError("standard output is closed.", "Name a file with -o.")
    with redirect_stdout(sys.stderr):
        try:
            descriptor = stdout.fileno()
        except OSError:  # replaced by a caller that collects the output
            yield stdout.buffer
            return
        stdout.flush()
        raw = _OutputFile(os.dup(descriptor), "wb", "standard output")
        with io.BufferedWriter(raw) as stream:
            os.dup2(sys.stderr.fileno(), descriptor)
            try:
                yield stream
                stream.flush()
            finally:
                os.dup2(stream.fileno(), descriptor)


def _beside(target: Path, ending: str) -> Path:
    """A hidden name for this file alone; its own may be too long to add to."""
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    return target.with_name(f".{target.name[:50]}.{digest}.{ending}")


@contextmanager
def locked(path: Path, wait_lock: float) -> Iterator[None]:
    """Hold the lock of an output, waiting for it up to ``wait_lock`` seconds.

    Raises:
        LockedError: another run has it.
        OutputError: there is no place for it.
    """
    target = Path(os.path.realpath(path))
    lock_file = _beside(target, "lock")
    lock = FileLock(lock_file, timeout=wait_lock)
    try:
        if not target.parent.is_dir():  # FileLock would make it
            raise FileNotFoundError
        lock.acquire()
    except Timeout as error:
        raise LockedError(
            f"{path}: another run is writing it.", "Try again later, or wait with --wait-lock SECONDS."
        ) from error
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock_file.unlink()  # while it is held: whoever waits for it finds it gone and makes a new one
        lock.release()


def _open_partial(target: Path, path: Path) -> tuple[Path, _OutputFile]:
    """Make a file beside the target, locked while it is open: a leftover is not."""
    while True:
        partial = _beside(target, f"{secrets.token_hex(4)}.partial")
        raw = _OutputFile(partial, "xb", path)
        with suppress(OSError):  # a file system without locks; no leftover is removed there
            if not lock_descriptor(raw.fileno(), blocking=False) or not partial.exists():
                raw.close()  # another process took it for a leftover before it was locked
                continue
        return partial, raw


def _remove_leftovers(target: Path) -> None:
    for leftover in target.parent.glob(glob.escape(_beside(target, "").name) + "*.partial"):
        with suppress(OSError):
            with leftover.open("r+b") as file:
                if not lock_descriptor(file.fileno(), blocking=False):
                    continue
                with suppress(OSError):
                    leftover.unlink()  # while it is locked, or its owner might lock it now
            leftover.unlink()  # where an open file cannot be removed


class _OutputFile(io.FileIO):
    """A file that reports what goes wrong in terms of its target."""

    def __init__(self, file: Path | int, mode: str, target: Path | str) -> None:
        super().__init__(file, mode)
        self._target = target

    def write(self, data: Buffer) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:  # whoever reads has enough
            raise
        except OSError as error:
            raise _cannot_write(self._target, error) from error

    def sync(self) -> None:
        try:
            os.fsync(self.fileno())
        except OSError as error:
            raise _cannot_write(self._target, error) from error


def _rename(partial: Path, target: Path) -> None:
    try:
        partial.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    with suppress(OSError):  # the file is in place; some file systems cannot sync a directory
        _sync_directory(target.parent)


def _cannot_open(path: Path, error: OSError) -> OutputError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return OutputError(
            f"{path}: {path.parent} is not a directory.", "Make it, or write to another place."
        )
    return _cannot_write(path, error)


def _cannot_write(target: Path | str, error: OSError) -> OutputError:
    return OutputError(
        f"{target}: cannot be written ({error.strerror or error}).",
        "Check the rights and the free space there; the old file, if any, is untouched.",
    )


def _sync_directory(directory: Path) -> None:
    """Make a rename last through a power cut, where directories can be synced (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
