"""docs/every-night.md: the cron line and the systemd units run."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
from pathlib import Path

from tests.docs.conftest import RunShell
from tests.support.pages import blocks, names_in_first_column


def test_the_cron_line_runs(checkout: Path, run_shell: RunShell) -> None:
    (block,) = blocks("every-night.md", "crontab")
    command = block.split(maxsplit=5)[5]
    command = command.replace("/opt/qgbatch/bin/qgbatch", "qgbatch").replace("/srv/docs", "samples")
    command = command.replace("/srv/", "")
    result = run_shell(command)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    report = json.loads((checkout / "questions.report.json").read_text())
    assert report["n_written"] > 0
    assert names_in_first_column("output.md", "## The report") == list(report)
    (checkout / "samples" / "empty.txt").touch()
    result = run_shell(command)
    assert result.stdout == "qgbatch ended with exit code 3, see questions.log\n"
    lines = (checkout / "questions.log").read_text().splitlines()
    assert any("empty.txt" in json.loads(line)["message"] for line in lines)


def test_a_run_with_the_configuration_file(checkout: Path, run_shell: RunShell) -> None:
    (block,) = blocks("every-night.md", "toml")
    (checkout / "c.toml").write_text(block.replace('"docs"', '"samples"'))
    (checkout / "articles").mkdir()
    (checkout / "articles" / "a.csv").write_text("body,summary\nTea is hot.,Of tea.\n")
    result = run_shell("qgbatch run -o questions.parquet --config c.toml")
    assert result.returncode == 0, result.stderr
    report = json.loads((checkout / "questions.report.json").read_text())
    assert report["n_documents"] == len(list((checkout / "samples").iterdir())) + 1
    assert (checkout / "questions.parquet").exists()


def test_the_service_runs_when_its_timer_says(
    checkout: Path, pages_home: Path, run_shell: RunShell
) -> None:
    service, timer = (configparser.ConfigParser(interpolation=None) for _ in range(2))
    for parser in (service, timer):
        parser.optionxform = str  # type: ignore[assignment,method-assign]
    for parser, block in zip((service, timer), blocks("every-night.md", "ini"), strict=True):
        parser.read_string(block)
    command = service["Service"]["ExecStart"].replace("/opt/qgbatch/bin/qgbatch", "qgbatch")
    assert service["Service"]["CacheDirectory"] == "qgbatch"
    command = command.replace("/var/cache/qgbatch", str(pages_home / "qgbatch")).replace(
        "/srv/docs", "samples"
    )
    (checkout / "questions").mkdir()
    result = run_shell(command.replace("/srv/", ""))
    assert result.returncode == 0, result.stderr
    assert (checkout / "questions" / "questions.parquet").stat().st_size > 500
    if shutil.which("systemd-analyze"):
        subprocess.run(["systemd-analyze", "calendar", timer["Timer"]["OnCalendar"]], check=True)
