"""``qgbatch`` and ``python -m qgbatch``."""

from __future__ import annotations

import atexit
import logging
import os
import sys

from qgbatch.errors import ExitCode


def entry() -> None:
    """Run the command, and exit at once if it was interrupted.

    A normal exit would wait for the engine's threads to finish their batches, which takes
    minutes with a large model.
    """
    if sys.stderr is None:
        _open_stderr()
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


def _open_stderr() -> None:
    """Discard messages if standard error is closed; otherwise a file could get its descriptor."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    if descriptor != 2:
        os.dup2(descriptor, 2)
        os.close(descriptor)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    entry()
