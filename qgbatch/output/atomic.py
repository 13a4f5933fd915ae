"""Writing an output: atomic replacement of files, locks, and a standard output that carries only data."""

from __future__ import annotations

import glob
import hashlib
import io
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout, lock_descriptor
from typing_extensions import Buffer

from qgbatch.errors import LockedError, OutputError, name_setting
from qgbatch.output.remote import is_uri, local_path, upload_to

STDOUT = "-"
"""The name of an output that stands for standard output."""
_FILE_MODE = 0o666
"""The permissions of a new file, of which the umask takes some away."""


@contextmanager
def open_output(output: str, wait_lock: float = 0.0) -> Iterator[IO[bytes]]:
    """Open the output of a run for writing.

    A file is locked and then replaced as by :func:`replace_file`. The lock prevents a second
    run on the same output from repeating the work and replacing the result. URIs, pipes
    and devices are not locked.

    Args:
        output: A path, a URI, or ``-`` for standard output. A ``file://`` URI is a path.
        wait_lock: Seconds to wait while another run holds the lock.

    Raises:
        LockedError: Another run holds the lock.
        OutputError: The output cannot be written.
    """
    output = local_path(output)
    if output == STDOUT:
        with _reserve_stdout_for_data() as stream:
            yield stream
    elif is_uri(output):
        with upload_to(output) as stream:
            yield stream
    elif os.path.exists(output) and not os.path.isfile(output):
        with replace_file(Path(output)) as stream:
            yield stream
    else:
        with lock_output(Path(output), wait_lock), replace_file(Path(output)) as stream:
            yield stream


@contextmanager
def replace_file(path: Path, *, remove_leftovers: bool = True) -> Iterator[IO[bytes]]:
    """Replace a file atomically with what is written to the stream.

    The stream writes to a partial file in the same directory. When the block ends, the
    partial file is synced to disk and renamed; if the block raises an error, the partial
    file is removed and an existing file stays as it is. Symbolic links are followed. A pipe
    or a device is written to directly.

    Args:
        path: The file.
        remove_leftovers: Whether to remove its partial files of processes that were killed. This
            reads the whole directory, which is too much for each of many files in it.

    Raises:
        OutputError: The path is a directory, or its directory is missing, full or read-only.
    """
    # os.path returns False where Path raises an error, for example for a name that is too long.
    if os.path.isdir(path):
        raise OutputError(f"{path}: is a directory.", "Name a file in it.")
    is_special = os.path.exists(path) and not os.path.isfile(path)
    target = path if is_special else Path(os.path.realpath(path))
    try:
        if is_special:
            partial, raw = target, _OutputFile(target, "wb", path)
        else:
            if remove_leftovers:
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
            with suppress(OSError):  # no file to replace, or a file system without permissions
                shutil.copymode(target, partial)
            _rename(partial, target)
    finally:
        if not is_special:
            partial.unlink(missing_ok=True)


@contextmanager
def open_temporary_file() -> Iterator[IO[bytes]]:
    """Open a temporary file for writing and reading; it is removed after the block.

    Raises:
        OutputError: The directory for temporary files is missing, full or read-only.
    """
    try:
        directory = tempfile.gettempdir()
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    except OSError as error:
        raise OutputError(
            f"No directory for temporary files can be used ({error}).",
            "Set TMPDIR to a writable directory.",
        ) from error
    with io.BufferedRandom(_OutputFile(descriptor, "r+b", directory)) as stream:
        yield stream


@contextmanager
def _reserve_stdout_for_data() -> Iterator[IO[bytes]]:
    """Open standard output for data; anything that libraries print goes to standard error."""
    stdout = sys.stdout
    if stdout is None:
        raise OutputError("Standard output is closed.", "Write to a file with -o.")
    with redirect_stdout(sys.stderr):
        try:
            descriptor = stdout.fileno()
        except OSError:  # sys.stdout was replaced by a stream without a file descriptor
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


