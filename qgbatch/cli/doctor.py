"""``qgbatch doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qgbatch.cli.console import Console, LogFormat, console_options
from qgbatch.cli.options import (
    GroupedCommand,
    GroupedOption,
    config_option,
    pick,
    preset_option,
    settings_options,
    side_output_options,
)
from qgbatch.errors import ExitCode
from qgbatch.settings import CacheSettings, FileSettings, RunnerSettings, Settings

if TYPE_CHECKING:
    from qgbatch.pipeline.doctor.findings import Finding

_EPILOG = """\b
Examples:
  qgbatch doctor
  qgbatch doctor -o /srv/questions.parquet --config nightly.toml
  qgbatch doctor --device cuda --log-format json
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG)
# Two that a configuration file for run may have, and which make no difference here.
@click.option("--files-from", cls=GroupedOption, hidden=True)
@click.option("--dry-run", is_flag=True, cls=GroupedOption, hidden=True)
@settings_options(FileSettings)
@click.option(
    "-o", "--output", metavar="FILE", cls=GroupedOption, group="Output", help="See that it can be written."
)
@side_output_options
@settings_options(Settings)
@settings_options(CacheSettings)
@settings_options(RunnerSettings)
@config_option()
@preset_option()
@console_options
def doctor(
    *,
    files_from: str | None,
    dry_run: bool,
    preset: str | None,
    output: str | None,
    report: Path | None,
    failures: Path | None,
    console: Console,
    **values: Any,
) -> None:
    """Check what a run needs, and say what to do.

    Versions, device, engines, model, cache and outputs: writes a line a check to standard output, with ok,
    warning, failed or skipped, what was found, and what to do. No document is read and no output changed;
    the model is made ready as for a run.

    The options are those of qgbatch run, and mean what they mean there. The exit code is that of the first
    check that failed, as a run would end with it; 0 if there are warnings alone. With -q only what is not
    ok is shown, with --log-format json a JSON object a check.
    """
    settings, files = pick(Settings, values), pick(FileSettings, values)
    cache, runner = pick(CacheSettings, values), pick(RunnerSettings, values)
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
        values = asdict(finding)
        del values["exit_code"]
        text = json.dumps(values)
    else:
        text = f"{finding.status:<8} {finding.check:<12} {finding.finding} {finding.hint}".rstrip()
    return text.encode(errors="backslashreplace") + b"\n"  # names of files may be no text
