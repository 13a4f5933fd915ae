"""Making things in a thread of their own, ahead of who takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")

_LOOK_S = 0.1
"""Between looks whether what is made is still wanted."""


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def prefetch(items: Iterable[Item], n_ahead: int) -> Iterator[Item]:
    """Yield items in order while a thread makes up to ``n_ahead`` of the following ones.

    An error in making one is raised where that one would have come. Once this iterator is
    closed, or the program ends, the thread stops at its next item.
    """
    made: Queue[Item | _End] = Queue(n_ahead)
    is_closed = threading.Event()

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:
            put(_End(error))
        else:
            put(_End())

    def put(item: Item | _End) -> bool:
        while not is_closed.is_set() and threading.main_thread().is_alive():
            try:
                made.put(item, timeout=_LOOK_S)
            except Full:
                continue
            return True
        return False

    threading.Thread(target=make, name="read-ahead").start()
    try:
        while not isinstance(item := made.get(), _End):
            yield item
    finally:
        is_closed.set()
    if item.error:
        raise item.error
