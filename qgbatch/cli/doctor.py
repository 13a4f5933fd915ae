"""``qgbatch doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qgbatch.cli.config import config_option, preset_option
from qgbatch.cli.console import Console, console_options
from qgbatch.cli.logs import LogFormat, on_one_line
from qgbatch.cli.options import (
    LongCommand,
    build_settings,
    option,
    settings_options,
)
from qgbatch.cli.shared_options import report_options
from qgbatch.errors import ExitCode, display
from qgbatch.output.run_facts import json_values
from qgbatch.settings import CacheSettings, FileSettings, RunnerSettings, Settings

if TYPE_CHECKING:
    from qgbatch.pipeline.doctor.findings import Finding

_EPILOG = """\b
Examples:
  qgbatch doctor
  qgbatch doctor -o /srv/questions.parquet --config nightly.toml
  qgbatch doctor --device cuda --log-format json
"""


@click.command(cls=LongCommand, epilog=_EPILOG)
# A configuration file for run may set these; they have no effect here.
@option("--inputs", multiple=True, hidden=True)
@option("--files-from", hidden=True)
@option("--dry-run", is_flag=True, hidden=True)
@settings_options(FileSettings)
@option(
    "-o",
    "--output",
    metavar="FILE",
    group="Output",
    common=True,
    help="Output to check; it is not changed.",
)
@report_options
@settings_options(Settings)
@settings_options(CacheSettings)
@settings_options(RunnerSettings)
@config_option()
@preset_option()
@console_options
def doctor(
    *,
    inputs: tuple[str, ...],
    files_from: str | None,
    dry_run: bool,
    preset: str | None,
    output: str | None,
    report: Path | None,
    failures: Path | None,
    console: Console,
    **values: Any,
) -> None:
    """Check whether a run can work, and how to fix problems.

    Give the options of the run. The command checks versions, device, engines, model, cache and outputs, and
    asks the model one question. It reads no documents and changes no output.

    Each check prints one line: ok, warning, failed or skipped, what was found, and how to fix it. The exit
    code is that of the first failed check, or 0. -q hides the checks that are ok; --log-format json prints
    one JSON object per check.
    """
    settings, files = build_settings(Settings, values), build_settings(FileSettings, values)
    cache, runner = build_settings(CacheSettings, values), build_settings(RunnerSettings, values)
    side_outputs = {name: path for name, path in (("report", report), ("failures", failures)) if path}
    console.set_up_libraries()

    from qgbatch.output.atomic import STDOUT, open_output
    from qgbatch.pipeline.doctor.diagnosis import diagnose

    exit_code = ExitCode.OK
    with open_output(STDOUT) as stream:
        for finding in diagnose(settings, files, cache, runner, output, side_outputs):
            exit_code = exit_code or finding.exit_code
            if finding.status != "ok" or not console.quiet:
                stream.write(_line(finding, console.log_format))
                stream.flush()
    click.get_current_context().exit(exit_code)


def _line(finding: Finding, log_format: LogFormat) -> bytes:
    if log_format == "json":
        values = json_values(finding)
        del values["exit_code"]
        text = json.dumps(values)
    else:
        what = on_one_line(f"{finding.finding} {finding.hint}".rstrip())
        text = f"{finding.status:<8} {finding.check:<12} {what}"
    return display(text).encode() + b"\n"
