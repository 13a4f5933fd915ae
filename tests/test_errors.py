"""Errors that every folder of the package raises."""

from __future__ import annotations

import ast
import dataclasses
import logging
import re
from typing import Any

import pytest

from qgbatch.errors import (
    DocumentError,
    ModelError,
    describe_error,
    name_setting,
    naming_options,
    option_name,
    require_package,
)
from qgbatch.settings import CacheSettings, FileSettings, Settings
from tests.conftest import ROOT

ONLY_THE_COMMAND = ("cli", "training", "exports", "pipeline/distributed", "pipeline/doctor")
"""Folders whose messages only users of the command see; they may write options as text."""


def test_an_installed_package_is_accepted() -> None:
    require_package("json", "This test")


@pytest.mark.parametrize(("extra", "command"), [("pdf", "'qgbatch[pdf]'"), (None, "no_such")])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    extra: str | None, command: str
) -> None:
    with pytest.raises(ModelError) as caught:
        require_package("no_such", "a.pdf: reading it", extra)
    assert caught.value.message == "a.pdf: reading it needs the package no_such."
    assert caught.value.hint == f"Install it: pip install {command}"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(IndexError("out of range"), "IndexError: out of range. "), (KeyError(), "KeyError. ")],
)
def test_an_unexpected_error_is_named_and_its_traceback_logged(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "qgbatch")
    try:
        raise error
    except Exception as raised:
        message = describe_error("a.txt", raised)
    assert message.startswith(f"a.txt: unexpected {reason}")
    assert "DEBUG" in message
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]
    assert "test_errors.py" in caplog.text
    assert caplog.messages == ["a.txt: unexpected error"]


def test_an_expected_error_is_only_its_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "qgbatch")
    assert (
        describe_error("a.txt", DocumentError("a.txt: is empty.", "Fill it."))
        == "a.txt: is empty. Fill it."
    )
    assert not caplog.records


@pytest.mark.parametrize(
    ("setting", "in_python", "in_command"),
    [
        (("num_beams",), "num_beams", "--num-beams"),
        (("num_beams", 4), "num_beams=4", "--num-beams 4"),
        (("engine", "torch"), "engine='torch'", "--engine torch"),
        (("do_sample", True), "do_sample=True", "--do-sample"),
        (("do_sample", False), "do_sample=False", "--no-do-sample"),
        (("encoding", ("a", "b")), "encoding=('a', 'b')", "--encoding a --encoding b"),
        (("seed", None), "seed=None", "--seed None"),
    ],
)
def test_a_setting_is_named_as_its_reader_writes_it(
    setting: tuple[Any, ...], in_python: str, in_command: str
) -> None:
    assert name_setting(*setting) == in_python
    with naming_options():
        assert name_setting(*setting) == in_command
    assert name_setting(*setting) == in_python


def test_no_message_that_python_can_see_writes_an_option_as_text() -> None:
    package = ROOT / "qgbatch"
    options = {
        option_name(spec.name)
        for settings in (Settings, FileSettings, CacheSettings)
        for spec in dataclasses.fields(settings)
    }
    found = []
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        if name.startswith(ONLY_THE_COMMAND):
            continue
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Error"):
                named = re.findall(r"--[a-z-]+", ast.unparse(call))
                found += [f"{name}:{call.lineno}: {option}" for option in named if option in options]
    assert not found, "use name_setting"
