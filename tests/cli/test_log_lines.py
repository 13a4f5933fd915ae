"""File names are untrusted: none of them forges a line of the log or reaches the terminal as a command."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.cli.logs import set_up_logging
from qgbatch.cli.summary import log_table

Qgbatch = Callable[..., Result]

NAMES = {
    "a\nqgbatch: done\n  documents  9.txt": r"a\nqgbatch: done\n  documents  9.txt",
    "a\x1b[2J\x07b.txt": r"a\x1b[2J\x07b.txt",
    "a\rqgbatch: done.txt": r"a\rqgbatch: done.txt",
    "a\x7f\x85\x9bb.txt": r"a\x7f\x85\x9bb.txt",
    "a\u202etxt.exe\u2066b.txt": r"a\u202etxt.exe\u2066b.txt",
    "a\u2028b\u200f.txt": r"a\u2028b\u200f.txt",
    "Käse \u200d🫖.txt": "Käse \u200d🫖.txt",
}


@pytest.fixture
def logger() -> logging.Logger:
    return logging.getLogger("qgbatch")


@pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=range(len(NAMES)))
def test_a_name_is_shown_on_one_line_without_controls(
    name: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qgbatch: Qgbatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    result = qgbatch("run", name, "-o", "q.csv", "-q")
    assert result.exit_code == 4
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("qgbatch: warning: ")
    assert shown in result.stderr


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_line_of_json_has_the_name_and_no_controls(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qgbatch: Qgbatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    line, after = qgbatch("run", name, "-o", "q.csv", "-q", "--log-format", "json").stderr.split("\n")
    assert name in json.loads(line)["message"]
    assert after == ""
    assert not {"\x1b", "\x7f", "\x85", "\x9b", "\u202e", "\u2066", "\u2028", "\u200f"} & set(line)


def test_an_error_has_its_hint_on_a_line_of_its_own(qgbatch: Qgbatch) -> None:
    first, second, after = qgbatch("run", "a\nb", "-o", "q.xlsx\n\x1b").stderr.split("\n")
    assert first.startswith(r"qgbatch: error: --output q.xlsx\n\x1b: the suffix .xlsx")
    assert second.startswith("  Use ")
    assert after == ""


def test_a_table_has_a_line_for_each_row_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text", quiet=False, verbose=False)
    log_table([("documents", "1"), ("output", "a\nqgbatch: done \x1b[1m 100 %s")])
    assert capsys.readouterr().err.split("\n") == [
        "qgbatch: done",
        "  documents  1",
        r"  output     a\nqgbatch: done \x1b[1m 100 %s",
        "",
    ]


def test_a_traceback_is_indented_and_without_controls(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging("text", quiet=False, verbose=True)
    try:
        raise ValueError("a\nqgbatch: done\x1b")
    except ValueError:
        logger.exception("unexpected %d, %.1f", 3, 0.5)
    first, *others, after = capsys.readouterr().err.split("\n")
    assert first == "qgbatch: error: unexpected 3, 0.5"
    assert others[-1] == r"  qgbatch: done\x1b"
    assert all(line.startswith("  ") for line in others)
    assert after == ""
