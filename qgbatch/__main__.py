"""``qgbatch`` and ``python -m qgbatch``."""

from __future__ import annotations

import atexit
import logging
import os
import sys

from qgbatch.errors import ExitCode


def entry() -> None:
    """Run the command; when interrupted, leave at once.

    Else the engine's threads would first finish their batches, which with a large model
    takes minutes, and nobody waits for them.
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
