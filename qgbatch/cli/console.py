"""Logging, progress and the summary of a command, all on standard error."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, Literal, TextIO

import click

from qgbatch.cli.options import option
from qgbatch.errors import display
from qgbatch.pipeline.run_report import RunReport

logger = logging.getLogger("qgbatch")

LogFormat = Literal["text", "json"]
_SECONDS_BETWEEN_LINES = 30.0
_MAX_FAILURES_SHOWN = 10
_CONTROL_CHARACTERS = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Characters that move the cursor, set colours or change the text direction; not line feeds."""


def set_up_logging(log_format: LogFormat, *, quiet: bool, verbose: bool) -> None:
    """Log to standard error from level INFO, with ``quiet`` from WARNING, with ``verbose`` from DEBUG."""
    handler = _Handler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


@dataclass(frozen=True)
class Console:
    """The logging options of a command."""

    log_format: LogFormat
    quiet: bool
    verbose: bool

    def set_up_libraries(self) -> None:
        """Hide the progress bars and warnings of libraries, except with ``--verbose``."""
        # Environment variables work without importing the libraries, which would take seconds.
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        if not self.verbose:
            os.environ["TRANSFORMERS_VERBOSITY"] = "error"

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Yield a progress display, and remove it at the end."""
        with closing(Progress(quiet=self.quiet, log_format=self.log_format)) as progress:
            yield progress


def console_options(function: Callable[..., None]) -> Callable[..., None]:
    """A decorator that adds the logging options, sets up logging and passes a ``console`` argument."""

    @option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        metavar="FORMAT",
        default="text",
        show_default=True,
        help="Format of log lines on standard error: text or json.",
    )
    @option("-q", "--quiet", is_flag=True, help="Log only warnings and errors.")
    @option("-v", "--verbose", is_flag=True, help="Log more details, and tracebacks.")
    @wraps(function)
    def with_console(*, log_format: LogFormat, quiet: bool, verbose: bool, **kwargs: Any) -> None:
        set_up_logging(log_format, quiet=quiet, verbose=verbose)
        function(console=Console(log_format, quiet, verbose), **kwargs)

    return with_console


class _TextFormatter(logging.Formatter):
    """One line per record; only line feeds in the message template start another line.

    Line feeds and control characters in the arguments (file names, texts of documents) are escaped.
    """

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        values = dict(record.__dict__)
        if isinstance(record.args, tuple):
            values["args"] = tuple(
                arg if isinstance(arg, int | float) else _on_one_line(str(arg)) for arg in record.args
            )
        text = super().format(logging.makeLogRecord(values))
        return f"qgbatch: {level}{_CONTROL_CHARACTERS.sub(_escaped, display(text))}"

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(f"  {line}" for line in super().formatException(ei).split("\n"))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": display(super().format(record)),
        }
        text = json.dumps(values | getattr(record, "values", {}), ensure_ascii=False)
        return _CONTROL_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _on_one_line(text: str) -> str:
    return _CONTROL_CHARACTERS.sub(_escaped, text).replace("\n", "\\n")


def _escaped(match: re.Match[str]) -> str:
    r"""The escape sequence of the character, such as ``\x1b``."""
    return match[0].encode("unicode_escape").decode()


class _Handler(logging.StreamHandler[TextIO]):
    """Writes log lines above the progress bar, if there is one."""

    bar: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.bar is not None:
            self.bar.clear()
        super().emit(record)
        if self.bar is not None:
            self.bar.refresh()


class Progress:
    """A progress bar on a terminal; elsewhere, a log line every 30 seconds."""

    def __init__(self, *, quiet: bool, log_format: LogFormat) -> None:
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        self._first: tuple[float, float] | None = None
        """Time and share of the first call. Earlier time was spent on loading and is not counted."""
        self._bar: Any = None
        if sys.stderr.isatty() and log_format == "text" and not quiet:
            self._show_bar()

    def __call__(self, share: float, text: str) -> None:
        """Show the progress: the share that is done, from 0 to 1, and a text about it."""
        self._first = self._first or (time.monotonic(), share)
        if self._bar is not None:
            self._bar.n = share
            self._bar.set_description_str(f"{text}{self._time_left(share)}")
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            logger.info("%.0f %%, %s%s", 100 * share, text, self._time_left(share))

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None:
            _set_bar(None)
            self._bar.close()

    def _time_left(self, share: float) -> str:
        start, first = self._first or (0.0, share)
        if share <= first:
            return ""
        return f", {_duration((time.monotonic() - start) * (1 - share) / (share - first))} left"

    def _show_bar(self) -> None:
        from tqdm import tqdm

        layout = "{percentage:3.0f}%|{bar:16}| {desc} [{elapsed}]"
        self._bar = tqdm(total=1.0, bar_format=layout, file=sys.stderr, leave=False, desc="starting")
        _set_bar(self._bar)


def _set_bar(bar: Any) -> None:
    for handler in logger.handlers:
        if isinstance(handler, _Handler):
            handler.bar = bar


def chunks_done(report: RunReport) -> str:
    """The number of processed chunks and the rate, such as ``120 chunks, 35.2 chunks/s``."""
    return f"{report.n_generated + report.n_reused:,} chunks{_rate(report)}"


def _rate(report: RunReport) -> str:
    seconds = report.seconds["generate"] / report.workers
    return f", {report.n_generated / seconds:,.1f} chunks/s" if report.n_generated and seconds else ""


def log_failures(report: RunReport) -> None:
    """Log the first failures as warnings, the number of further ones, and chunks in an unknown script."""
    for failure in report.failures[:_MAX_FAILURES_SHOWN]:
        logger.warning("%s", failure.message)
    if len(report.failures) > _MAX_FAILURES_SHOWN:
        n_more = len(report.failures) - _MAX_FAILURES_SHOWN
        logger.warning("... and %d more failures; --failures FILE.jsonl writes all of them.", n_more)
    if report.unknown_script_source:
        logger.warning(
            "Text in a script that the model cannot read is left out, first in %s (chunks in all: %d). "
            "Use a multilingual model for it (--model), such as a fine-tuned mT5.",
            report.unknown_script_source,
            report.omitted["unknown_script_chunks"],
        )


def log_summary(report: RunReport, output: str) -> None:
    """Log the failures as warnings, then the summary table of a run."""
    log_failures(report)
    heading = "done" if report.n_documents else "nothing done"
    log_table(_summary(report, output), {"report": report.facts().to_json()}, heading)


def _summary(report: RunReport, output: str) -> list[tuple[str, str]]:
    if not report.n_documents:
        return [*_inputs(report)[:3], ("output", f"{output} is not written: no document could be used")]
    rate = _rate(report)
    return [
        *_inputs(report),
        ("reused", f"{report.n_reused:,} chunks were in the cache"),
        ("questions", f"{report.n_written:,} of {report.n_raw:,} generated"),
        ("dropped", _counts(+report.dropped)),
        ("time", f"{report.seconds['total']:.1f} s{rate and f'{rate} while generating'}"),
        ("output", output),
    ]


def _inputs(report: RunReport) -> list[tuple[str, str]]:
    return [
        ("documents", f"{report.n_documents:,}"),
        ("failed", f"{report.n_failed:,}"),
        ("skipped", _counts(report.skipped)),
        *([("left out", _omitted(report))] if report.omitted else []),
        ("chunks", f"{report.n_chunks:,} ({report.n_hard_splits:,} cut inside a sentence)"),
    ]


def plan_table(report: RunReport, seconds: float | None) -> str:
    """The table that ``--dry-run`` prints."""
    estimate = "unknown until a first run" if seconds is None else f"about {_duration(seconds)}"
    return _table(
        [
            *_inputs(report),
            ("tokens", f"{report.n_source_tokens:,}"),
            ("reused", f"{report.n_reused:,} chunks are in the cache"),
            ("to do", f"{report.n_generated:,} chunks"),
            ("time", estimate),
        ]
    )


def _duration(seconds: float) -> str:
    return f"{timedelta(seconds=math.ceil(seconds))}"


def log_table(
    lines: Sequence[tuple[str, str]], values: Mapping[str, Any] | None = None, heading: str = "done"
) -> None:
    """Log a table of labels and values at the end of a command.

    Args:
        lines: Labels and values.
        values: Additional keys of the entry in the JSON log; by default, the table as ``summary``.
        heading: The first line of the message.
    """
    lines = [(name, display(value)) for name, value in lines]
    logger.info(
        heading + "\n%s" * len(lines),
        *_table(lines).split("\n"),
        extra={"values": {"summary": dict(lines)} if values is None else dict(values)},
    )


def _table(lines: Sequence[tuple[str, str]]) -> str:
    width = max(10, *(len(name) for name, _ in lines))
    return "\n".join(f"  {name:<{width}} {_on_one_line(value)}" for name, value in lines)


def _omitted(report: RunReport) -> str:
    """What is not in the text of the documents, such as ``14 page headers, 1 picture``."""
    names = {kind: kind.replace("_", " ") for kind in report.omitted}
    return _counts(
        {
            name.removesuffix("s" * (report.omitted[kind] == 1)): report.omitted[kind]
            for kind, name in names.items()
        }
    )


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counter.items())) or "0"
