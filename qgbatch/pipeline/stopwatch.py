"""Wall time per stage of a run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(slots=True)
class Stopwatch:
    """Adds up the wall time of nested stages, each without the time of the stages inside it."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Wall time per stage. ``total`` is the whole run. ``read`` and ``chunk`` run in a thread beside
    the other stages; ``wait`` is how long the others waited for that thread."""
    _running: list[str] = field(default_factory=list, repr=False)
    _since: float = 0.0

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of a block to a stage, except the time of stages measured inside it."""
        self._pass_time()
        self._running.append(stage)
        try:
            yield
        finally:
            self._pass_time()
            self._running.pop()

    @contextmanager
    def measure_total(self) -> Iterator[None]:
        """Set ``total`` to the time of a block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds["total"] = time.perf_counter() - start

    def measure_items(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items, adding the time that each takes to arrive to a stage."""
        iterator = iter(items)
        while True:
            with self.measure(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def _pass_time(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now
