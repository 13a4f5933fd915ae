"""Log lines on standard error, for people (text) or for machines (JSON)."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any, Literal, TextIO

from qgbatch.errors import display

logger = logging.getLogger("qgbatch")

LogFormat = Literal["text", "json"]
_CONTROL_CHARACTERS = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Characters that move the cursor, set colours or change the text direction; not line feeds."""


def set_up_logging(log_format: LogFormat, *, quiet: bool, verbose: bool) -> None:
    """Log to standard error from level INFO, with ``quiet`` from WARNING, with ``verbose`` from DEBUG."""
    handler = LogHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.captureWarnings(log_format == "json")  # of libraries; each line of the log is JSON
    logging.getLogger("py.warnings").handlers = [handler]
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


def logs_json() -> bool:
    """Whether :func:`set_up_logging` has chosen JSON."""
    return any(isinstance(handler.formatter, _JsonFormatter) for handler in logger.handlers)


def values(**entries: Any) -> dict[str, Any]:
    """The ``extra`` of a log call that adds keys to the entry in the JSON log."""
    return {"values": entries}


class _TextFormatter(logging.Formatter):
    """One line per record; only line feeds in the message template start another line.

    Line feeds and control characters in the arguments (file names, texts of documents) are escaped.
    """

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        attributes = dict(record.__dict__)
        if isinstance(record.args, tuple):
            attributes["args"] = tuple(
                arg if isinstance(arg, int | float) else on_one_line(str(arg)) for arg in record.args
            )
        text = super().format(logging.makeLogRecord(attributes))
        return f"qgbatch: {level}{_CONTROL_CHARACTERS.sub(_escaped, display(text))}"

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(f"  {line}" for line in super().formatException(ei).split("\n"))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": display(super().format(record)),
        }
        text = json.dumps(entry | getattr(record, "values", {}), ensure_ascii=False)
        return _CONTROL_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def on_one_line(text: str) -> str:
    """Escape line feeds and control characters."""
    return _CONTROL_CHARACTERS.sub(_escaped, text).replace("\n", "\\n")


def _escaped(match: re.Match[str]) -> str:
    r"""The escape sequence of the character, such as ``\x1b``."""
    return match[0].encode("unicode_escape").decode()


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes log lines above the progress bar, if there is one."""

    bar: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line where the bar was, and the bar below it."""
        if self.bar is not None:
            self.bar.clear()
        super().emit(record)
        if self.bar is not None:
            self.bar.refresh()
