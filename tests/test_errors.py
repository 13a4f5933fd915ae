"""Errors that every folder of the package raises."""

from __future__ import annotations

import pytest

from qgbatch.errors import ModelError, require_package


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
