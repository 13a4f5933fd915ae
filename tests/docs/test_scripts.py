"""README.md and docs/: what a page has a reader run runs as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.docs.conftest import RunShell
from tests.support.pages import PAGES, language_blocks
from tests.support.warm_process import WarmProcess

SLOW = {"scaling.md": pytest.mark.faults}
"""Ray starts cold processes; tests/e2e/test_ray.py compares the rows of such a run in every test run."""


def scripts(page: str) -> list[tuple[str, str]]:
    """Languages and texts of the blocks that are run, in their order; .ci/run runs README's set-up."""
    return language_blocks(page, "sh", "python")[2 if page == "README.md" else 0 :]


@pytest.fixture(scope="module")
def hub(
    warm_process: WarmProcess,
    own_tokenizer_checkpoint: Path,
    weights_only_checkpoint: Path,
    bare_tokenizer: Path,
) -> None:
    """Fill the hub cache: the ids on the pages are small checkpoints of the same layout."""
    for name, directory in (
        ("valhalla/t5-base-e2e-qg", own_tokenizer_checkpoint),
        ("ThomasSimonini/t5-end2end-question-generation", weights_only_checkpoint),
        ("t5-base", bare_tokenizer),
    ):
        repository = Path(warm_process.variables["HF_HUB_CACHE"], "models--" + name.replace("/", "--"))
        shutil.copytree(directory, repository / "snapshots" / ("0" * 40))
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0" * 40)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=SLOW.get(page, ())) for page in PAGES if scripts(page)]
)
def test_what_a_page_has_a_reader_run_runs(page: str, checkout: Path, run_shell: RunShell) -> None:
    for language, text in scripts(page):
        script = f"python -c {shlex.quote(text)}" if language == "python" else f"set -x\n{text}"
        result = run_shell(script)
        assert result.returncode == 0, f"{text}\n{result.stderr}"
        assert "error" not in result.stderr
        for line in text.splitlines():
            if (output := re.search(r" -o ([^-]\S+)", line)) and not re.search("--dry-run|doctor", line):
                assert list(checkout.glob(f"{output[1].rstrip('/')}*")), line