def _hidden_sibling(target: Path, ending: str) -> Path:
    """The path of a hidden file in the same directory that belongs to this target only.

    The name is cut and a hash is added, because the full name may be too long to extend.
    """
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    return target.with_name(f".{target.name[:50]}.{digest}.{ending}")


@contextmanager
def lock_output(path: Path, wait_lock: float) -> Iterator[None]:
    """Hold the lock of an output during the block.

    Args:
        path: The output.
        wait_lock: Seconds to wait while another run holds the lock.

    Raises:
        LockedError: Another run holds the lock.
        OutputError: The lock file cannot be created.
    """
    target = Path(os.path.realpath(path))
    lock_file = _hidden_sibling(target, "lock")
    lock = FileLock(lock_file, timeout=wait_lock)
    try:
        if not target.parent.is_dir():  # FileLock would create it
            raise FileNotFoundError
        lock.acquire()
    except Timeout as error:
        raise LockedError(
            f"{path}: another run is writing it.",
            f"Try again later, or wait with {name_setting('wait_lock')}.",
        ) from error
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            # Deleted before the lock is released: a waiting run sees that and creates a new lock file.
            lock_file.unlink()
        lock.release()


def _open_partial(target: Path, path: Path) -> tuple[Path, _OutputFile]:
    """Create a partial file beside the target. It is locked while open; without a lock it is a leftover."""
    mode = _FILE_MODE
    with suppress(OSError):  # no file to replace
        # What is not complete must not be readable by more users.
        mode &= 0o600 | target.stat().st_mode
    while True:
        partial = _hidden_sibling(target, f"{secrets.token_hex(4)}.partial")
        raw = _OutputFile(partial, "xb", path, opener=lambda file, flags: os.open(file, flags, mode))
        with suppress(OSError):  # a file system without locks, where leftover files are not removed
            if not lock_descriptor(raw.fileno(), blocking=False) or not partial.exists():
                raw.close()  # another process took the file for a leftover before it was locked
                continue
        return partial, raw


def _remove_leftovers(target: Path) -> None:
    """Remove the partial files of this target that no running process has locked."""
    for leftover in target.parent.glob(glob.escape(_hidden_sibling(target, "").name) + "*.partial"):
        with suppress(OSError):
            with leftover.open("r+b") as file:
                if not lock_descriptor(file.fileno(), blocking=False):
                    continue
                with suppress(OSError):
                    leftover.unlink()  # under the lock, so that its owner cannot lock it in between
            leftover.unlink()  # for systems that cannot remove an open file


class _OutputFile(io.FileIO):
    """A file whose errors name the output instead of the partial file."""

    def __init__(
        self,
        file: Path | int,
        mode: str,
        target: Path | str,
        opener: Callable[[str, int], int] | None = None,
    ) -> None:
        super().__init__(file, mode, opener=opener)
        self._target = target

    def write(self, data: Buffer) -> int:
        """Write bytes.

        Raises:
            BrokenPipeError: The reader has closed the pipe, which is not an error of the output.
            OutputError: The file cannot be written.
        """
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _cannot_write(self._target, error) from error

    def sync(self) -> None:
        """Flush the file to disk.

        Raises:
            OutputError: The file cannot be written.
        """
        try:
            os.fsync(self.fileno())
        except OSError as error:
            raise _cannot_write(self._target, error) from error


def _rename(partial: Path, target: Path) -> None:
    """Rename the partial file to the target, and make the rename durable."""
    try:
        partial.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    with suppress(OSError):  # some file systems cannot sync a directory; the file is in place
        _sync_directory(target.parent)


def _cannot_open(path: Path, error: OSError) -> OutputError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return OutputError(
            f"{path}: {path.parent} is not a directory.", "Create the directory, or choose another one."
        )
    return _cannot_write(path, error)


def _cannot_write(target: Path | str, error: OSError) -> OutputError:
    return OutputError(
        f"{target}: cannot be written ({error.strerror or error}).",
        "Check the permissions and the free space; an existing file was not changed.",
    )


def _sync_directory(directory: Path) -> None:
    """Make a rename survive a power cut, on systems that can sync a directory (not Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
