"""What README.md and the pages of docs/ say: every command and every piece of Python runs."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import qgbatch
from qgbatch.cli import main
from qgbatch.errors import ExitCode
from qgbatch.models.known_models import ModelMetadata
from qgbatch.output.rows import columns_of
from qgbatch.settings import FileSettings, Settings
from tests.conftest import ROOT, SAMPLES
from tests.support.loopback_hub import LoopbackHub, hub_environment
from tests.support.training import make_base, paragraphs, write_squad

DOCS = ROOT / "docs"
PAGES = {
    path.name: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
}
RUN = ("sh", "python")
"""Languages of the blocks that are run as they stand, page by page, in their order."""


def blocks(page: str, *languages: str) -> list[str]:
    """The texts of the fenced blocks in these languages; of all blocks if none is named."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    return [text for language, text in found if not languages or language in languages]


def scripts(page: str) -> list[tuple[str, str]]:
    """Languages and texts of what a page has a reader run; .ci/run runs the set-up in README.md."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in found if language in RUN][
        2 if page == "README.md" else 0 :
    ]


def commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """The ``qgbatch`` commands in all blocks and in code inside the text, with their words."""
    texts = "\n".join(blocks(page)).replace("\\\n", " ").splitlines()
    prose = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    for text in [*texts, *re.findall(r"`([^`\n]+)`", prose)]:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        try:
            words = list(lexer)
        except ValueError:  # no line of a shell
            continue
        for index, word in enumerate(words[:-1]):
            if word.rpartition("/")[2] == "qgbatch" and words[index + 1] in main.commands:
                given = words[index + 1 :]
                end = next((i for i, w in enumerate(given) if set(w) <= set("();<>|&")), len(given))
                if end < len(given) and given[end].startswith(">") and given[end - 1].isdigit():
                    end -= 1  # 2>> of a file
                yield text, given[:end]


def names_in_first_column(page: str, heading: str) -> list[str]:
    """The names in code in the first columns of the tables below a heading."""
    cells = re.findall(
        r"^\| (`[^|]*`) \|", PAGES[page].split(f"{heading}\n")[1].split("\n## ")[0], re.MULTILINE
    )
    return re.findall(r"`(\w+)", " ".join(cells))


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


@pytest.fixture(scope="module")
def pages_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the pages share: what one had the model do, the next does not do again."""
    return tmp_path_factory.mktemp("pages")


def run_shell(command: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **variables}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=directory, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("page", [page for page in PAGES if scripts(page)])
def test_what_a_page_has_a_reader_run_runs(
    page: str, checkout: Path, hub_cache: Path, pages_cache: Path
) -> None:
    quick = {
        "QGBATCH_NUM_BEAMS": "1",
        "QGBATCH_CACHE_DIR": str(pages_cache),
        "HF_HUB_CACHE": str(hub_cache),
    }
    for language, text in scripts(page):
        if language == "python":
            command = f"{shlex.quote(sys.executable)} -W error -c {shlex.quote(text)}"
        else:
            command = f"set -x\n{text}"
        result = run_shell(command, checkout, **quick)
        assert result.returncode == 0, f"{text}\n{result.stderr}"
        assert "error" not in result.stderr
        for line in text.splitlines():
            if (output := re.search(r" -o ([^-]\S+)", line)) and not re.search("--dry-run|doctor", line):
                assert list(checkout.glob(f"{output[1].rstrip('/')}*")), line


@pytest.mark.parametrize("page", PAGES)
def test_commands_have_the_options_that_they_are_given(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nightly.toml").touch()
    for text, words in commands(page):
        command: click.Command = main
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        is_sentence = f"`{text}`" in PAGES[page]  # it may leave out what goes without saying
        with contextlib.suppress(click.exceptions.Exit, *[click.MissingParameter] * is_sentence):
            command.make_context(text, [word for word in words if word != "..."])


@pytest.mark.parametrize("page", PAGES)
def test_options_that_are_named_exist(page: str) -> None:
    groups = [main, *(c for c in main.commands.values() if isinstance(c, click.Group))]
    params = [param for group in groups for command in group.commands.values() for param in command.params]
    options = {name for param in params for name in (*param.opts, *param.secondary_opts)}
    assert set(re.findall(r"`(--[a-z0-9-]+)", PAGES[page])) <= options | {"--help"}


def test_tables_name_what_there_is() -> None:
    columns = list(columns_of(with_context=True, with_answers=True))
    assert names_in_first_column("output.md", "## Columns") == columns
    codes = re.findall(r"^\| (\d[\d, ]*) \|", PAGES["exit-codes.md"], re.MULTILINE)
    assert [int(code) for code in re.findall(r"\d+", " ".join(codes))] == list(ExitCode)
    names = names_in_first_column("python.md", "## Public names")
    assert {*names, "ExitCode"} == {*qgbatch.__all__} - {"__version__"}


def test_links_lead_somewhere_and_every_page_is_one_click_from_the_readme() -> None:
    for page, text in PAGES.items():
        directory = ROOT if page == "README.md" else DOCS
        for link in re.findall(r"\]\(([^)#:]+)", text):
            assert (directory / link).exists(), f"{page}: {link}"
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", PAGES["README.md"]))
    assert linked == PAGES.keys() - {"README.md", "index.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", PAGES["index.md"])) == linked


def test_the_cron_line_runs(checkout: Path) -> None:
    (block,) = blocks("every-night.md", "crontab")
    command = block.split(maxsplit=5)[5]
    command = command.replace("/opt/qgbatch/bin/qgbatch", "qgbatch").replace("/srv/docs", "samples")
    command = command.replace("/srv/", "")
    result = run_shell(command, checkout)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    report = json.loads((checkout / "questions.report.json").read_text())
    assert report["n_written"] > 0
    assert names_in_first_column("output.md", "## The report") == list(report)
    (checkout / "samples" / "empty.txt").touch()
    result = run_shell(command, checkout)
    assert result.stdout == "qgbatch ended with exit code 3, see questions.log\n"
    lines = (checkout / "questions.log").read_text().splitlines()
    assert any("empty.txt" in json.loads(line)["message"] for line in lines)


def test_the_service_runs_when_its_timer_says(checkout: Path) -> None:
    service, timer = (configparser.ConfigParser(interpolation=None) for _ in range(2))
    for parser in (service, timer):
        parser.optionxform = str  # type: ignore[assignment,method-assign]
    for parser, block in zip((service, timer), blocks("every-night.md", "ini"), strict=True):
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
    (block,) = blocks("every-night.md", "dockerfile")
    instructions = dict(line.split(maxsplit=1) for line in block.splitlines())
    assert json.loads(instructions["ENTRYPOINT"]) == ["qgbatch"]
    assert "-c /src/constraints.txt /src" in instructions["RUN"]
    assert instructions["VOLUME"] == "/cache"
    assert "QGBATCH_CACHE_DIR=/cache" in instructions["ENV"].split()


def test_the_training_runs(tmp_path: Path) -> None:
    (script,) = blocks("training.md", "bash")
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


def test_stated_defaults_are_the_defaults() -> None:
    assert (Settings().model, Settings().dedupe, Settings().dedupe_scope) == ("mini", "exact", "document")
    assert FileSettings().fail_fast is False
    (metadata,) = blocks("models.md", "json")
    assert ModelMetadata(**json.loads(metadata)) == ModelMetadata()
