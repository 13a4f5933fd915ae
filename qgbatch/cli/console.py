"""What a person or a log sees: logging, progress and the summary, all on standard error."""

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

from qgbatch.cli.options import GroupedOption
from qgbatch.pipeline.run_report import RunReport

logger = logging.getLogger("qgbatch")

LogFormat = Literal["text", "json"]
_SECONDS_BETWEEN_LINES = 30.0
_FAILURES_SHOWN = 10
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that move a terminal's cursor, colour it or turn the reading order; not line feeds."""


def set_up_logging(log_format: LogFormat, *, quiet: bool, verbose: bool) -> None:
    """Log to standard error: information, with ``quiet`` warnings alone, with ``verbose`` all."""
    handler = _Handler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


@dataclass(frozen=True)
class Console:
    """What of a command's work is shown, and how."""

    log_format: LogFormat
    quiet: bool
    verbose: bool

    def set_up_libraries(self) -> None:
        """Keep the libraries' bars and advice out of the log, but for ``--verbose``."""
        # As variables, which are read when and if they are imported: that takes seconds.
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        if not self.verbose:
            os.environ["TRANSFORMERS_VERBOSITY"] = "error"

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Give a bar or lines of progress, and leave the terminal's line at the end."""
        with closing(Progress(quiet=self.quiet, log_format=self.log_format)) as progress:
            yield progress


def console_options(function: Callable[..., None]) -> Callable[..., None]:
    """A decorator that adds the options of logging, sets it up and hands on a ``console``."""

    @click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        metavar="FORMAT",
        default="text",
        show_default=True,
        cls=GroupedOption,
        help="Lines on standard error: text or json.",
    )
    @click.option("-q", "--quiet", is_flag=True, cls=GroupedOption, help="Only warnings and errors.")
    @click.option("-v", "--verbose", is_flag=True, cls=GroupedOption, help="More log, and tracebacks.")
    @wraps(function)
    def with_console(*, log_format: LogFormat, quiet: bool, verbose: bool, **kwargs: Any) -> None:
        set_up_logging(log_format, quiet=quiet, verbose=verbose)
        function(console=Console(log_format, quiet, verbose), **kwargs)

    return with_console


class _TextFormatter(logging.Formatter):
    """One line a record, and more where the code has line feeds in the message itself.

    File names, documents and checkpoints come as arguments: nothing in them makes a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        values = dict(record.__dict__)
        if isinstance(record.args, tuple):
            values["args"] = tuple(
                arg if isinstance(arg, int | float) else _on_one_line(str(arg)) for arg in record.args
            )
        return f"qgbatch: {level}{_UNSEEN.sub(_escaped, super().format(logging.makeLogRecord(values)))}"

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(f"  {line}" for line in super().formatException(ei).split("\n"))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": super().format(record),
        }
        text = json.dumps(values | getattr(record, "values", {}), ensure_ascii=False)
        return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _on_one_line(text: str) -> str:
    return _UNSEEN.sub(_escaped, text).replace("\n", "\\n")


def _escaped(match: re.Match[str]) -> str:
    r"""The character as Python writes it, such as ``\x1b``."""
    return match[0].encode("unicode_escape").decode()


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines above the bar, if one is shown."""

    bar: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.bar is not None:
            self.bar.clear()
        super().emit(record)
        if self.bar is not None:
            self.bar.refresh()


class Progress:
    """A bar with rate and time left on a terminal, a line every half minute elsewhere."""

    def __init__(self, *, quiet: bool, log_format: LogFormat) -> None:
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        self._first: tuple[float, float] | None = None
        """Time and share of the first call; what came before was loading."""
        self._bar: Any = None
        if sys.stderr.isatty() and log_format == "text" and not quiet:
            self._show_bar()

    def __call__(self, share: float, text: str) -> None:
        """Show how far the work is; ``share`` is from 0 to 1, ``text`` says what is done."""
        self._first = self._first or (time.monotonic(), share)
        if self._bar is not None:
            self._bar.n = share
            self._bar.set_description_str(f"{text}{self._left(share)}")
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            logger.info("%.0f %%, %s%s", 100 * share, text, self._left(share))

    def close(self) -> None:
        """Leave the terminal's line."""
        if self._bar is not None:
            _set_bar(None)
            self._bar.close()

    def _left(self, share: float) -> str:
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
    """How many chunks a run has done, and how fast."""
    return f"{report.n_generated + report.n_reused:,} chunks{_rate(report)}"


def _rate(report: RunReport) -> str:
    seconds = report.seconds["generate"] / report.workers
    return f", {report.n_generated / seconds:,.1f} chunks/s" if report.n_generated and seconds else ""


def log_failures(report: RunReport) -> None:
    """Log the first failures as warnings, and how many more there are."""
    for failure in report.failures[:_FAILURES_SHOWN]:
        logger.warning("%s", failure.message)
    if len(report.failures) > _FAILURES_SHOWN:
        n_more = len(report.failures) - _FAILURES_SHOWN
        logger.warning("... and %d more failures: see --failures FILE.jsonl.", n_more)


def log_summary(report: RunReport, output: str) -> None:
    """Log failures as warnings, and what was read, made, left out and how long it took."""
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
        ("failed", f"{len(report.failures):,}"),
        ("skipped", _counts(report.skipped)),
        ("chunks", f"{report.n_chunks:,} ({report.n_hard_splits:,} cut inside a sentence)"),
    ]


def plan_table(report: RunReport, seconds: float | None) -> str:
    """What a run would do, as lines for people."""
    time_left = "not known before a first run" if seconds is None else f"about {_duration(seconds)}"
    return _table(
        [
            *_inputs(report),
            ("tokens", f"{report.n_source_tokens:,}"),
            ("reused", f"{report.n_reused:,} chunks are in the cache"),
            ("to do", f"{report.n_generated:,} chunks"),
            ("time", time_left),
        ]
    )


def _duration(seconds: float) -> str:
    return f"{timedelta(seconds=math.ceil(seconds))}"


def log_table(
    lines: Sequence[tuple[str, str]], values: Mapping[str, Any] | None = None, heading: str = "done"
) -> None:
    """Log the end of a command: names, and what there is to say of them.

    ``values`` are for the JSON format, beside the message; those of the lines if not given.
    """
    logger.info(
        heading + "\n%s" * len(lines),
        *_table(lines).split("\n"),
        extra={"values": {"summary": dict(lines)} if values is None else dict(values)},
    )


def _table(lines: Sequence[tuple[str, str]]) -> str:
    width = max(10, *(len(name) for name, _ in lines))
    return "\n".join(f"  {name:<{width}} {_on_one_line(value)}" for name, value in lines)


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counter.items())) or "0"
