"""Documents that cannot be used: named with a reason and advice, and never in the way of the others."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from qgbatch import Settings, run
from qgbatch.engines.fake import FakeEngine
from qgbatch.readers import kinds

Qgbatch = Callable[..., Result]

Bad = tuple[str, str]
"""Its name and a part of the reason."""

FAST = ("--num-beams", "1", "--max-new-tokens", "16")
GOOD = "Bees live in hives. They make honey from the nectar of flowers."

BAD: dict[str, tuple[str, str, bytes | None]] = {
    "empty": ("empty.txt", "empty", b""),
    "white-space": ("blank.md", "white space", b" \n\t\r\n\xc2\xa0"),
    "binary": ("image.txt", "not valid utf-8", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "invalid-utf-8": ("latin.txt", "byte 3", "Caf\xe9s open early.".encode("latin-1")),
    "nul": ("nul.txt", "offset 6", b"Rivers\0carry sand."),
    "directory-without-documents": ("docs", "no documents", None),
    "missing": ("missing.txt", "No such file", None),
    "dangling-link": ("link.txt", "points to gone.txt", None),
    "link-to-itself": ("loop.txt", "Too many levels", None),
    "name-too-long": ("n" * 252 + ".txt", "too long", None),
    "unreadable": ("x.txt", "error", None),
    "unknown-suffix": ("paper.png", "unknown kind", b"Rivers carry sand."),
    "truncated-gzip": ("cut.txt.gz", "damaged", gzip.compress(b"Rivers carry sand. " * 9)[:-9]),
    "not-gzip": ("plain.txt.gz", "damaged", b"Rivers carry sand."),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a good document."""
    (tmp_path / "good.txt").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=BAD.values(), ids=list(BAD))
def bad(request: pytest.FixtureRequest, here: Path) -> Bad:
    """A document that cannot be used, made in the working directory."""
    name, reason, content = request.param
    path = here / name
    if content is not None:
        path.write_bytes(content)
    elif name == "docs":
        path.mkdir()
        (path / "picture.png").write_bytes(b"no text")
    elif name == "link.txt":
        path.symlink_to("gone.txt")
    elif name == "loop.txt":
        path.symlink_to(name)
    elif name == "x.txt":
        reason = _make_unreadable(path)
    return name, reason


