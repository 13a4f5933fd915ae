"""What the tests of hostile inputs share: directories that are too deep, and users with few rights."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NOBODY = 65534
READABLE_LEVEL = 1_100
"""Python's limit of recursion is 1,000."""
N_LEVELS = 2_100
"""Linux takes paths of 4,095 bytes."""


@contextlib.contextmanager
def deep_directory(top: Path, text: bytes) -> Iterator[str]:
    """Directories named ``d``, one inside the other, more than a path can name; gives a file's path.

    The file is deeper than Python recurses. They are removed on leaving: Python's own ways
    to do so recurse.
    """
    if sys.platform != "linux":
        pytest.skip("other systems have shorter paths")
    with contextlib.chdir(top):
        for level in range(N_LEVELS):
            if level == READABLE_LEVEL:
                Path("a.txt").write_bytes(text)
            Path("d").mkdir()
            os.chdir("d")
    path = "/".join(["d"] * READABLE_LEVEL + ["a.txt"])
    yield path
    with contextlib.chdir(top):
        Path(path).unlink()
        for _ in range(N_LEVELS):
            os.chdir("d")
        for _ in range(N_LEVELS):
            os.chdir("..")
            Path("d").rmdir()


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Root, whom no permission bit stops, becomes a user with no rights for a while."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has other rights")
    user = os.geteuid()
    if not user:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@contextlib.contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Do something over and over, in a thread, until left, or done often enough."""
    done = threading.Event()

    def work() -> None:
        for _ in range(100_000):
            if not done.is_set():
                act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
