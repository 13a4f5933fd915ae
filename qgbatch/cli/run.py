"""``qgbatch run``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qgbatch.cli.console import LogFormat, Progress, log_summary, set_up_libraries, set_up_logging
from qgbatch.cli.options import GroupedCommand, GroupedOption, config_option, pick, settings_options
from qgbatch.errors import QgbatchError
from qgbatch.records import RunReport
from qgbatch.settings import FileSettings, Settings

_EPILOG = """\b
Examples:
  qgbatch run docs/ -o questions.parquet
  qgbatch run 'docs/**/*.txt' notes.md.gz -o questions.csv --num-beams 1
  cat article.txt | qgbatch run - -o -

Every option can also come from a QGBATCH_ variable (QGBATCH_NUM_BEAMS=1) or from --config; the
command line comes first, then the variable, then the file.
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option(
    "--files-from",
    metavar="LIST",
    cls=GroupedOption,
    group="Input",
    help="File (or -) that names more inputs, one a line or NUL-separated.",
)
@settings_options(FileSettings)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    cls=GroupedOption,
    group="Output",
    help="File ending in .parquet, .csv or .jsonl, replaced as a whole; - for standard output.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    cls=GroupedOption,
    group="Output",
    help="Write counts, times, failures, model and settings of the run.",
)
@click.option(
    "--failures",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    cls=GroupedOption,
    group="Output",
    help="Write one line for each document that failed.",
)
@settings_options(Settings)
@config_option()
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    cls=GroupedOption,
    help="Lines on standard error.",
)
@click.option("-q", "--quiet", is_flag=True, cls=GroupedOption, help="Only warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, cls=GroupedOption, help="More log, and tracebacks.")
def run(
    *,
    inputs: tuple[str, ...],
    files_from: str | None,
    output: str,
    report: Path | None,
    failures: Path | None,
    log_format: LogFormat,
    quiet: bool,
    verbose: bool,
    **values: Any,
) -> None:
    """Read documents and write questions about them.

    INPUT is a .txt or .md file (also .gz), a directory, a quoted glob, or - for standard input.
    """
    set_up_logging(log_format, quiet=quiet, verbose=verbose)
    settings, files = pick(Settings, values), pick(FileSettings, values)

    from qgbatch.pipeline import run as run_pipeline
    from qgbatch.readers import read_list
    from qgbatch.writers import write_json, write_jsonl

    all_inputs = [*inputs, *(read_list(files_from) if files_from else [])]
    if not all_inputs:
        raise click.UsageError("No INPUT: name files, directories, globs, - or --files-from.")
    set_up_libraries(verbose=verbose)
    run_report = RunReport()
    progress = Progress(quiet=quiet, log_format=log_format)
    try:
        run_pipeline(all_inputs, output, settings, files, report=run_report, on_progress=progress)
    except QgbatchError as error:
        run_report.error = error
        raise
    finally:
        progress.close()
        if report:
            write_json(report, run_report.as_dict())
        if failures:
            write_jsonl(failures, map(asdict, run_report.failures))
    log_summary(run_report, output)
    click.get_current_context().exit(run_report.exit_code)
