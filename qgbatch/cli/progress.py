"""The progress of a command: a bar on a terminal, elsewhere a heartbeat in the log."""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from qgbatch.cli.logs import LogFormat, LogHandler, values
from qgbatch.pipeline.run_report import COUNT_NAMES, RunReport

logger = logging.getLogger("qgbatch")

_SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """A progress bar on a terminal. Elsewhere a thread logs a line every 30 seconds.

    The line shows that the command is at work, also while it loads a model or reads a large document.
    """

    def __init__(self, *, quiet: bool, log_format: LogFormat) -> None:
        self._first: tuple[float, float] | None = None
        """Time and share of the first call. Earlier time was spent on loading and is not counted."""
        self._last: tuple[float, str, Mapping[str, int]] = (0.0, "starting", {})
        """The arguments of the last call."""
        self._bar: Any = None
        self._is_closed = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        if sys.stderr.isatty() and log_format == "text" and not quiet:
            self._show_bar()
        else:
            self._heart.start()

    def __call__(self, share: float, text: str, counts: Mapping[str, int] | None = None) -> None:
        """Show the progress.

        Args:
            share: The share that is done, from 0 to 1.
            text: What is done.
            counts: Additional numbers for the JSON log.
        """
        self._first = self._first or (time.monotonic(), share)
        self._last = share, text, counts or {}
        if self._bar is not None:
            self._bar.n = share
            self._bar.set_description_str(f"{text}{self._time_left(share)}")

    def close(self) -> None:
        """Remove the bar from the terminal, or end the heartbeat."""
        self._is_closed.set()
        if self._bar is not None:
            _set_bar(None)
            self._bar.close()
        else:
            self._heart.join()

    def _beat(self) -> None:
        while not self._is_closed.wait(_SECONDS_BETWEEN_LINES):
            share, text, counts = self._last
            logger.info(
                "%.0f %%, %s%s",
                100 * share,
                text,
                self._time_left(share),
                extra=values(progress={"share": round(share, 4), **counts}),
            )

    def _time_left(self, share: float) -> str:
        start, first = self._first or (0.0, share)
        if share <= first:
            return ""
        return f", {duration((time.monotonic() - start) * (1 - share) / (share - first))} left"

    def _show_bar(self) -> None:
        from tqdm import tqdm

        layout = "{percentage:3.0f}%|{bar:16}| {desc} [{elapsed}]"
        self._bar = tqdm(total=1.0, bar_format=layout, file=sys.stderr, leave=False, desc="starting")
        _set_bar(self._bar)


def _set_bar(bar: Any) -> None:
    for handler in logger.handlers:
        if isinstance(handler, LogHandler):
            handler.bar = bar


def duration(seconds: float) -> str:
    """A duration in hours, minutes and seconds, such as ``0:01:10``."""
    return f"{timedelta(seconds=math.ceil(seconds))}"


def counts_of(report: RunReport) -> dict[str, int]:
    """The counts of a run so far, by their names in the report."""
    return {name: getattr(report, name) for name in COUNT_NAMES} | {"n_failed": report.n_failed}
