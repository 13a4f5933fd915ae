"""Documents of unusual size are cut as any other, in bounded memory. Full sizes run with the faults."""

from __future__ import annotations

import gzip
import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from qgbatch import Document
from qgbatch.chunking.chunker import ChunkLimits, chunk_document
from qgbatch.chunking.sentences import SentenceSplitter
from qgbatch.models.checkpoint import find_model
from qgbatch.models.tokenizer import load_tokenizer
from tests.conftest import MINI
from tests.support.hostile_files import GOOD
from tests.support.training import make_base

BOUND = 512
WORDS = (
    "--num-beams", "1", "--max-new-tokens", "1", "--max-tokens", f"{BOUND}", "--target-tokens", f"{BOUND}",
    "--no-cache", "-q",
)  # fmt: skip


def without_space(n_bytes: int) -> str:
    return "ation" * (n_bytes // 5)  # a token of mini's vocabulary, and few have more letters


def of_sentences(n: int) -> str:
    return "".join(f"Bees of hive {number} make honey. " for number in range(n))


def run_measured(directory: Path, *words: str | Path) -> tuple[int, dict[str, Any], float]:
    """Exit code, report and peak memory in MiB of a run in a process of its own."""
    report = directory / "report.json"
    command = [
        sys.executable,
        "-m",
        "qgbatch",
        "run",
        *words,
        "-o",
        directory / "q.csv",
        "--report",
        report,
    ]
    pid = os.posix_spawn(sys.executable, [str(word) for word in command], os.environ)
    _, status, usage = os.wait4(pid, 0)
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return os.waitstatus_to_exitcode(status), json.loads(report.read_text(encoding="utf-8")), peak


@pytest.mark.parametrize(
    ("text", "is_cut_inside"),
    [(without_space(500_000), True), (of_sentences(20_000), False)],
    ids=["no space", "sentences"],
)
def test_large_text_is_cut_without_loss(text: str, is_cut_inside: bool) -> None:
    tokenizer, limits = load_tokenizer(find_model(str(MINI))), ChunkLimits(BOUND, BOUND)
    document = Document.from_text(text, "large.txt")
    chunks = list(chunk_document(document, tokenizer, SentenceSplitter("english"), limits))
    assert (chunks[0].start_char, chunks[-1].end_char) == (0, len(text.rstrip()))
    assert all(not text[a.end_char : b.start_char].strip() for a, b in pairwise(chunks))
    assert max(len(chunk.input_ids) for chunk in chunks) <= BOUND
    assert {chunk.hard_split for chunk in chunks} == {is_cut_inside}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("make", "size", "most_mib"),
    [(without_space, 50_000_000, 1_500), (of_sentences, 1_000_000, 1_500)],
    ids=["50 MB without a space", "a million sentences"],
)
def test_a_huge_document_is_done_beside_a_good_one(
    tmp_path: Path, make: Any, size: int, most_mib: int
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "good.txt").write_text(GOOD)
    (tmp_path / "docs" / "huge.txt").write_text(make(size))
    model = make_base(tmp_path / "model")
    exit_code, report, peak = run_measured(tmp_path, tmp_path / "docs", "--model", model, *WORDS)
    assert exit_code == 0
    assert (report["n_inputs"], report["n_documents"], report["failures"]) == (2, 2, [])
    assert report["n_hard_splits"] in (0, report["n_chunks"] - 1)
    assert report["n_source_tokens"] <= report["n_chunks"] * BOUND
    assert peak < most_mib


@pytest.mark.faults
def test_a_bomb_of_the_real_limit_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(GOOD)
    with gzip.open(tmp_path / "bomb.txt.gz", "wb", compresslevel=1) as stream:
        for _ in range(1_024):
            stream.write(bytes(1 << 20))
    inputs = [tmp_path / "bomb.txt.gz", tmp_path / "good.txt"]
    exit_code, report, peak = run_measured(tmp_path, *inputs, "--model", MINI, *WORDS)
    assert exit_code == 3
    (failure,) = report["failures"]
    assert "bomb.txt.gz: larger than 256 MiB" in failure["message"]
    assert report["n_documents"] == 1
    assert peak < 1_000
