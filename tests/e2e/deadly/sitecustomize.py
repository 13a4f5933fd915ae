"""A process with this on its path dies where it opens ``deadly.txt``, as one that is out of memory does."""

import os
import signal
import sys
from typing import Any


def _die(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and str(arguments[0]).endswith("deadly.txt"):
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(_die)
