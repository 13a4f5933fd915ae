"""How a check is run: what goes wrong in it is its finding."""

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
    """What one check found."""

    check: str
    status: Status
    """``warning`` where a run goes on, ``skipped`` where an earlier check has to pass first."""
    finding: str
    hint: str = ""
    """What to do next; empty where all is well."""
    exit_code: ExitCode = ExitCode.OK
    """Of a run that meets this."""


class CautionError(QgbatchError):
    """Something is wrong that a run does without."""


class Examiner:
    """Runs checks; what goes wrong in one is its finding, and the next is run."""

    def __init__(self) -> None:
        self._not_passed: set[str] = set()

    def __call__(
        self, check: str, find: Callable[[], str], *, needs: list[str] | None = None, hint: str = ""
    ) -> Finding:
        """Run a check, unless one that it needs did not pass; ``hint`` is for what a run would warn of."""
        lacking = [need for need in needs or [] if need in self._not_passed]
        if lacking:
            finding = Finding(check, "skipped", f"needs: {', '.join(lacking)}.", "See there.")
        else:
            finding = _examine(check, find, hint)
        if finding.status in ("failed", "skipped"):
            self._not_passed.add(check)
        return finding


def _examine(check: str, find: Callable[[], str], hint: str) -> Finding:
    status: Status = "ok"
    exit_code = ExitCode.OK
    with _heard_warnings() as heard:
        try:
            found = find()
        except (CautionError, LockedError) as error:
            status, found, hint = "warning", error.message, error.hint
        except Exception as error:  # whatever it is must not stop the other checks
            logger.debug("%s:", check, exc_info=True)
            status, exit_code = "failed", exit_code_of(error)
            if isinstance(error, QgbatchError):
                found, hint = error.message, error.hint
            elif isinstance(error, ImportError):
                found, hint, exit_code = f"{error}.", INSTALL, ExitCode.MODEL
            else:
                found = f"unexpected {type(error).__name__}: {error}."
                hint = "Please report it with the output of -v."
    if heard and status == "ok":
        status, found = "warning", " ".join(heard)
    elif heard:
        found = " ".join([*heard, found])
    return Finding(check, status, " ".join(found.split()), "" if status == "ok" else hint, exit_code)


@contextmanager
def _heard_warnings() -> Iterator[list[str]]:
    """Collect warnings for the finding instead of logging them."""
    heard: list[str] = []

    def is_for_the_log(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            heard.append(record.getMessage())
        return record.levelno < logging.WARNING

    handlers = logging.getLogger(qgbatch.__name__).handlers
    for handler in handlers:
        handler.addFilter(is_for_the_log)
    try:
        yield heard
    finally:
        for handler in handlers:
            handler.removeFilter(is_for_the_log)
