"""Runs a batch in halves if it does not fit into memory."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Result = TypeVar("Result")

_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|_ALLOC_FAILED")
"""What torch, CUDA (also through CTranslate2), MPS and cuBLAS say in a RuntimeError."""


def run_with_halving(
    run: Callable[[Sequence[Row]], Sequence[Result]],
    batch: Sequence[Row],
    free_memory: Callable[[], object] = lambda: None,
) -> list[Result | None]:
    """Run a batch, and split it in half as often as memory runs out.

    Args:
        run: Returns one result per row.
        batch: At least one row.
        free_memory: Called before a batch is run in halves.

    Returns:
        One result per row; ``None`` for a row that does not fit into memory by itself.
    """
    try:
        return [*run(batch)]
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        if len(batch) == 1:
            return [None]
    # Outside the handler, where the exception no longer keeps the tensors of the failed call.
    free_memory()
    half = len(batch) // 2
    logger.warning("Out of memory with a batch of %d rows: continuing with %d.", len(batch), half)
    return run_with_halving(run, batch[:half], free_memory) + run_with_halving(
        run, batch[half:], free_memory
    )
