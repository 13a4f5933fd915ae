"""The ``qgbatch`` command: turns options into settings and errors into exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

import click

import qgbatch
from qgbatch.cli.cache import cache
from qgbatch.cli.dataset import dataset
from qgbatch.cli.doctor import doctor
from qgbatch.cli.evaluate import evaluate
from qgbatch.cli.export import export_command
from qgbatch.cli.finetune import finetune
from qgbatch.cli.logs import logs_json, set_up_logging, values
from qgbatch.cli.models import models
from qgbatch.cli.report import report_command
from qgbatch.cli.review import review_command
from qgbatch.cli.run import run
from qgbatch.errors import ExitCode, QgbatchError, Terminated, exit_code_of, naming_options

logger = logging.getLogger("qgbatch")

_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


_SECTIONS: dict[str, list[click.Command]] = {
    "Generate questions": [run, doctor],
    "Review and export questions": [report_command, review_command, export_command],
    "Models and training": [models, dataset, finetune, evaluate],
    "Maintenance": [cache],
}
_EPILOG = """\b
Examples:
  qgbatch run docs/ -o questions.parquet
  qgbatch report questions.parquet -o report.html
  qgbatch export questions.parquet --to beir -o retrieval-test
"""


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
                formatter.write_dl(
                    [(str(each.name).ljust(width), each.get_short_help_str(80)) for each in commands]
                )


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


@click.group(cls=_Cli, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(qgbatch.__version__, package_name="qgbatch")
def main() -> None:
    """Generate questions about documents with a fine-tuned T5."""
    set_up_logging("text", quiet=False, verbose=False)
    for signum in _SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:  # ignored under nohup and in background jobs
            signal.signal(signum, _stop)


for _commands in _SECTIONS.values():
    for _command in _commands:
        main.add_command(_command)
