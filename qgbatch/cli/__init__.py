"""The ``qgbatch`` command: turns options into settings and errors into exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import chain
from types import FrameType
from typing import Any

import click

import qgbatch
from qgbatch.cli.logs import logs_json, set_up_logging, values
from qgbatch.errors import ExitCode, QgbatchError, Terminated, exit_code_of, naming_options

logger = logging.getLogger("qgbatch")

_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


_SECTIONS: dict[str, dict[str, str]] = {
    "Generate questions": {
        "run": "Generate questions about documents.",
        "doctor": "Check whether a run can work, and how to fix problems.",
    },
    "Review and export questions": {
        "report": "Write an HTML page to review questions beside their text.",
        "review": "Apply the decisions of a reader to questions.",
        "export": "Convert questions to the format of another tool.",
    },
    "Models and training": {
        "models": "List the models that qgbatch knows.",
        "dataset": "Convert question data to a dataset for training or publishing.",
        "finetune": "Fine-tune a T5 to ask questions.",
        "evaluate": "Compare questions with reference questions.",
    },
    "Maintenance": {
        "cache": "Show or clear the cache.",
    },
}
"""The commands with their short help, which stands here too so that a help page imports no command."""
_EPILOG = """\b
Examples:
  qgbatch run docs/ -o questions.parquet
  qgbatch report questions.parquet -o report.html
  qgbatch export questions.parquet --to beir -o retrieval-test
"""


class _Commands(Mapping[str, click.Command]):
    """The commands by name. The module of a command is imported when the command is looked up."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in set(self):
            raise KeyError(name)
        found = vars(import_module(f"qgbatch.cli.{name}")).values()
        return next(each for each in found if isinstance(each, click.Command) and each.name == name)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(_SECTIONS.values())

    def __len__(self) -> int:
        return sum(map(len, _SECTIONS.values()))


class _Cli(click.Group):
    """Exits with the documented code for every error, and lists the commands in sections."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with naming_options():
                return super().invoke(ctx)
        except click.ClickException as error:
            if not logs_json():
                raise
            _log_error(error, error.exit_code)
            ctx.exit(error.exit_code)
        except (click.Abort, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            # The reader closed the pipe; keep Python from flushing to it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(ExitCode.OK)
        except (Exception, KeyboardInterrupt, Terminated) as error:
            exit_code = exit_code_of(error)
            _log_error(error, exit_code)
            ctx.exit(exit_code)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list of commands per section, with all texts in one column."""
        width = max(len(name) for name in self.commands)
        for heading, commands in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])


def _log_error(error: BaseException, exit_code: int) -> None:
    message, hint = _describe(error)
    is_bug = exit_code == ExitCode.BUG
    logger.error(
        "%s\n  %s" if hint else "%s%s",
        message,
        hint,
        exc_info=is_bug and logger.isEnabledFor(logging.DEBUG),
        extra=values(
            error={
                "type": type(error).__name__,
                "message": message,
                "hint": hint,
                "exit_code": int(exit_code),
            }
        ),
    )


def _describe(error: BaseException) -> tuple[str, str]:
    """The message and the hint for an error that ends a command."""
    if isinstance(error, QgbatchError):
        return error.message, error.hint
    if isinstance(error, click.ClickException):
        return error.format_message(), ""
    if isinstance(error, Exception):
        hint = "This is a bug in qgbatch. Please report it with the output of -v."
        return f"unexpected {type(error).__name__}: {error}", hint
    how = "terminated" if isinstance(error, Terminated) else "interrupted"
    advice = "To continue, run the same command again: it reuses the cache."
    return f"{how}; no output was replaced. {advice}", ""


def _stop(signum: int, frame: FrameType | None) -> None:
    """Clean up and exit on the first signal; a second signal kills the process at once."""
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_DFL)
    raise KeyboardInterrupt if signum == signal.SIGINT else Terminated


@click.group(
    cls=_Cli, commands=_Commands(), epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(qgbatch.__version__, package_name="qgbatch")
def main() -> None:
    """Generate questions about documents with a fine-tuned T5."""
    set_up_logging("text", quiet=False, verbose=False)
    for signum in _SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:  # ignored under nohup and in background jobs
            signal.signal(signum, _stop)
