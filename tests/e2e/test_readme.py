"""Every command and every piece of Python in README.md runs."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from qgbatch.cli import main
from qgbatch.errors import ExitCode
from qgbatch.families import ModelMetadata
from qgbatch.settings import FileSettings, Settings
from qgbatch.writers import columns_of
from tests.conftest import ROOT, SAMPLES
from tests.loopback_hub import LoopbackHub, hub_environment
from tests.training import make_base, paragraphs, write_squad

ALL_COLUMNS = columns_of(with_context=True, with_answers=True)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """The lines of all shell blocks but the two of the set-up, which .ci/run runs."""
    lines = [line for block in blocks("sh")[2:] for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory to run commands in, with ``samples/`` made shorter to be quick."""
    (tmp_path / "samples").mkdir()
    for path in SAMPLES.iterdir():
        text = path.read_text(encoding="utf-8")
        (tmp_path / "samples" / path.name).write_text(text[:1500].rpartition(" ")[0], encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def hub_cache(
    tmp_path_factory: pytest.TempPathFactory,
    own_tokenizer_checkpoint: Path,
    weights_only_checkpoint: Path,
    bare_tokenizer: Path,
) -> Path:
    """A hub cache in which the ids of README.md are small checkpoints of the same layout."""
    home = tmp_path_factory.mktemp("hub")
    for name, directory in (
        ("valhalla/t5-base-e2e-qg", own_tokenizer_checkpoint),
        ("ThomasSimonini/t5-end2end-question-generation", weights_only_checkpoint),
        ("t5-base", bare_tokenizer),
    ):
        repository = home / ("models--" + name.replace("/", "--"))
        shutil.copytree(directory, repository / "snapshots" / ("0" * 40))
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0" * 40)
    return home


def run_shell(command: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **variables}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=directory, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("command", commands())
def test_a_command_runs(command: str, checkout: Path, hub_cache: Path) -> None:
    variables = {"HF_HUB_CACHE": str(hub_cache), "QGBATCH_NUM_BEAMS": "1"}
    if command.startswith("qgbatch export"):
        run_shell("qgbatch run samples/ -o questions.parquet --with-context", checkout, **variables)
    result = run_shell(command, checkout, **variables)
    assert result.returncode == 0, result.stderr
    assert "error" not in result.stderr
    if exported := re.search(r"export .*-o (\S+)", command):
        assert (checkout / exported[1] / "README.md").stat().st_size > 500
        return
    output = re.search(r"run .*-o (?!-)(\S+)(?!.*--dry-run)", command)
    assert (checkout / output[1]).stat().st_size > 500 if output else result.stdout


def test_the_cron_line_runs(checkout: Path) -> None:
    (block,) = blocks("crontab")
    command = block.split(maxsplit=5)[5]
    command = command.replace("/opt/qgbatch/bin/qgbatch", "qgbatch").replace("/srv/docs", "samples")
    command = command.replace("/srv/", "")
    result = run_shell(command, checkout)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    report = json.loads((checkout / "questions.report.json").read_text())
    assert report["n_written"] > 0
    fields = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", README.split("### The report")[1], re.MULTILINE)
    assert re.findall(r"\w+", " ".join(fields)) == list(report)
    (checkout / "samples" / "empty.txt").touch()
    result = run_shell(command, checkout)
    assert result.stdout == "qgbatch ended with exit code 3, see questions.log\n"
    lines = (checkout / "questions.log").read_text().splitlines()
    assert any("empty.txt" in json.loads(line)["message"] for line in lines)


def test_the_service_runs_when_its_timer_says(checkout: Path) -> None:
    service, timer = (configparser.ConfigParser(interpolation=None) for _ in range(2))
    for parser in (service, timer):
        parser.optionxform = str  # type: ignore[assignment,method-assign]
    for parser, block in zip((service, timer), blocks("ini"), strict=True):
        parser.read_string(block)
    command = service["Service"]["ExecStart"].replace("/opt/qgbatch/bin/qgbatch", "qgbatch")
    assert service["Service"]["CacheDirectory"] == "qgbatch"
    command = command.replace("/var/cache/qgbatch", "cache").replace("/srv/docs", "samples")
    (checkout / "questions").mkdir()
    result = run_shell(command.replace("/srv/", ""), checkout)
    assert result.returncode == 0, result.stderr
    assert (checkout / "questions" / "questions.parquet").stat().st_size > 500
    if shutil.which("systemd-analyze"):
        subprocess.run(["systemd-analyze", "calendar", timer["Timer"]["OnCalendar"]], check=True)


def test_the_container_file_installs_and_runs_what_is_there() -> None:
    (block,) = blocks("dockerfile")
    instructions = dict(line.split(maxsplit=1) for line in block.splitlines())
    assert json.loads(instructions["ENTRYPOINT"]) == ["qgbatch"]
    assert "-c /src/constraints.txt /src" in instructions["RUN"]
    assert instructions["VOLUME"] == "/cache"
    assert "QGBATCH_CACHE_DIR=/cache" in instructions["ENV"].split()


def test_the_training_runs(tmp_path: Path) -> None:
    (script,) = blocks("bash")
    write_squad(tmp_path / "train-v1.1.json", paragraphs(20))
    write_squad(tmp_path / "dev-v1.1.json", paragraphs(4, start=50))
    base = make_base(tmp_path / "base")
    with LoopbackHub() as hub:
        hub.repositories["google/flan-t5-base", "model"] = {
            path.name: path.read_bytes() for path in base.iterdir()
        }
        quick = {"QGBATCH_MAX_STEPS": "2", "QGBATCH_GRADIENT_ACCUMULATION_STEPS": "2"}
        quick |= {"OMP_NUM_THREADS": "1"}
        quick |= {"HF_HUB_OFFLINE": "0"}
        result = run_shell(script, tmp_path, **hub_environment(hub, tmp_path / "home"), **quick)
        assert result.returncode == 0, result.stderr
        (published,) = (files for (name, _), files in hub.repositories.items() if "squad-questions" in name)
    assert {"model.safetensors", "tokenizer.json", "qgbatch.json", "README.md"} <= published.keys()
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"]["validation_loss"] > 0


def test_the_python_runs(checkout: Path) -> None:
    (code,) = blocks("python")
    result = subprocess.run(
        [sys.executable, "-c", code + "\nassert len(table) == len(questions) > 0"],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_names_in_tables_and_text_exist() -> None:
    named = set(re.findall(r"`(--[a-z0-9-]+)", README))
    groups = [main, *(c for c in main.commands.values() if isinstance(c, click.Group))]
    params = [param for group in groups for command in group.commands.values() for param in command.params]
    options = {name for param in params for name in (*param.opts, *param.secondary_opts)}
    assert named <= options | {"--help"}
    columns = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \| \w+64|^\| ((?:`\w+`)) \| string", README, re.MULTILINE
    )
    assert re.findall(r"\w+", " ".join(map(" ".join, columns))) == list(ALL_COLUMNS)
    codes = re.findall(r"^\| (\d[\d, ]*) \|", README, re.MULTILINE)
    assert [int(code) for code in re.findall(r"\d+", " ".join(codes))] == list(ExitCode)


def test_stated_defaults_are_the_defaults() -> None:
    assert (Settings().model, Settings().dedupe, Settings().dedupe_scope) == ("mini", "exact", "document")
    assert FileSettings().fail_fast is False
    (metadata,) = blocks("json")
    assert ModelMetadata(**json.loads(metadata)) == ModelMetadata()
