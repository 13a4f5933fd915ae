"""Findings: what a check reports, and how its errors and warnings become a finding."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import qgbatch
from qgbatch.errors import ExitCode, LockedError, QgbatchError, exit_code_of

logger = logging.getLogger(__name__)

Status = Literal["ok", "warning", "failed", "skipped"]

INSTALL = "Install qgbatch again: pip install -c constraints.txt ."


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    status: Status
    """``warning`` if a run would continue, ``skipped`` if a check that this one needs did not pass."""
    finding: str
    """What was found, on one line."""
    hint: str = ""
    """What to do next; empty if the status is ``ok``."""
    exit_code: ExitCode = ExitCode.OK
    """The exit code of a run with this problem."""


class CautionError(QgbatchError):
    """A problem that would not stop a run. A check raises it to report a warning."""


class Examiner:
    """Runs checks one after another. A check that fails does not stop the others."""

    def __init__(self) -> None:
        self._not_passed: set[str] = set()

    def __call__(
        self, check: str, find: Callable[[], str], *, needs: list[str] | None = None, hint: str = ""
    ) -> Finding:
        """Run a check, unless a check that it needs did not pass.

        Args:
            check: The name of the check.
            find: The check. It returns what it found, or raises an error.
            needs: Names of checks that must pass first.
            hint: What to do if the check logs a warning.
        """
        missing = [need for need in needs or [] if need in self._not_passed]
        if missing:
            finding = Finding(check, "skipped", f"needs: {', '.join(missing)}.", "Fix these first.")
        else:
            finding = _examine(check, find, hint)
        if finding.status in ("failed", "skipped"):
            self._not_passed.add(check)
        return finding


def _examine(check: str, find: Callable[[], str], hint: str) -> Finding:
    status: Status = "ok"
    exit_code = ExitCode.OK
    with _collect_warnings() as warnings:
        try:
            found = find()
        except (CautionError, LockedError) as error:
            status, found, hint = "warning", error.message, error.hint
        except Exception as error:  # no error may stop the other checks
            logger.debug("%s:", check, exc_info=True)
            status, exit_code = "failed", exit_code_of(error)
            if isinstance(error, QgbatchError):
                found, hint = error.message, error.hint
            elif isinstance(error, ImportError):
                found, hint, exit_code = f"{error}.", INSTALL, ExitCode.MODEL
            else:
                found = f"unexpected {type(error).__name__}: {error}."
                hint = "This is a bug in qgbatch. Please report it with the output of -v."
    if warnings and status == "ok":
        status, found = "warning", " ".join(warnings)
    elif warnings:
        found = " ".join([*warnings, found])
    return Finding(check, status, " ".join(found.split()), "" if status == "ok" else hint, exit_code)


@contextmanager
def _collect_warnings() -> Iterator[list[str]]:
    """Collect the warnings that qgbatch logs in the block, instead of logging them."""
    warnings: list[str] = []

    def take_warning(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            warnings.append(record.getMessage())
        return record.levelno < logging.WARNING

    handlers = logging.getLogger(qgbatch.__name__).handlers
    for handler in handlers:
        handler.addFilter(take_warning)
    try:
        yield warnings
    finally:
        for handler in handlers:
            handler.removeFilter(take_warning)
