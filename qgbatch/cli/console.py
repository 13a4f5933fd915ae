"""What a person or a log sees: logging, progress and the summary, all on standard error."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Literal

from qgbatch.records import RunReport

logger = logging.getLogger("qgbatch")

LogFormat = Literal["text", "json"]
_SECONDS_BETWEEN_LINES = 30.0
_FAILURES_SHOWN = 10


def set_up_logging(log_format: LogFormat, *, quiet: bool, verbose: bool) -> None:
    """Log to standard error: information, with ``quiet`` warnings alone, with ``verbose`` all."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


def set_up_libraries(*, verbose: bool) -> None:
    """Keep the libraries' bars and advice out of the log, but for ``verbose``."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    if not verbose:
        transformers.utils.logging.set_verbosity_error()


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"qgbatch: {level}{super().format(record)}"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": super().format(record),
        }
        return json.dumps(values | getattr(record, "values", {}), ensure_ascii=False)


class Progress:
    """A bar with rate and time left on a terminal, a line every half minute elsewhere."""

    def __init__(self, *, quiet: bool, log_format: LogFormat) -> None:
        self._start = time.monotonic()
        self._next_line = self._start + _SECONDS_BETWEEN_LINES
        self._bar: Any = None
        self._use_bar = sys.stderr.isatty() and log_format == "text" and not quiet

    def __call__(self, share: float, report: RunReport) -> None:
        """Show how far the run is; ``share`` is from 0 to 1."""
        rate = report.n_chunks / max(report.seconds["generate"], 1e-9)
        if self._use_bar:
            self._update_bar(share, f"{report.n_chunks:,} chunks, {rate:,.1f} chunks/s")
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            left = (time.monotonic() - self._start) * (1 - share) / max(share, 1e-9)
            logger.info(
                "%.0f %%, %s chunks, %.1f chunks/s, about %.0f s left",
                100 * share, f"{report.n_chunks:,}", rate, left,
            )  # fmt: skip

    def close(self) -> None:
        """Leave the terminal's line."""
        if self._bar is not None:
            self._bar.close()

    def _update_bar(self, share: float, text: str) -> None:
        from tqdm import tqdm

        if self._bar is None:
            layout = "{percentage:3.0f}%|{bar:30}| {desc} [{elapsed}<{remaining}]"
            self._bar = tqdm(total=1.0, bar_format=layout, file=sys.stderr, leave=False)
            self._bar.start_t -= time.monotonic() - self._start
        self._bar.desc = text
        self._bar.n = share
        self._bar.refresh()


def log_summary(report: RunReport, output: str) -> None:
    """Log failures as warnings, and what was read, made, left out and how long it took."""
    for failure in report.failures[:_FAILURES_SHOWN]:
        logger.warning("%s", failure.message)
    if len(report.failures) > _FAILURES_SHOWN:
        n_more = len(report.failures) - _FAILURES_SHOWN
        logger.warning("... and %d more failures: see --failures FILE.jsonl.", n_more)
    logger.info("%s", _summary_table(report, output), extra={"values": {"report": report.as_dict()}})


def _summary_table(report: RunReport, output: str) -> str:
    seconds = report.seconds
    rate = report.n_chunks / seconds["generate"] if seconds["generate"] else 0.0
    lines = [
        ("documents", f"{report.n_documents:,}"),
        ("failed", f"{len(report.failures):,}"),
        ("skipped", _counts(report.skipped)),
        ("chunks", f"{report.n_chunks:,} ({report.n_hard_splits:,} cut inside a sentence)"),
        ("questions", f"{report.n_written:,} of {report.n_raw:,} generated"),
        ("dropped", _counts(report.dropped)),
        ("time", f"{seconds['total']:.1f} s, {rate:.1f} chunks/s while generating"),
        ("output", output if report.n_documents else "not written: no document could be used"),
    ]
    return "done\n" + "\n".join(f"  {name:<10} {value}" for name, value in lines)


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counter.items())) or "0"
