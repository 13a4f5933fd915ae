"""Prefetch the items of an iterator in a background thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")

_STOP_CHECK_S = 0.1
"""Seconds between checks whether the consumer has stopped, while the queue is full."""


@dataclass(frozen=True, slots=True)
class _End:
    """Marks the end of the items in the queue, with the error that ended them, if any."""

    error: BaseException | None = None


def prefetch(items: Iterable[Item], n_prefetched: int) -> Iterator[Item]:
    """Yield items in order while a thread produces the next ones.

    An error in ``items`` is raised in place of the item that it prevented. The thread stops
    at its next item after this iterator is closed or the main thread has ended.

    Args:
        items: The items. They are only iterated in the thread.
        n_prefetched: Maximum number of items that wait to be taken.
    """
    queue: Queue[Item | _End] = Queue(n_prefetched)
    is_closed = threading.Event()

    def produce() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:
            put(_End(error))
        else:
            put(_End())

    def put(item: Item | _End) -> bool:
        """Wait until the queue has room; ``False`` if the consumer has stopped."""
        while not is_closed.is_set() and threading.main_thread().is_alive():
            try:
                queue.put(item, timeout=_STOP_CHECK_S)
            except Full:
                continue
            return True
        return False

    threading.Thread(target=produce, name="prefetch").start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
    finally:
        is_closed.set()
    if item.error:
        raise item.error
