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


if __name__ == "__main__":
    entry()
