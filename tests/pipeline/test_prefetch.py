"""Prefetching items in a background thread."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from qgbatch.pipeline.prefetch import prefetch

PATIENCE_S = 30


def test_items_are_yielded_in_order_and_prefetched_up_to_the_limit() -> None:
    taken = 0

    def items() -> Iterator[int]:
        for number in range(50):
            # Besides the 3 items in the queue, the producer and the consumer may each hold one.
            assert number <= taken + 3 + 2
            yield number

    for number, item in enumerate(prefetch(items(), 3)):
        assert item == number
        taken += 1
    assert taken == 50


def test_items_are_produced_before_they_are_taken() -> None:
    third_is_requested = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        yield 2
        third_is_requested.set()
        yield 3

    prefetched = prefetch(items(), 2)
    assert next(prefetched) == 1
    assert third_is_requested.wait(PATIENCE_S)
    assert list(prefetched) == [2, 3]


def test_an_error_is_raised_in_place_of_its_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second item")

    prefetched = prefetch(items(), 5)
    assert next(prefetched) == 1
    with pytest.raises(ValueError, match="no second item"):
        next(prefetched)


def test_the_thread_stops_when_the_iterator_is_closed() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    prefetched = prefetch(endless(), 1)
    next(prefetched)
    prefetched.close()  # type: ignore[attr-defined]
    end = time.monotonic() + PATIENCE_S
    while any(thread.name == "prefetch" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_thread_does_not_keep_a_finished_program_running() -> None:
    program = (
        "from itertools import count\n"
        "from qgbatch.pipeline.prefetch import prefetch\n"
        "prefetched = prefetch(count(), 2)\n"
        "print(next(prefetched))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
