"""``qgbatch run``."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from qgbatch.cli.config import config_option, preset_option
from qgbatch.cli.console import Console, console_options
from qgbatch.cli.options import (
    LongCommand,
    build_settings,
    complete_files,
    option,
    settings_options,
)
from qgbatch.cli.progress import counts_of
from qgbatch.cli.result import print_result
from qgbatch.cli.shared_options import report_options
from qgbatch.cli.summary import chunks_done, log_failures, log_summary, plan_table
from qgbatch.errors import LockedError, SettingsError, name_setting
from qgbatch.pipeline.run_report import RunReport
from qgbatch.settings import PRESETS, CacheSettings, FileSettings, RunnerSettings, Settings

if TYPE_CHECKING:
    from qgbatch.engines.choice import LoadEngine
    from qgbatch.readers.listing import Listing

logger = logging.getLogger(__name__)

_EPILOG = """\b
Examples:
  qgbatch run docs/ -o questions.parquet
  qgbatch run articles.csv --text-column body --id-column slug -o q.jsonl
  qgbatch run 's3://library/*.pdf' -o s3://library/q.csv --preset rag-eval
  cat article.txt | qgbatch run - -o -
"""


@click.command(cls=LongCommand, epilog=_EPILOG)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...", shell_complete=complete_files)
@option(
    "--files-from",
    metavar="FILE",
    group="Input",
    help="File with more inputs, one per line or NUL-separated; - reads standard input.",
)
@settings_options(FileSettings)
@option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    group="Output",
    common=True,
    help="Output file or URI (.parquet, .csv, .jsonl); - for standard output.",
)
@report_options
@option(
    "--dry-run",
    is_flag=True,
    group="Output",
    common=True,
    help="Print what a run would do, with a time estimate.",
)
@settings_options(Settings)
@settings_options(CacheSettings)
@settings_options(RunnerSettings)
@config_option()
@preset_option()
@console_options
def run(
    *,
    inputs: tuple[str, ...],
    files_from: str | None,
    output: str,
    report: Path | None,
    failures: Path | None,
    dry_run: bool,
    preset: str | None,
    console: Console,
    **values: Any,
) -> None:
    """Generate questions about documents.

    INPUT is a document (.txt, .srt, .vtt, .md, .mdx, .rst, .html, .pdf, .docx, .epub), a table with one
    document per row (.csv, .tsv, .jsonl, .parquet), a directory, a quoted glob pattern, a URI
    (s3://...), or - for standard input. Text formats may be compressed (.gz). A --config file may hold
    the inputs.

    The first place that sets an option wins: command line, environment variable (QGBATCH_NUM_BEAMS=1),
    --config, --preset.
    """
    settings, files = build_settings(Settings, values), build_settings(FileSettings, values)
    cache, runner = build_settings(CacheSettings, values), build_settings(RunnerSettings, values)

    from qgbatch.pipeline.api import run_listing
    from qgbatch.readers.conflicts import check_output_conflicts
    from qgbatch.readers.listing import list_inputs, read_list

    inputs, files_from = _replace_inputs_of_config(inputs, files_from)
    all_inputs = [*inputs, *(read_list(files_from) if files_from else [])]
    if not all_inputs:
        raise click.UsageError("No INPUT: give files, directories, glob patterns, - or --files-from FILE.")
    side_outputs = [str(path) for path in (report, failures) if path]
    if "-" in side_outputs:
        raise click.UsageError("--report and --failures cannot write to standard output: give file names.")
    listing = list_inputs(all_inputs)
    also_read = [files_from] if files_from and files_from != "-" else []
    also_read += [files.review_with] if files.review_with else []
    passages = [files.passages] if files.passages else []
    check_output_conflicts(listing, [output, *passages, *side_outputs], also_read)
    console.set_up_libraries()
    if preset:
        values_of_preset = " ".join(name_setting(*item) for item in PRESETS[preset].items())
        logger.info("%s: %s", name_setting("preset", preset), values_of_preset)
    if dry_run:
        _print_plan(listing, settings, files, cache)
    with _reporting(report, failures) as run_report, console.progress() as progress:

        def on_progress(share: float, so_far: RunReport) -> None:
            progress(share, chunks_done(so_far), counts_of(so_far))

        if runner.runner == "ray":
            from qgbatch.pipeline.distributed.driver import run_distributed

            run_distributed(
                listing,
                output,
                settings,
                files,
                cache,
                runner,
                report=run_report,
                on_progress=on_progress,
            )
        else:
            run_listing(
                listing,
                output,
                settings,
                files,
                cache,
                report=run_report,
                on_progress=on_progress,
                **_engine_loader(),
            )
    log_summary(run_report, output)
    click.get_current_context().exit(run_report.exit_code)


def _replace_inputs_of_config(
    inputs: tuple[str, ...], files_from: str | None
) -> tuple[tuple[str, ...], str | None]:
    """Leave out what ``--config`` names if INPUT or ``--files-from`` is given in another place."""
    source_of = click.get_current_context().get_parameter_source
    names = ("inputs", "files_from")
    in_config = [name for name in names if source_of(name) is ParameterSource.DEFAULT_MAP]
    if in_config == ["inputs"] and files_from:
        return (), files_from
    if in_config == ["files_from"] and inputs:
        return inputs, None
    return inputs, files_from


def _engine_loader() -> dict[str, LoadEngine]:
    """The ``load_engine`` that a test passes as Click's object: ``main(words, obj=FakeEngine().load)``."""
    load_engine = click.get_current_context().obj
    return {"load_engine": load_engine} if load_engine else {}


def _print_plan(
    listing: Listing, settings: Settings, files: FileSettings, cache: CacheSettings
) -> NoReturn:
    from qgbatch.pipeline.dry_run import count_work

    report, seconds = count_work(listing, settings, files, cache, **_engine_loader())
    log_failures(report)
    print_result(plan_table(report, seconds))
    click.get_current_context().exit(report.exit_code)


@contextmanager
def _reporting(report: Path | None, failures: Path | None) -> Iterator[RunReport]:
    """Yield the report of a run, and write it and its failures however the run ends.

    Wrong usage and a locked output leave both files as they are. They are opened first, so that a file
    that cannot be written stops the run before it starts.
    """
    from qgbatch.output.atomic import replace_file
    from qgbatch.output.writers import json_line

    run_report = RunReport()
    with ExitStack() as files:
        report_stream = files.enter_context(replace_file(report)) if report else None
        failures_stream = files.enter_context(replace_file(failures)) if failures else None
        try:
            yield run_report
        except (LockedError, SettingsError):  # the files belong to another run: the one now, or the last
            raise
        except BaseException as error:
            run_report.error = error
        if report_stream:
            report_stream.write(
                json.dumps(run_report.facts().to_json(), ensure_ascii=False, indent=2).encode()
            )
        if failures_stream:
            failures_stream.writelines(json_line(asdict(failure)) for failure in run_report.failures)
    if run_report.error:
        raise run_report.error
