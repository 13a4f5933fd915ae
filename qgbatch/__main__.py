"""``qgbatch`` and ``python -m qgbatch``."""

from __future__ import annotations

import atexit
import io
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from qgbatch.errors import ExitCode

if TYPE_CHECKING:
    from typing_extensions import Buffer


def entry() -> None:
    """Run the command, and exit at once if it was interrupted.

    A normal exit would wait for the engine's threads to finish their batches, which takes
    minutes with a large model.
    """
    _make_stderr_reliable()
    try:
        from qgbatch.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except SystemExit as end:
        if end.code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
            atexit._run_exitfuncs()
            logging.shutdown()
            os._exit(end.code)
        raise


def _make_stderr_reliable() -> None:
    """Discard messages that cannot be written, so that the exit code does not depend on standard error.

    If standard error is closed, all messages are discarded; otherwise a file could get its descriptor.
    """
    if sys.stderr is None:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        if descriptor != 2:
            os.dup2(descriptor, 2)
            os.close(descriptor)
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    stream = io.BufferedWriter(_Messages(2, "wb", closefd=False))
    sys.stderr = io.TextIOWrapper(stream, encoding, errors="backslashreplace", line_buffering=True)


class _Messages(io.FileIO):
    """A file that loses what cannot be written to it: a full disk, or a pipe that nobody reads."""

    def write(self, data: Buffer) -> int:
        """Write bytes if possible."""
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


if __name__ == "__main__":
    entry()