@pytest.fixture(scope="module")
def rows_of_good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The output for the good document alone."""
    directory = tmp_path_factory.mktemp("alone")
    (directory / "good.txt").write_text(GOOD)
    with contextlib.chdir(directory):
        run(
            ["good.txt"], "q.jsonl", Settings(num_beams=1, max_new_tokens=16), load_engine=FakeEngine().load
        )
    return (directory / "q.jsonl").read_bytes()


def _make_unreadable(path: Path) -> str:
    """Make a file that cannot be read, by root neither, and tell why."""
    path.write_text("Rivers carry sand.")
    path.chmod(0)
    if not os.access(path, os.R_OK):
        return "Permission denied"
    if not Path("/proc/self/mem").exists():
        pytest.skip("everything can be read here")
    path.unlink()
    path.symlink_to("/proc/self/mem")
    return "Input/output error"


def _failures(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _report(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def test_bad_input_alone_exits_4_and_is_named_with_the_reason_and_what_to_do(
    here: Path, bad: Bad, qgbatch: Qgbatch
) -> None:
    name, reason = bad
    before = sorted(here.iterdir())
    result = qgbatch("run", name, "-o", "q.csv", "-q", *FAST)
    assert result.exit_code == 4
    assert sorted(here.iterdir()) == before
    assert name in result.stderr
    assert reason in result.stderr
    assert re.search(r"\. \S", result.stderr), "no advice after the reason"


@pytest.mark.parametrize("output", ["q.parquet", "q.csv", "q.jsonl"])
def test_old_output_stays_when_no_document_can_be_used(here: Path, output: str, qgbatch: Qgbatch) -> None:
    (here / output).write_bytes(b"old")
    (here / "empty.txt").touch()
    result = qgbatch("run", "empty.txt", "missing.txt", "-o", output, *FAST)
    assert result.exit_code == 4
    assert (here / output).read_bytes() == b"old"
    assert "qgbatch: nothing done\n" in result.stderr
    assert result.stderr.endswith(f" {output} is not written: no document could be used\n")


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_standard_output_stays_empty_when_no_document_can_be_used(
    here: Path, file_format: str, qgbatch: Qgbatch
) -> None:
    (here / "empty.txt").touch()
    result = qgbatch("run", "empty.txt", "-o", "-", "--format", file_format, *FAST)
    assert result.exit_code == 4
    assert result.stdout == ""


def test_bad_input_alone_is_counted_in_the_report(here: Path, bad: Bad, qgbatch: Qgbatch) -> None:
    name, _ = bad
    qgbatch("run", name, "-o", "q.csv", "--report", "r.json", *FAST)
    report = _report(here / "r.json")
    assert report["exit_code"] == 4
    assert [failure["source"] for failure in report["failures"]] == [name]
    assert (report["n_inputs"], report["n_documents"], report["n_written"]) == (1, 0, 0)


def test_bad_input_leaves_the_good_documents_questions_as_they_are(
    here: Path, bad: Bad, rows_of_good: bytes, qgbatch: Qgbatch
) -> None:
    name, _ = bad
    assert qgbatch("run", name, "good.txt", "-o", "q.jsonl", *FAST).exit_code == 3
    assert (here / "q.jsonl").read_bytes() == rows_of_good != b""


def test_bad_input_is_named_on_stderr_in_failures_and_in_the_report(
    here: Path, bad: Bad, qgbatch: Qgbatch
) -> None:
    name, reason = bad
    result = qgbatch(
        "run", "good.txt", name, "-o", "q.csv", "--failures", "f.jsonl", "--report", "r.json", *FAST
    )
    failures = _failures(here / "f.jsonl")
    assert [failure["source"] for failure in failures] == [name]
    assert reason in failures[0]["message"]
    assert failures[0]["message"] in result.stderr
    report = _report(here / "r.json")
    assert report["failures"] == failures
    assert (report["exit_code"], report["n_inputs"], report["n_documents"]) == (3, 2, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are text")
def test_bad_input_whose_name_is_not_utf_8_is_reported(here: Path, qgbatch: Qgbatch) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    Path(name).touch()
    result = qgbatch("run", name, "good.txt", "-o", "q.csv", "--failures", "f.jsonl", *FAST)
    assert result.exit_code == 3
    assert _failures(here / "f.jsonl")[0]["source"] == r"caf\xe9.txt"


def test_failures_file_is_empty_when_nothing_failed(here: Path, qgbatch: Qgbatch) -> None:
    (here / "f.jsonl").write_text("from an older run")
    assert qgbatch("run", "good.txt", "-o", "q.csv", "--failures", "f.jsonl", *FAST).exit_code == 0
    assert (here / "f.jsonl").read_bytes() == b""


def test_fail_fast_names_the_document_and_leaves_the_old_output(here: Path, qgbatch: Qgbatch) -> None:
    (here / "q.csv").write_bytes(b"old")
    result = qgbatch("run", "good.txt", "missing.txt", "-o", "q.csv", "--fail-fast", *FAST)
    assert result.exit_code not in (0, 1)
    assert "missing.txt" in result.stderr
    assert (here / "q.csv").read_bytes() == b"old"


def test_fail_fast_names_the_document_in_failures_and_in_the_report(here: Path, qgbatch: Qgbatch) -> None:
    words = ("-o", "q.csv", "--fail-fast", "--failures", "f.jsonl", "--report", "r.json")
    qgbatch("run", "good.txt", "missing.txt", *words, *FAST)
    assert [failure["source"] for failure in _failures(here / "f.jsonl")] == ["missing.txt"]
    assert [failure["source"] for failure in _report(here / "r.json")["failures"]] == ["missing.txt"]


def test_fail_fast_changes_nothing_when_all_is_well(here: Path, qgbatch: Qgbatch) -> None:
    assert qgbatch("run", "good.txt", "-o", "q.csv", "--fail-fast", *FAST).exit_code == 0
    assert (here / "q.csv").exists()


@pytest.mark.parametrize(
    "words", [["-o", "q.csv"], ["-o", "q.csv", "--dry-run"], ["-o", "q", "--runner", "ray"]]
)
def test_a_format_whose_package_is_missing_ends_the_run_before_the_first_document(
    here: Path, words: list[str], qgbatch: Qgbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "KINDS", (*kinds.KINDS[:1], kinds.Kind("pdf", (".pdf",), package="no_such")))
    (here / "paper.pdf").touch()
    result = qgbatch("run", "missing.txt", "paper.pdf", *words)
    assert result.exit_code == 5
    assert "paper.pdf: reading it needs the package no_such." in result.stderr
    assert "Install it: pip install 'qgbatch[pdf]'" in result.stderr
    assert "missing.txt" not in result.stderr


def test_an_output_that_a_glob_would_read_as_a_table_is_refused(here: Path, qgbatch: Qgbatch) -> None:
    (here / "t.csv").write_text("text\nTea is hot.\n")
    assert qgbatch("run", "t.*", "-o", "t.jsonl", *FAST).exit_code == 6
    assert qgbatch("run", "*.txt", "-o", "t.jsonl", *FAST).exit_code == 0
