"""Exit codes and the exception tree.

Every error that a user can meet carries three things: what went wrong and where
(the message), what to do next (the hint), and the exit code of the process.
"""

from __future__ import annotations

import importlib.util
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of the ``qgbatch`` command; documented in docs/exit-codes.md and stable."""

    OK = 0
    """Everything was written, or nothing had to be done."""
    BUG = 1
    """An error that qgbatch did not foresee."""
    USAGE = 2
    """Wrong command line, configuration file or setting."""
    PARTIAL = 3
    """Some documents failed; the others' questions were written, but for ``fail_fast``."""
    NO_INPUT = 4
    """Not one document could be read."""
    MODEL = 5
    """A model or an optional dependency is missing or damaged."""
    OUTPUT = 6
    """The output cannot be written; an older one is untouched."""
    LOCKED = 75
    """Another run holds this output (EX_TEMPFAIL: try again later)."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C (128 + SIGINT)."""
    TERMINATED = 143
    """Stopped by SIGTERM (128 + SIGTERM)."""


class QgbatchError(Exception):
    """Base of all errors that qgbatch foresees."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class Terminated(BaseException):
    """SIGTERM, as :class:`KeyboardInterrupt` is SIGINT."""


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code of a process that ends with this error."""
    if isinstance(error, QgbatchError):
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # whoever reads our output has enough of it
        return ExitCode.OK
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return ExitCode.TERMINATED if isinstance(error, Terminated) else ExitCode.BUG


class SettingsError(QgbatchError):
    """A setting is out of range, unknown or at odds with another one."""

    exit_code = ExitCode.USAGE


class DocumentError(QgbatchError):
    """One document cannot be used; the run goes on with the others."""

    exit_code = ExitCode.PARTIAL


class InputError(QgbatchError):
    """No document at all could be used."""

    exit_code = ExitCode.NO_INPUT


class ModelError(QgbatchError):
    """A model is missing, damaged or does not fit its tokenizer."""

    exit_code = ExitCode.MODEL


class OutputError(QgbatchError):
    """The output, the report or the failures file cannot be written."""

    exit_code = ExitCode.OUTPUT


class LockedError(QgbatchError):
    """Another run is writing this output."""

    exit_code = ExitCode.LOCKED


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
