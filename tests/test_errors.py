"""Errors that every folder of the package raises."""

from __future__ import annotations

import logging

import pytest

from qgbatch.errors import DocumentError, ModelError, describe_error, require_package


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
    assert "-v" in message
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
