"""The ``qgbatch`` command: words into settings, errors into exit codes, nothing else."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

import click

import qgbatch
from qgbatch.cli.run import run
from qgbatch.errors import ExitCode, QgbatchError

logger = logging.getLogger("qgbatch")


class _Cli(click.Group):
    """Gives every way a command can end its documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except QgbatchError as error:
            _show(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("qgbatch: interrupted; the old output is untouched.", err=True)
            ctx.exit(ExitCode.INTERRUPTED)
        except BrokenPipeError:
            # Who read our output has enough of it; keep Python from flushing to it again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(ExitCode.OK)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            click.echo(f"qgbatch: unexpected {type(error).__name__}: {error}", err=True)
            click.echo("  This is a bug in qgbatch: please report it with the output of -v.", err=True)
            logger.debug("", exc_info=True)
            ctx.exit(ExitCode.BUG)


def _show(error: QgbatchError) -> None:
    click.echo(f"qgbatch: error: {error.message}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


def _end_on_sigterm(signum: int, frame: FrameType | None) -> None:
    sys.exit(int(ExitCode.TERMINATED))


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(qgbatch.__version__, package_name="qgbatch")
def main() -> None:
    """Turn piles of documents into questions with a fine-tuned T5."""
    signal.signal(signal.SIGTERM, _end_on_sigterm)


main.add_command(run)
