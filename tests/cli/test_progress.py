"""What is shown while a command works: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Iterator

import pytest

from qgbatch.cli import progress as progress_module
from qgbatch.cli.logs import set_up_logging
from qgbatch.cli.progress import Progress
from qgbatch.cli.summary import chunks_done
from qgbatch.pipeline.run_report import RunReport


class Terminal(io.StringIO):
    """Of 80 columns; knows what its lines show."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        shown = []
        for text in self.getvalue().split("\n"):
            line = ""
            for part in text.split("\r"):
                line = part + line[len(part) :]
            shown.append(line.rstrip())
        return shown


@contextlib.contextmanager
def shown_on(stream: io.StringIO) -> Iterator[Progress]:
    """The progress of a command whose standard error is a stream."""
    with contextlib.redirect_stderr(stream):
        set_up_logging("text", quiet=False, verbose=False)
        with contextlib.closing(Progress(quiet=False, log_format="text")) as progress:
            yield progress
    set_up_logging("text", quiet=False, verbose=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which tests set."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_terminal_shows_a_bar_from_the_start() -> None:
    with shown_on(terminal := Terminal()) as progress:
        assert terminal.lines() == ["  0%|                | starting [00:00]"]
        progress(0.5, "10 chunks")
        assert terminal.lines() == [" 50%|########        | 10 chunks [00:00]"]
    assert terminal.lines() == [""]


def test_lines_are_written_above_the_bar() -> None:
    with shown_on(terminal := Terminal()):
        logging.getLogger("qgbatch").warning("a document failed")
        assert terminal.lines() == [
            "qgbatch: warning: a document failed",
            "  0%|                | starting [00:00]",
        ]
    assert terminal.lines() == ["qgbatch: warning: a document failed", ""]


def test_time_left_is_that_of_the_work_without_the_start(clock: list[float]) -> None:
    with shown_on(terminal := Terminal()) as progress:
        clock[0] += 100  # loading
        progress(0.2, "20 chunks")
        assert "left" not in terminal.lines()[0]
        clock[0] += 10
        progress(0.4, "12,340 chunks, 102.3 chunks/s")
        (line,) = terminal.lines()
        assert line.startswith(" 40%|######4         | 12,340 chunks, 102.3 chunks/s, 0:00:30 left [")
        assert len(line) < 80


def test_elsewhere_lines_tell_the_last_progress(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module, "_SECONDS_BETWEEN_LINES", 0.01)
    with shown_on(log := io.StringIO()) as progress:
        while not log.getvalue():
            pass
        progress(0.1, "10 chunks")
        clock[0] += 20
        progress(0.3, "30 chunks")
        n_before = log.getvalue().count("\n")
        while log.getvalue().count("\n") < n_before + 2:  # the next line may have begun before
            pass
    assert log.getvalue().startswith("qgbatch: 0 %, starting\n")
    assert log.getvalue().endswith("qgbatch: 30 %, 30 chunks, 0:01:10 left\n")


def test_a_rate_is_told_of_what_was_generated_alone() -> None:
    report = RunReport(n_generated=20, n_reused=5)
    report.seconds["generate"] = 4.0
    assert chunks_done(report) == "25 chunks, 5.0 chunks/s"
    report.n_generated = 0
    assert chunks_done(report) == "5 chunks"
