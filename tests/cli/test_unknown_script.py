"""What ``qgbatch run`` says about text in a script that the model does not know."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.errors import ExitCode
from tests.conftest import MINI

Qgbatch = Callable[..., Result]

ENGLISH = "The lighthouse was built of granite in 1872, and forty masons worked on it for three years. " * 4
ARABIC = "بنيت المنارة من الجرانيت وعمل فيها أربعون بناء لمدة ثلاث سنوات كاملة. " * 8
FAILED = f"qgbatch: warning: ar.txt: {MINI} cannot read its script"
LEFT_OUT = "qgbatch: warning: Text in a script that the model cannot read is left out"
WORDS = ("-o", "q.jsonl", "--model", str(MINI), "--target-tokens", "64")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory has texts that are English, Arabic, and both."""
    monkeypatch.chdir(tmp_path)
    Path("en.txt").write_text(ENGLISH, encoding="utf-8")
    Path("ar.txt").write_text(ARABIC, encoding="utf-8")
    for name in ("one.txt", "two.txt"):
        Path(name).write_text(f"{ENGLISH}\n\n{ARABIC}\n\n{name} {ENGLISH}", encoding="utf-8")


def counts(text: str) -> dict[str, str]:
    """The lines of a table by their label."""
    return {m[1]: m[2] for m in re.finditer(r"^ +([a-z ]+?) {2,}(.*)$", text, re.MULTILINE)}


def test_a_document_that_cannot_be_read_fails(qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "ar.txt", "en.txt", *WORDS)
    assert result.exit_code == ExitCode.PARTIAL
    assert FAILED in result.stderr
    assert "multilingual model" in result.stderr
    assert {json.loads(row)["source"] for row in Path("q.jsonl").read_text().splitlines()} == {"en.txt"}


def test_nothing_is_written_if_no_document_can_be_read(qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "ar.txt", *WORDS)
    assert result.exit_code == ExitCode.NO_INPUT
    assert FAILED in result.stderr
    assert not Path("q.jsonl").exists()


def test_chunks_that_are_left_out_are_counted_and_one_warning_names_the_first(qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "en.txt", "one.txt", "two.txt", *WORDS, "--report", "r.json")
    assert result.exit_code == ExitCode.OK
    report = json.loads(Path("r.json").read_text())
    n_chunks = report["omitted"]["unknown_script_chunks"]
    assert report["unknown_script_source"] == "one.txt"
    assert counts(result.stderr)["left out"] == f"{n_chunks} unknown script chunks"
    assert result.stderr.count("warning") == 1
    assert f"{LEFT_OUT}, first in one.txt (chunks in all: {n_chunks})" in result.stderr


def test_a_dry_run_counts_the_same(qgbatch: Qgbatch) -> None:
    inputs = ("en.txt", "ar.txt", "one.txt")
    before = qgbatch("run", *inputs, *WORDS, "--dry-run")
    after = qgbatch("run", *inputs, *WORDS, "--log-format", "json")
    assert before.exit_code == after.exit_code == ExitCode.PARTIAL
    assert FAILED in before.stderr
    assert LEFT_OUT in before.stderr
    report = json.loads(after.stderr.splitlines()[-1])["report"]
    table = counts(before.stdout)
    assert table["to do"] == f"{report['n_generated']} chunks"
    assert table["left out"].split()[0] == str(report["omitted"]["unknown_script_chunks"])


def test_foreign_words_emoji_and_formulas_are_read(qgbatch: Qgbatch) -> None:
    Path("en.txt").write_text(
        "Tea is 茶 in Chinese, чай in Russian and شاي in Arabic. \U0001f375\U0001f375\U0001f375 "
        "The angle φ is the sum ∑ of λ, β and δ.\n\n☕☕☕ 1872 ∀ ∃ ∅",
        encoding="utf-8",
    )
    result = qgbatch("run", "en.txt", *WORDS)
    assert result.exit_code == ExitCode.OK
    assert "warning" not in result.stderr
    assert "left out" not in result.stderr
