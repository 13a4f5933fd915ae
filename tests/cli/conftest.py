"""What the tests of the command line share: a fake engine, and a directory to train in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import ExitCode
from tests.conftest import invoke
from tests.support.training import (
    Finetune,
    command,
    finished_words,
    make_base,
    paragraphs,
    run_command,
    write_squad,
)


@pytest.fixture
def fake_engine() -> FakeEngine:
    """The engine of ``qgbatch``, which keeps what it is given."""
    return FakeEngine()


@pytest.fixture
def qgbatch(fake_engine: FakeEngine) -> Callable[..., Result]:
    """Run the command in this process as the fixture of the same name does, with the fake engine."""
    return functools.partial(invoke, load_engine=fake_engine.load)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a base, training and validation data."""
    home = tmp_path_factory.mktemp("home")
    make_base(home / "base")
    write_squad(home / "train.json", paragraphs(9))
    write_squad(home / "dev.json", paragraphs(4, start=100))
    return home


@pytest.fixture(scope="module")
def finetune(home: Path) -> Finetune:
    """Run the command on the base and the training file, into a directory: ``finetune(tmp_path, ...)``."""

    def invoke(output: Path, *words: str | Path) -> Result:
        return run_command(*command(home, output, *words))

    return invoke


@pytest.fixture(scope="module")
def finished(home: Path, finetune: Finetune, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished directory, for tests that leave it as it is."""
    output = tmp_path_factory.mktemp("models") / "asker"
    result = finetune(output, *finished_words(home))
    assert result.exit_code == ExitCode.OK, result.output
    return output
