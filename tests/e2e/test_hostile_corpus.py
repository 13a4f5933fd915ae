"""Hundreds of hostile files among good ones: each bad one named, each good one's questions unharmed."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

import qgbatch
import qgbatch.readers.content
from qgbatch import Document, FileSettings, RunReport, Settings
from qgbatch.chunking.chunker import ChunkLimits, chunk_document
from qgbatch.chunking.sentences import SentenceSplitter
from qgbatch.models.checkpoint import find_model
from qgbatch.models.tokenizer import PromptTokenizer, load_tokenizer
from qgbatch.settings import CacheSettings
from tests.conftest import MINI, SAMPLES
from tests.support.hostile import deep_directory, meanwhile
from tests.support.hostile_files import GOOD, ODD_TEXT, TEXT, UNKNOWN_SCRIPTS, bad_files

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="others refuse many of these names")

Expected = dict[str, dict[str, str]]
"""Kind -> source -> a part of the reason."""

LIMIT = 32 << 20
FILES = list(bad_files())
KINDS = [
    *dict.fromkeys(kind for kind, *_ in FILES),
    "bomb", "link", "device", "name", "moving", "script", "directory", "given",
]  # fmt: skip
ODD_NAMES = [
    "-n.txt", "--help.txt", "[x].txt", "*.txt", "a?.txt", "~.txt", "$HOME.txt", "%s.txt", "{0}.txt",
    " .txt", "two\nlines.txt", "tab\t.txt", "bell\a\x1b[31m.txt", "back\\slash.txt", "q\"u'o,t;e.txt",
    "\N{HONEYBEE}.txt", "\u202egnp.txt", "e\u0301.txt", "\u200b.txt", "x" * 251 + ".txt", "UPPER.TXT",
    "nan.md", os.fsdecode(b"caf\xe9.txt"), os.fsdecode(b"\xff\xfe.txt"),
]  # fmt: skip


@dataclass
class Outcome:
    """A run over everything, and one over the good documents alone."""

    expected: Expected
    good: list[str]
    report: RunReport
    rows: pd.DataFrame
    rows_of_good: pd.DataFrame


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """The corpus lies in ``c/``; hostile paths beside it are given one by one."""
    here = tmp_path_factory.mktemp("hostile")
    expected: Expected = defaultdict(dict)
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(here):
        patch.setattr(qgbatch.readers.content, "MAX_DOCUMENT_BYTES", LIMIT)
        Path("c/deep").mkdir(parents=True)
        for put in (put_files, put_bombs, put_links_and_devices, put_names, put_moving_files, put_scripts):
            put(expected)
        with deep_directory(here / "c" / "deep", TEXT) as deep_file:
            expected["directory"]["c/deep" + "/d" * 2045] = "cannot be read (File name too long)"
            good = [*put_good_files(), f"c/deep/{deep_file}"]
            report, rows = run_with_mischief(["c", *put_given(expected)])
            qgbatch.run(good, "good.parquet", FAST, WITH_CONTEXT, CacheSettings(cache=False))
        yield Outcome(expected, good, report, rows, pd.read_parquet("good.parquet"))


FAST = Settings(num_beams=1, max_new_tokens=16, window_chunks=8)
WITH_CONTEXT = FileSettings(with_context=True)


def run_with_mischief(inputs: list[str]) -> tuple[RunReport, pd.DataFrame]:
    """Run while one file grows all the time and another one goes away."""

    def grow() -> None:
        with open("c/moving-grows.txt", "ab") as stream:
            stream.write(b"\0")
        time.sleep(0.001)

    def remove(share: float, report: RunReport) -> None:
        Path("c/moving-goes.txt").unlink(missing_ok=True)

    with meanwhile(grow):
        cache = CacheSettings(cache_dir="cache")
        report = qgbatch.run(inputs, "all.parquet", FAST, WITH_CONTEXT, cache, on_progress=remove)
    return report, pd.read_parquet("all.parquet")


def put_good_files() -> list[str]:
    shutil.copy(SAMPLES / "lisbon-tiles.md", "c/good-tiles.md")
    for name in ODD_NAMES:
        Path("c", name).write_text(f"{GOOD} This is written in {len(name)} letters.")
    for name in ODD_TEXT.keys() - UNKNOWN_SCRIPTS:
        Path("c", f"odd-{name}.txt").write_text(ODD_TEXT[name], encoding="utf-8", newline="")
    return sorted(f"c/{name}" for name in os.listdir("c") if is_good(name))


def is_good(name: str) -> bool:
    return name.startswith(("good-", "odd-")) or name in ODD_NAMES


def put_files(expected: Expected) -> None:
    for number, (kind, suffix, content, reason) in enumerate(FILES):
        path = Path(f"c/{kind}-{number}.{suffix}")
        path.write_bytes(content)
        expected[kind][str(path)] = reason


def put_bombs(expected: Expected) -> None:
    zeros = gzip.compress(bytes(LIMIT // 2 + 1))
    Path("c/bomb-1.txt.gz").write_bytes(gzip.compress(bytes(LIMIT + 1)))
    Path("c/bomb-2.txt.gz").write_bytes(zeros * 2)
    Path("c/bomb-3.txt.gz").write_bytes(zeros)
    Path("c/bomb-4.txt").touch()
    for path in ("c/bomb-3.txt.gz", "c/bomb-4.txt"):
        os.truncate(path, 2 * LIMIT)
    for path in map(str, Path("c").glob("bomb*")):
        expected["bomb"][path] = "larger than 32 MiB"


def put_links_and_devices(expected: Expected) -> None:
    loop = "Too many levels of symbolic links"
    for name, target, reason in (
        ("link-a.txt", "link-b.txt", loop),
        ("link-b.txt", "link-a.txt", loop),
        ("link-self.md", "link-self.md", loop),
        ("link-gone.txt.gz", "gone.txt.gz", "the link points to gone.txt.gz, which does not exist"),
        ("device-null.txt", os.devnull, "a device, pipe or socket"),
        ("device-zero.md", "/dev/zero", "a device, pipe or socket"),
        ("device-memory.txt", "/proc/self/mem", "Input/output error"),
    ):
        Path("c", name).symlink_to(target)
        expected[name.partition("-")[0]][f"c/{name}"] = reason
    for name, target in (("up", ".."), ("here", "."), ("none", "none")):
        Path("c", name).symlink_to(target)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("c/device-socket.txt")
    expected["device"]["c/device-socket.txt"] = "a device, pipe or socket"


def put_names(expected: Expected) -> None:
    for name in ODD_NAMES:
        path = Path("c", name).with_suffix(".md.gz" if len(name) < 200 else ".md")
        path.touch()
        expected["name"][os.fsencode(path).decode("utf-8", "backslashreplace")] = "is empty"


def put_moving_files(expected: Expected) -> None:
    Path("c/moving-grows.txt").touch()
    os.truncate("c/moving-grows.txt", LIMIT * 3 // 4)
    expected["moving"]["c/moving-grows.txt"] = "changed while it was read"
    Path("c/moving-goes.txt").write_text("Rivers carry sand.")
    expected["moving"]["c/moving-goes.txt"] = "No such file or directory"


def put_scripts(expected: Expected) -> None:
    for name in UNKNOWN_SCRIPTS:
        Path(f"c/script-{name}.txt").write_text(ODD_TEXT[name], encoding="utf-8")
        expected["script"][f"c/script-{name}.txt"] = "cannot read its script"


def put_given(expected: Expected) -> list[str]:
    Path("empty.txt").mkdir()
    Path("paper.png").write_bytes(TEXT)
    Path("loop").symlink_to("loop")
    expected["given"] = {
        "missing.txt": "No such file or directory",
        "empty.txt": "no documents in this directory",
        "paper.png": "unknown kind of document",
        "loop": "Too many levels of symbolic links",
        "c/good-tiles.md/a.txt": "Not a directory",
        "none/**/*.txt": "no file matches",
        "y" * 256 + ".txt": "File name too long",
    }
    return list(expected["given"])


def test_there_are_hundreds_of_them(outcome: Outcome) -> None:
    assert sum(map(len, outcome.expected.values())) > 250
    assert list(outcome.expected) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_bad_one_is_named_with_its_reason(outcome: Outcome, kind: str) -> None:
    messages = {failure.source: failure.message for failure in outcome.report.failures}
    expected = outcome.expected[kind]
    assert {source for source in expected if expected[source] not in messages.get(source, "")} == set()
    assert all(messages[source].startswith(f"{source}: ") for source in expected)


def test_nothing_else_is_called_bad(outcome: Outcome) -> None:
    expected = [source for sources in outcome.expected.values() for source in sources]
    assert sorted(failure.source for failure in outcome.report.failures) == sorted(expected)
    scripts = {f.source for f in outcome.report.failures if f.stage == "chunk"}
    assert scripts == outcome.expected["script"].keys()
    assert {failure.stage for failure in outcome.report.failures} == {"read", "chunk"}
    assert {failure.error for failure in outcome.report.failures} == {"DocumentError"}


def test_every_good_ones_questions_are_those_of_a_run_without_the_bad_ones(outcome: Outcome) -> None:
    pd.testing.assert_frame_equal(outcome.rows, outcome.rows_of_good, check_exact=True)
    assert outcome.rows.source.nunique() > 10


def test_everything_is_counted(outcome: Outcome) -> None:
    report = outcome.report
    assert report.n_inputs == report.n_documents + len(report.failures)
    assert report.n_documents == len(outcome.good)
    assert report.n_raw == report.n_written + report.dropped.total()
    assert report.n_written == len(outcome.rows)
    assert report.skipped == {"linked directory": 2, "suffix (none)": 1}


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return load_tokenizer(find_model(str(MINI)))


@pytest.mark.parametrize("name", list(ODD_TEXT))
def test_odd_text_is_cut_without_loss(name: str, tokenizer: PromptTokenizer) -> None:
    document = Document.from_text(ODD_TEXT[name], name)
    chunks = list(chunk_document(document, tokenizer, SentenceSplitter("english"), ChunkLimits(512, 64)))
    covered = [range(chunk.start_char, chunk.end_char) for chunk in chunks]
    assert all(before.stop <= after.start for before, after in pairwise(covered))
    outside = set(range(len(document.text))).difference(*covered)
    assert all(document.text[index].isspace() for index in outside)
    assert all(len(chunk.input_ids) <= 512 for chunk in chunks)
