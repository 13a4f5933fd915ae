"""What a run imports: a short run takes little more time than its imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MINI, ROOT

HEAVY = {
    "datasets", "huggingface_hub", "nltk", "pandas", "pyarrow", "ray", "scipy", "sentencepiece", "sklearn",
    "torch", "transformers",
}  # fmt: skip
RUN = """
import sys
from qgbatch.cli import main
main(sys.argv[1:], standalone_mode=False)
print(*sys.modules)
"""


def imports(*words: str | Path) -> set[str]:
    """The packages that a command imports in a process of its own."""
    output = subprocess.check_output([sys.executable, "-c", RUN, *map(str, words)], text=True)
    return {name.partition(".")[0] for name in output.split()}


@pytest.mark.parametrize("model", [ROOT / "models" / "small", MINI], ids=["small", "mini"])
def test_a_run_on_a_cpu_imports_no_heavy_package(model: Path, tmp_path: Path) -> None:
    document, output = tmp_path / "a.txt", tmp_path / "q.jsonl"
    document.write_text("Tea reached Europe in 1610. Dutch ships carried it from Java to Amsterdam.")
    words = ("run", document, "-o", output, "--cache-dir", tmp_path, "--device", "cpu", "--model", model)
    first = imports(*words, "--no-cache")  # converts the model
    assert {"ctranslate2", "tokenizers", "punkt", "numpy"} <= first
    assert not first & HEAVY
    assert output.read_bytes().count(b"\n") >= 1
    again = imports(*words, "--no-cache")
    assert "ctranslate2" in again
    assert not again & {*HEAVY, "numpy"}
