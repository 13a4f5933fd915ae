"""Runs at the same time: on one output one of them works, on one cache all of them do."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import qgbatch
from qgbatch import Settings
from qgbatch.output.atomic import open_output, replace_file
from qgbatch.settings import CacheSettings
from tests.conftest import MINI
from tests.support.runs import (
    AT_ONCE,
    GREEDY,
    LITTLE,
    OLD,
    PATIENCE_S,
    CachedRun,
    cached_run,
    count_generations,
    names,
    read_json,
)
from tests.support.warm_process import WarmProcess

__all__ = ["cached_run"]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="starts processes by forking")
OK, LOCKED = 0, 75


class AtOnce:
    """Exit codes of runs that began together, what they said, and who wrote when."""

    def __init__(self, warm: WarmProcess, directory: Path, runs: Sequence[Sequence[str]]) -> None:
        directory.mkdir()
        logs = [directory / f"{number}.log" for number in range(len(runs))]
        lines = "\n".join(json.dumps([str(log), *words]) for log, words in zip(logs, runs, strict=True))
        ended = subprocess.run(
            warm.command("python", "-c", AT_ONCE, directory / "notes"), env=warm.environment(),
            input=lines, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE_S,
        )  # fmt: skip
        self.exit_codes: list[int] = json.loads(ended.stdout)
        self.said = [log.read_text() for log in logs]
        self.turns = (directory / "notes").read_text()


@contextmanager
def holding(
    warm: WarmProcess, cached_run: CachedRun, output: Path, report: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has the output's lock and waits for its document until its standard input is closed."""
    words = [*cached_run.words, "-o", str(output), "--report", str(report)]
    words[words.index(LITTLE)] = "-"
    with subprocess.Popen(
        warm.command("qgbatch", *words),
        env=warm.environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not list(output.parent.glob(f".{output.name}.*.partial")):
                assert process.poll() is None
                assert time.monotonic() < deadline, "wrote nothing"
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("n_runs", [1, 7])
def test_runs_on_an_output_that_another_run_writes_end_at_once(
    n_runs: int, warm_process: WarmProcess, tmp_path: Path, cached_run: CachedRun
) -> None:
    (tmp_path / "out").mkdir()
    output, report = tmp_path / "out" / "q.jsonl", tmp_path / "out" / "r.json"
    output.write_bytes(OLD)
    report.write_bytes(OLD)
    words = [*cached_run.words, "-o", str(output), "--report", str(report)]
    with holding(warm_process, cached_run, output, report) as holder:
        others = AtOnce(
            warm_process, tmp_path / "others", [words] * n_runs + [[*words, "--wait-lock", "0.2"]]
        )
        assert holder.poll() is None
        assert others.exit_codes == [LOCKED] * (n_runs + 1)
        assert all("another run is writing it" in said for said in others.said)
        assert (output.read_bytes(), report.read_bytes()) == (OLD, OLD)
        assert len(names(output.parent)) == 5, "output, report, a partial file of each, a lock"
        holder.communicate(Path(LITTLE).read_bytes(), timeout=PATIENCE_S)
        assert holder.returncode == OK
    assert read_json(report)["n_reused"] == cached_run.n_generations
    sources = {json.loads(line)["source"] for line in output.read_text().splitlines()}
    assert sources == {"-"}
    assert names(output.parent) == ["q.jsonl", "r.json"]


@pytest.mark.parametrize("n_runs", [2, pytest.param(8, marks=pytest.mark.faults)])
@pytest.mark.parametrize("wait", [True, False])
def test_of_runs_that_begin_together_on_one_output_one_writes_at_a_time(
    n_runs: int, wait: bool, warm_process: WarmProcess, tmp_path: Path, cached_run: CachedRun
) -> None:
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "q.jsonl"
    words = [*cached_run.words, "-o", str(output), *(["--wait-lock", "100"] if wait else [])]
    ended = AtOnce(warm_process, tmp_path / "runs", [words] * n_runs)
    n_well = ended.exit_codes.count(OK)
    assert n_well + ended.exit_codes.count(LOCKED) == n_runs
    assert n_well == n_runs if wait else n_well >= 1
    assert ended.turns == "+-" * n_well
    assert output.read_bytes() == cached_run.expected
    assert names(output.parent) == ["q.jsonl"]


@pytest.mark.parametrize("n_runs", [2, pytest.param(8, marks=pytest.mark.faults)])
def test_runs_that_begin_together_share_a_fresh_cache(
    n_runs: int, warm_process: WarmProcess, tmp_path: Path, cache_home: Path
) -> None:
    settings, anew = Settings(model=str(MINI), num_beams=1, max_new_tokens=16), CacheSettings(cache=False)
    alone = qgbatch.run([LITTLE], tmp_path / "alone.jsonl", settings, cache=anew)
    (tmp_path / "out").mkdir()
    cache = tmp_path / "cache"
    runs = [
        ["run", LITTLE, "-o", str(tmp_path / "out" / f"{n}.jsonl"), *GREEDY, "--cache-dir", str(cache)]
        for n in range(n_runs)
    ]
    ended = AtOnce(warm_process, tmp_path / "runs", runs)
    assert ended.exit_codes == [OK] * n_runs
    assert [said for said in ended.said if "warning" in said or "Traceback" in said] == []
    written = {path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert written == {(tmp_path / "alone.jsonl").read_bytes()}
    assert len(names(tmp_path / "out")) == n_runs
    assert count_generations(cache) == alone.n_generated
    (conversion,) = (cache / "ctranslate2").iterdir()
    assert not conversion.name.startswith(".")


def test_an_output_that_is_being_written_is_no_leftover(tmp_path: Path) -> None:
    with replace_file(tmp_path / "r.json") as first:
        with replace_file(tmp_path / "r.json") as second:
            second.write(b"second")
        first.write(b"first")
    assert (tmp_path / "r.json").read_bytes() == b"first"


def test_what_a_killed_run_left_goes_and_what_is_anothers_stays(tmp_path: Path) -> None:
    digest = "c1cbab28"  # of the name q.csv
    leftover = tmp_path / f".q.csv.{digest}.0badcafe.partial"
    others = [
        tmp_path / ".q.csv.0badcafe.0badcafe.partial",
        tmp_path / ".q.csv.partial",
        tmp_path / "q.csv.bak",
    ]
    for path in (leftover, *others):
        path.touch()
    with open_output(str(tmp_path / "q.csv")) as stream:
        assert not leftover.exists()
        stream.write(b"new")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "q.csv"])
