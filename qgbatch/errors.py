"""Exit codes and exceptions.

Every error that a user can meet has a message (what happened, and where), a hint (what to do
next) and the exit code of the process.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

logger = logging.getLogger(__name__)

_names_options = False
"""Whether messages are for users of the command, who know settings as options."""


class ExitCode(IntEnum):
    """Exit status of the ``qgbatch`` command. The codes are stable and documented in docs/exit-codes.md."""

    OK = 0
    """Everything was written, or there was nothing to do."""
    BUG = 1
    """An unexpected error: a bug in qgbatch."""
    USAGE = 2
    """The command line, the configuration file or a setting is wrong."""
    PARTIAL = 3
    """Some documents failed; the questions of the others were written, except with ``fail_fast``."""
    NO_INPUT = 4
    """No document could be read."""
    MODEL = 5
    """A model or an optional dependency is missing or damaged."""
    OUTPUT = 6
    """The output cannot be written; an existing output is unchanged."""
    LOCKED = 75
    """Another run writes this output (EX_TEMPFAIL: try again later)."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C (128 + SIGINT)."""
    TERMINATED = 143
    """Stopped by SIGTERM (128 + SIGTERM)."""


def display(name: str) -> str:
    r"""A file name, or a text that contains one, as valid Unicode.

    Bytes that are not UTF-8, which Python represents by surrogates, become escapes.

    >>> display("a\udcff.txt")
    'a\\xff.txt'
    """
    try:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:  # another surrogate, which no file name contains
        return name.encode(errors="backslashreplace").decode()


class QgbatchError(Exception):
    """Base class of all expected errors.

    Args:
        message: What happened, and where. Like the hint, it may contain any file name; see :func:`display`.
        hint: What to do next.
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = display(message)
        self.hint = display(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the message and the hint."""
        return f"{self.message} {self.hint}".rstrip()


@contextmanager
def naming_options() -> Iterator[None]:
    """Within this block, messages name settings as command-line options, in all threads."""
    global _names_options
    before, _names_options = _names_options, True
    try:
        yield
    finally:
        _names_options = before


def option_name(name: str) -> str:
    """The command-line option of a setting: ``num_beams`` becomes ``--num-beams``."""
    return "--" + name.replace("_", "-")


def name_setting(name: str, value: object = ...) -> str:
    """Write a setting as the reader of a message would write it, with a value or without.

    In Python this is ``num_beams`` or ``num_beams=4``. Within :func:`naming_options` it is
    ``--num-beams`` or ``--num-beams 4``.
    """
    if not _names_options:
        return name if value is ... else f"{name}={value!r}"
    if value is ... or isinstance(value, bool):
        return option_name(f"no_{name}" if value is False else name)
    values = value if isinstance(value, tuple) else (value,)
    return " ".join(f"{option_name(name)} {each}" for each in values)


class Terminated(BaseException):
    """The process received SIGTERM, as :class:`KeyboardInterrupt` stands for SIGINT."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code of a process that ends with this error."""
    if isinstance(error, QgbatchError):
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # the reader of stdout closed it
        return ExitCode.OK
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return ExitCode.TERMINATED if isinstance(error, Terminated) else ExitCode.BUG


class SettingsError(QgbatchError):
    """A setting is out of range, unknown or contradicts another one."""

    exit_code = ExitCode.USAGE


class DocumentError(QgbatchError):
    """One document cannot be used; the run continues with the others."""

    exit_code = ExitCode.PARTIAL


class InputError(QgbatchError):
    """No document could be used."""

    exit_code = ExitCode.NO_INPUT


class ModelError(QgbatchError):
    """A model or package is missing, damaged, or does not fit the others."""

    exit_code = ExitCode.MODEL


class OutputError(QgbatchError):
    """The output, the report or the failures file cannot be written."""

    exit_code = ExitCode.OUTPUT


class LockedError(QgbatchError):
    """Another run is writing this output."""

    exit_code = ExitCode.LOCKED


def describe_error(source: str, error: Exception) -> str:
    """The message for a document that failed.

    Only a :class:`QgbatchError` is an expected error. For any other the message names the
    class, and the traceback is logged at debug level: a bug must leave a trace.
    """
    if isinstance(error, QgbatchError):
        return str(error)
    logger.debug("%s: unexpected error", source, exc_info=error)
    reason = display(f"{type(error).__name__}: {error}".removesuffix(": "))
    where = "Run again with -v" if _names_options else "Set the logger qgbatch to DEBUG"
    return f"{source}: unexpected {reason}. {where} to see where, and report it as a bug."


def require_package(module: str, needed_by: str, extra: str | None = None) -> None:
    """Check that an optional package is installed; nothing is imported.

    Args:
        module: The name under which the package is imported.
        needed_by: What needs it; the message begins with this.
        extra: The extra of qgbatch that installs it. Without one, pip knows the package as ``module``.

    Raises:
        ModelError: the package is missing; the hint is the command that installs it.
    """
    if importlib.util.find_spec(module) is None:
        requirement = f"'qgbatch[{extra}]'" if extra else module
        raise ModelError(
            f"{needed_by} needs the package {module}.", f"Install it: pip install {requirement}"
        )
