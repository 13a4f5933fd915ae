"""The options of a command that decide what it logs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

import qgbatch
from qgbatch.cli.logs import LogFormat, set_up_logging, values
from qgbatch.cli.options import option
from qgbatch.cli.progress import Progress
from qgbatch.output.run_facts import json_value

logger = logging.getLogger("qgbatch")


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
        is_eager=True,
        callback=_set_up_early,
        help="Format of log lines on standard error: text or json.",
    )
    @option("-q", "--quiet", is_flag=True, help="Log only warnings and errors.")
    @option("-v", "--verbose", is_flag=True, help="Log more details, and tracebacks.")
    @wraps(function)
    def with_console(*, log_format: LogFormat, quiet: bool, verbose: bool, **settings: Any) -> None:
        set_up_logging(log_format, quiet=quiet, verbose=verbose)
        _log_start(log_format, settings)
        function(console=Console(log_format, quiet, verbose), **settings)

    return with_console


def _set_up_early(ctx: click.Context, _: click.Parameter, log_format: LogFormat) -> LogFormat:
    """Choose the format before the other options are checked, because that may fail."""
    if not ctx.resilient_parsing:
        set_up_logging(log_format, quiet=False, verbose=False)
    return log_format


def _log_start(log_format: LogFormat, settings: dict[str, Any]) -> None:
    """Log the version, the command and its settings; people see it only with ``--verbose``."""
    command = str(click.get_current_context().info_name)
    logger.log(
        logging.INFO if log_format == "json" else logging.DEBUG,
        "qgbatch %s, %s",
        qgbatch.__version__,
        command,
        extra=values(
            version=qgbatch.__version__,
            command=command,
            settings={
                name: json_value(str(value) if isinstance(value, Path) else value)
                for name, value in settings.items()
            },
        ),
    )
