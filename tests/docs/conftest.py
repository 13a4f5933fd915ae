"""What the tests of the documentation share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.support.documents import make_pdf
from tests.support.runs import make_cache
from tests.support.warm_process import PATIENCE_S, WarmProcess

RunShell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory to run commands in: short ``samples/``, and PDFs of two of them in ``papers/``."""
    (tmp_path / "samples").mkdir()
    (tmp_path / "papers").mkdir()
    for path in SAMPLES.iterdir():
        text = path.read_text(encoding="utf-8")[:700].rpartition(" ")[0]
        (tmp_path / "samples" / path.name).write_text(text, encoding="utf-8")
        if path.stem in ("honeybees", "lighthouses"):
            lines = text.encode("ascii", "ignore").decode().splitlines()
            (tmp_path / "papers" / f"{path.stem}.pdf").write_bytes(make_pdf([lines]))
    return tmp_path


@pytest.fixture(scope="session")
def pages_home(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Path:
    """A cache home that the pages share, so that no chunk is generated twice with the same settings."""
    home = tmp_path_factory.mktemp("pages")
    make_cache(home / "qgbatch", cache_home)
    return home


@pytest.fixture
def run_shell(warm_process: WarmProcess, checkout: Path, pages_home: Path) -> RunShell:
    """Run a script in the checkout with the built-in model that users have, with one beam.

    ``run_shell("qgbatch run samples/ -o questions.parquet")``
    """
    quick = {"QGBATCH_NUM_BEAMS": "1", "XDG_CACHE_HOME": str(pages_home)}

    def run(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=checkout,
            env=warm_process.environment(**quick),
            capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip

    return run
