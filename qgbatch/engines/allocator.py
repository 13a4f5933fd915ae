"""Keeps memory that the engine frees, where the C library would give it back to the system."""

from __future__ import annotations

import ctypes
import logging
import os

logger = logging.getLogger(__name__)

_MIB = 1 << 20
_THRESHOLDS = {
    "M_MMAP_THRESHOLD": (-3, 32 * _MIB),
    "M_TRIM_THRESHOLD": (-1, 64 * _MIB),
    "M_TOP_PAD": (-2, 64 * _MIB),
}
"""Parameters of glibc's ``mallopt`` with their values in bytes.

64 MiB is the size of a heap of a thread: glibc then never finds that a heap has enough room to give up the
next one. The values only work together, because setting one of them ends glibc's own adjustment of all.
"""


def keep_freed_memory() -> None:
    """Let glibc keep the memory that is freed from now on. Does nothing with another C library.

    Without this, the threads of an engine return the memory of each batch, and the system clears the same
    pages for the next one. Call it after the model is loaded, so that what loading needed is returned.
    """
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return
    mallopt = ctypes.CDLL(None).mallopt
    done = [name for name, (parameter, n_bytes) in _THRESHOLDS.items() if mallopt(parameter, n_bytes)]
    logger.debug(
        "glibc keeps freed memory: %s",
        ", ".join(f"{name} {_THRESHOLDS[name][1] // _MIB} MiB" for name in done),
    )
