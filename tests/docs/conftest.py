"""What the tests of the documentation share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.warm_process import WarmProcess

RunShell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory to run commands in, with ``samples/`` made shorter to be quick."""
    (tmp_path / "samples").mkdir()
    for path in SAMPLES.iterdir():
        text = path.read_text(encoding="utf-8")
        (tmp_path / "samples" / path.name).write_text(text[:700].rpartition(" ")[0], encoding="utf-8")
    return tmp_path


@pytest.fixture
def run_shell(warm_process: WarmProcess, checkout: Path) -> RunShell:
    """Run a script in the checkout: ``run_shell("qgbatch --version", NAME="value")``."""

    def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=checkout,
            env=warm_process.environment(**variables), capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run
