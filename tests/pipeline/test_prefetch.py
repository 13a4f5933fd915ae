from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from qgbatch.pipeline.prefetch import prefetch

PATIENCE_S = 30


def test_items_come_in_order_and_never_more_than_asked_for_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        for number in range(50):
            # One may be in the hands of each side, beside those that wait between them.
            assert number <= taken + 3 + 2
            yield number

    for number, item in enumerate(prefetch(items(), 3)):
        assert item == number
        taken += 1
    assert taken == 50


def test_items_are_made_while_nobody_takes_any() -> None:
    third_is_made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        yield 2
        third_is_made.set()
        yield 3

    ahead = prefetch(items(), 2)
    assert next(ahead) == 1
    assert third_is_made.wait(PATIENCE_S)
    assert list(ahead) == [2, 3]


def test_an_error_comes_where_its_item_would_have() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    ahead = prefetch(items(), 5)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="no second"):
        next(ahead)


def test_the_thread_ends_when_nobody_wants_more() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    ahead = prefetch(endless(), 1)
    next(ahead)
    ahead.close()  # type: ignore[attr-defined]
    end = time.monotonic() + PATIENCE_S
    while any(thread.name == "read-ahead" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_program_that_ends_in_the_midst_is_not_held_up() -> None:
    program = (
        "from itertools import count\n"
        "from qgbatch.pipeline.prefetch import prefetch\n"
        "ahead = prefetch(count(), 2)\n"
        "print(next(ahead))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
