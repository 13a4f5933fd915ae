"""The pages of ``--help``: on 80 columns, with words for values and examples that are right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import Result

from qgbatch.cli import main

Qgbatch = Callable[..., Result]


def _all_commands(command: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _all_commands(child, *words, name)


COMMANDS = dict(_all_commands(main))


@pytest.fixture(params=COMMANDS, ids=lambda words: words or "qgbatch")
def words(request: pytest.FixtureRequest) -> str:
    """The words of a command: ``cache info``, or none for ``qgbatch`` itself."""
    return str(request.param)


@pytest.fixture
def page(words: str, qgbatch: Qgbatch, monkeypatch: pytest.MonkeyPatch) -> str:
    """The help of a command as a terminal of 80 columns shows it."""
    monkeypatch.setenv("COLUMNS", "80")
    return qgbatch(*words.split(), "--help").stdout


def test_no_line_is_longer_than_a_terminal_is_wide(page: str) -> None:
    assert [line for line in page.splitlines() if len(line) > 80] == []


def test_what_the_command_does_fits_in_a_line_of_the_list(words: str) -> None:
    assert 10 < len(COMMANDS[words].get_short_help_str(200)) < 64


def test_all_texts_of_options_begin_in_one_column(page: str) -> None:
    records = re.findall(r"^(  -\S.*?  +)\S", page, re.MULTILINE)
    assert len({len(record) for record in records}) == 1


def test_a_value_is_named_by_what_it_is(page: str) -> None:
    assert not re.search(r"^  -.* (TEXT|INTEGER|FLOAT|PATH|\[\w+\|)", page, re.MULTILINE)


def test_choices_are_named_in_the_text(words: str) -> None:
    for option in COMMANDS[words].params:
        if isinstance(option, click.Option) and isinstance(option.type, click.Choice):
            assert set(option.type.choices) <= set(re.findall(r"[\w-]+", str(option.help))), option.name


def test_no_line_ends_before_the_default(page: str) -> None:
    assert not re.search(r"\[default:$", page, re.MULTILINE)


def test_flags_show_their_opposite_and_which_of_them_is_the_default(qgbatch: Qgbatch) -> None:
    text = " ".join(qgbatch("run", "--help").stdout.split())
    assert re.search(r"--\[no-\]cache Keep [^\[]* \[default: yes\]", text)
    assert re.search(r"--\[no-\]fail-fast Stop [^\[]* \[default: no\]", text)


def test_required_options_come_first_in_their_group(qgbatch: Qgbatch) -> None:
    assert "Output:\n  -o, --output FILE " in qgbatch("run", "--help").stdout


def test_examples_at_the_end_are_right(
    words: str, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = page.partition("\n  Examples:\n")[2].splitlines()
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


def test_commands_are_listed_in_sections(qgbatch: Qgbatch) -> None:
    page = qgbatch("--help").stdout
    listed = re.findall(r"^  (\w+) +[A-Z]", page.partition("Make questions:")[2], re.MULTILINE)
    assert listed[0] == "run"
    assert sorted(listed) == sorted(main.commands)
