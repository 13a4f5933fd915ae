"""What the tests of ``qgbatch finetune`` share."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.errors import ExitCode
from tests.support.training import (
    Finetune,
    command,
    finished_words,
    make_base,
    paragraphs,
    run_command,
    write_squad,
)


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
