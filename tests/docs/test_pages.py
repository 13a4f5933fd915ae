"""README.md and docs/: the options, names, tables, links and defaults in them are right."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import click
import pytest

import qgbatch
from qgbatch.cli import main
from qgbatch.errors import ExitCode
from qgbatch.models.known_models import ModelMetadata
from qgbatch.output.rows import output_columns
from qgbatch.settings import FileSettings, Settings
from tests.conftest import ROOT
from tests.support.pages import DOCS, PAGES, blocks, commands, names_in_first_column


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
    named = set(re.findall(r"`(--[a-z0-9-]+)", PAGES[page]))
    assert named <= options | {"--help", "--no-"}, "--no- stands for the forms that begin with it"


def test_tables_name_what_there_is() -> None:
    files = FileSettings(
        with_context=True, passages="p.csv", styles="question,keyword", review_with="d.json"
    )
    columns = list(output_columns(files, with_answers=True))
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


def test_the_container_file_installs_and_runs_what_is_there() -> None:
    (block,) = blocks("every-night.md", "dockerfile")
    instructions = dict(line.split(maxsplit=1) for line in block.splitlines())
    assert json.loads(instructions["ENTRYPOINT"]) == ["qgbatch"]
    assert "-c /src/constraints.txt /src" in instructions["RUN"]
    assert instructions["VOLUME"] == "/cache"
    assert "QGBATCH_CACHE_DIR=/cache" in instructions["ENV"].split()


def test_stated_defaults_are_the_defaults() -> None:
    assert (Settings().model, Settings().dedupe, Settings().dedupe_scope) == ("small", "exact", "document")
    assert FileSettings().fail_fast is False
    (metadata,) = blocks("models.md", "json")
    assert ModelMetadata(**json.loads(metadata)) == ModelMetadata()
