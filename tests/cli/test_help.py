"""``--help`` and ``--help-all``: layout on 80 columns, complete lists of options, valid examples."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import Result

from qgbatch.cli import main
from qgbatch.cli.options import LongCommand
from qgbatch.readers.kinds import SUFFIXES, TABLE_SUFFIXES
from tests.conftest import ROOT

Qgbatch = Callable[..., Result]


def _all_commands(command: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _all_commands(child, *words, name)


COMMANDS = dict(_all_commands(main))
LONG = [words for words, command in COMMANDS.items() if isinstance(command, LongCommand)]
PAGES = [f"{words} --help".strip() for words in COMMANDS] + [f"{words} --help-all" for words in LONG]
DOCS = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])


def test_the_help_of_run_names_every_format(qgbatch: Qgbatch) -> None:
    text = qgbatch("run", "--help").stdout
    names = {suffix.removesuffix(".gz") for suffix in (*SUFFIXES, *TABLE_SUFFIXES)} - {".htm", ".markdown"}
    assert names <= set(re.findall(r"\.\w+", text))


@pytest.fixture(params=COMMANDS, ids=lambda words: words or "qgbatch")
def words(request: pytest.FixtureRequest) -> str:
    """The words of a command: ``cache info``, or none for ``qgbatch`` itself."""
    return str(request.param)


@pytest.fixture
def help_of(qgbatch: Qgbatch, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The help that a command prints on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def help_of(command: str) -> str:
        result = qgbatch(*command.split())
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    return help_of


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, help_of: Callable[[str], str]) -> str:
    """One help page."""
    return help_of(request.param)


def _options(words: str) -> list[click.Option]:
    params = COMMANDS[words].params
    return [param for param in params if isinstance(param, click.Option) and not param.hidden]


def _listed(page: str) -> set[str]:
    """The long names of the options that a page lists."""
    return set(re.findall(r"^  (?:-\w, )?--(?:\[no-\])?([\w-]+)", page, re.MULTILINE))


def test_no_line_is_longer_than_80_characters(page: str) -> None:
    assert [line for line in page.splitlines() if len(line) > 80] == []


def test_the_help_of_run_fits_on_one_screen(help_of: Callable[[str], str]) -> None:
    assert len(help_of("run --help").splitlines()) <= 45


@pytest.mark.parametrize("words", LONG)
def test_the_short_help_lists_common_options_and_points_to_the_long_help(
    words: str, help_of: Callable[[str], str]
) -> None:
    short, long = help_of(f"{words} --help"), help_of(f"{words} --help-all")
    assert {"help-all", "config"} < _listed(short) < _listed(long)
    assert "\nCommon options:\n" in short


def test_the_options_of_run_that_people_use_are_in_its_short_help(help_of: Callable[[str], str]) -> None:
    listed = _listed(help_of("run --help"))
    assert {"output", "model", "device", "preset", "num-beams", "dedupe", "text-column"} < listed
    assert len(listed) <= 15


def test_the_longest_help_of_a_command_lists_all_its_options(
    words: str, help_of: Callable[[str], str]
) -> None:
    listed = _listed(help_of(f"{words} --help-all" if words in LONG else f"{words} --help"))
    assert listed == {option.opts[-1].removeprefix("--") for option in _options(words)} | {"help"}


@pytest.mark.parametrize("words", LONG)
def test_shell_completion_offers_every_option(words: str) -> None:
    completion = ShellComplete(main, {}, "qgbatch", "_QGBATCH_COMPLETE")
    offered = {item.value for item in completion.get_completions([words], "--")}
    options = {name for option in _options(words) for name in (*option.opts, *option.secondary_opts)}
    assert {name for name in options if name.startswith("--")} | {"--help"} == offered


def test_the_documentation_names_every_option(words: str) -> None:
    missing = [
        option.opts[-1]
        for option in _options(words)
        if not any(
            re.search(rf"(?<![\w-]){name}(?![\w-])", DOCS)
            for name in (*option.opts, *option.secondary_opts)
        )
    ]
    assert missing == []


def test_each_command_is_described_in_one_short_line(words: str) -> None:
    assert 10 < len(COMMANDS[words].get_short_help_str(200)) < 64


def test_all_option_texts_start_in_the_same_column(page: str) -> None:
    records = re.findall(r"^(  -\S.*?  +)\S", page, re.MULTILINE)
    assert len({len(record) for record in records}) == 1


def test_placeholders_are_specific(page: str) -> None:
    assert not re.search(r"^  -.* (TEXT|INTEGER|FLOAT|PATH|\[\w+\|)", page, re.MULTILINE)


def test_the_text_of_an_option_names_its_choices(words: str) -> None:
    for option in _options(words):
        if isinstance(option.type, click.Choice):
            assert set(option.type.choices) <= set(re.findall(r"[\w-]+", str(option.help))), option.name


def test_no_line_ends_in_a_hyphen_or_before_a_default(page: str) -> None:
    assert not re.search(r"(\[default:|\w-)$", page, re.MULTILINE)


def test_flags_are_listed_with_their_opposite_and_default(help_of: Callable[[str], str]) -> None:
    text = " ".join(help_of("run --help-all").split())
    assert re.search(r"--\[no-\]cache [^\[]* \[default: yes\]", text)
    assert re.search(r"--\[no-\]fail-fast [^\[]* \[default: no\]", text)


def test_required_options_come_first_in_their_group(help_of: Callable[[str], str]) -> None:
    assert "Output:\n  -o, --output FILE " in help_of("run --help-all")
    assert "Common options:\n  -o, --output-dir DIR " in help_of("finetune --help")


def test_examples_are_valid_commands(
    words: str, help_of: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = help_of(f"{words} --help").partition("\n  Examples:\n")[2].splitlines()
    assert 2 <= len(examples) <= 4
    for example in examples:
        command: click.Command = main
        given = shlex.split(example.partition("qgbatch ")[2])
        while isinstance(command, click.Group):
            command = command.commands[given.pop(0)]
        for name in given:
            if name.endswith(".toml"):
                Path(name).touch()
        command.make_context(example, given)
    assert any(f"qgbatch {words}" in example for example in examples)


def test_commands_are_listed_in_sections(help_of: Callable[[str], str]) -> None:
    page = help_of("--help")
    listed = re.findall(r"^  (\w+) +[A-Z]", page.partition("Generate questions:")[2], re.MULTILINE)
    assert listed[0] == "run"
    assert sorted(listed) == sorted(main.commands)


def test_the_list_has_the_short_help_of_each_command(help_of: Callable[[str], str]) -> None:
    listed = dict(re.findall(r"^  (\w+) +([A-Z].*)", help_of("--help"), re.MULTILINE))
    assert listed == {name: command.get_short_help_str(80) for name, command in main.commands.items()}


def test_help_imports_no_command() -> None:
    program = "import sys; from qgbatch.cli import main; main(['--help'], standalone_mode=False)"
    output = subprocess.check_output([sys.executable, "-c", f"{program}; print(*sys.modules)"], text=True)
    imported = set(output.split())
    assert "qgbatch.cli.logs" in imported
    assert not imported & {f"qgbatch.cli.{name}" for name in main.commands}
