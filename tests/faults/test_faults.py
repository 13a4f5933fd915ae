"""Runs that are killed, and run again: nothing is lost, done twice or left behind."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import qgbatch
from qgbatch import RunReport, Settings
from qgbatch.engines.cores import n_cores
from qgbatch.pipeline.cache import Cache
from qgbatch.settings import CacheSettings
from tests.conftest import MINI, SAMPLES
from tests.support.runs import (
    COMMAND,
    GREEDY,
    LITTLE,
    NOTING_BATCHES,
    OLD,
    PATIENCE_S,
    CachedRun,
    Qgbatch,
    cached_run,
    count_generations,
    make_cache,
    names,
    read_json,
)

__all__ = ["cached_run"]

SMALL_BATCHES = ["--window-chunks", "32", "--batch-tokens", "256"]
SETTINGS = Settings(model=str(MINI), num_beams=1, max_new_tokens=16, window_chunks=32, batch_tokens=256)
START_UP_S = 5.0

# The command, which kills itself where a function of qgbatch is called.
DYING = """
import os, signal, sys
from importlib import import_module
from qgbatch.__main__ import entry

module, name = sys.argv.pop(1).split(":")
setattr(import_module(module), name, lambda *arguments: os.kill(os.getpid(), signal.SIGKILL))
entry()
"""


@dataclass(frozen=True)
class Undisturbed:
    output: bytes
    n_chunks: int
    n_distinct: int
    n_batches: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Undisturbed:
    """What a run over ``samples/`` that nobody kills gives and does."""
    directory = tmp_path_factory.mktemp("undisturbed")
    cache = make_cache(directory / "cache", cache_home)
    n_batches = 0

    def on_progress(share: float, report: RunReport) -> None:
        nonlocal n_batches
        n_batches += 1

    files = CacheSettings(cache_dir=str(cache))
    report = qgbatch.run([SAMPLES], directory / "q.jsonl", SETTINGS, cache=files, on_progress=on_progress)
    assert report.n_chunks >= 300
    assert count_generations(cache) == report.n_generated
    return Undisturbed((directory / "q.jsonl").read_bytes(), report.n_chunks, report.n_generated, n_batches)


class Place:
    """Where a run is killed, and run again: an output with an old content, a cache, a report."""

    def __init__(self, directory: Path, cache: Path, undisturbed: Undisturbed) -> None:
        self.directory, self.cache, self.undisturbed = directory, cache, undisturbed
        self.notes = directory / "notes"
        (directory / "out").mkdir()
        self.output, self.report = directory / "out" / "q.jsonl", directory / "out" / "r.json"
        self.output.write_bytes(OLD)
        files = ["-o", str(self.output), "--report", str(self.report), "--cache-dir", str(cache)]
        self.words = ["run", str(SAMPLES), *files, *GREEDY, *SMALL_BATCHES]

    def kill(self, after_batches: int, delay_s: float) -> None:
        """Kill a run some time after the engine has taken so many batches, and look at what is there."""
        self.notes.unlink(missing_ok=True)
        n_before = count_generations(self.cache)
        command = [sys.executable, "-c", NOTING_BATCHES, str(self.notes), *self.words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None and len(self._sizes()) < after_batches:
                time.sleep(0.002)
            time.sleep(delay_s)
            process.kill()
            _, said = process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in said
        assert self.output.read_bytes() in (OLD, self.undisturbed.output)
        n_kept = count_generations(self.cache) - n_before
        n_safe = sum(self._sizes()[: -2 * n_cores()])  # all but the batches in flight
        assert n_safe <= n_kept <= sum(self._sizes())

    def run_again(self, qgbatch: Qgbatch) -> None:
        """Run undisturbed, and check that it gives all and does nothing twice."""
        n_before = count_generations(self.cache)
        result = qgbatch(*self.words)
        assert result.exit_code == 0, result.output
        assert "warning" not in result.stderr
        report = read_json(self.report)
        assert n_before + report["n_generated"] == self.undisturbed.n_distinct
        assert report["n_generated"] + report["n_reused"] <= report["n_chunks"] == self.undisturbed.n_chunks
        assert self.output.read_bytes() == self.undisturbed.output
        assert names(self.output.parent) == ["q.jsonl", "r.json"]

    def _sizes(self) -> list[int]:
        return [int(line) for line in self.notes.read_text().split()] if self.notes.exists() else []


@pytest.fixture
def make_place(tmp_path: Path, cache_home: Path, undisturbed: Undisturbed) -> Callable[[str], Place]:
    def make(name: str) -> Place:
        (tmp_path / name).mkdir()
        return Place(tmp_path / name, make_cache(tmp_path / name / "cache", cache_home), undisturbed)

    return make


def random_moment(dice: random.Random, n_batches: int) -> tuple[int, float]:
    """How many batches before a kill, and how many seconds after them; one in five is at the start."""
    if dice.random() < 0.2:
        return 0, dice.uniform(0, START_UP_S)
    return dice.randint(1, n_batches), dice.uniform(0, 0.05)


def test_a_killed_run_loses_nothing(make_place: Callable[[str], Place], qgbatch: Qgbatch) -> None:
    place, dice = make_place("chain"), random.Random(5)
    place.kill(dice.randint(1, place.undisturbed.n_batches // 3), dice.uniform(0, 0.05))
    assert 0 < count_generations(place.cache) < place.undisturbed.n_distinct
    place.run_again(qgbatch)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(190))
def test_a_run_killed_at_a_random_moment_loses_nothing(
    seed: int, make_place: Callable[[str], Place], qgbatch: Qgbatch
) -> None:
    place, dice = make_place("one"), random.Random(seed)
    place.kill(*random_moment(dice, place.undisturbed.n_batches))
    place.run_again(qgbatch)


@pytest.mark.faults
def test_a_run_killed_ten_times_in_a_row_loses_nothing(
    make_place: Callable[[str], Place], qgbatch: Qgbatch
) -> None:
    place, dice = make_place("chain"), random.Random(10)
    for _ in range(10):
        place.kill(*random_moment(dice, place.undisturbed.n_batches // 10))
    place.run_again(qgbatch)


@pytest.mark.parametrize(
    ("function", "finished"),
    [
        ("qgbatch.pipeline.sqlite_store:_connect", False),
        ("qgbatch.output.atomic:_rename", False),
        ("qgbatch.output.atomic:_sync_directory", True),
    ],
)
def test_a_run_killed_between_two_steps_leaves_the_old_output_or_the_new(
    function: str, finished: bool, tmp_path: Path, cached_run: CachedRun, qgbatch: Qgbatch
) -> None:
    output = tmp_path / "q.jsonl"
    output.write_bytes(OLD)
    words = [*cached_run.words, "-o", str(output), "--report", str(tmp_path / "r.json")]
    for _ in range(2):
        died = subprocess.run([sys.executable, "-c", DYING, function, *words], check=False)
        assert died.returncode == -9
        assert output.read_bytes() == (cached_run.expected if finished else OLD)
    assert qgbatch(*words).exit_code == 0
    assert read_json(tmp_path / "r.json")["n_generated"] == 0
    assert output.read_bytes() == cached_run.expected
    assert names(tmp_path) == ["q.jsonl", "r.json"]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "settings",
    [
        Settings(num_beams=4, max_new_tokens=16, batch_tokens=256),
        Settings(num_beams=1, max_new_tokens=16, batch_tokens=512, compute_type="float32"),
        pytest.param(
            Settings(num_beams=1, max_new_tokens=16, batch_tokens=512, engine="torch"),
            marks=pytest.mark.faults,
        ),
    ],
    ids=["int8", "float32", "torch"],
)
def test_a_run_that_goes_on_gives_the_same_bytes_in_any_precision(
    settings: Settings, tmp_path: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = CacheSettings(cache_dir=str(make_cache(tmp_path / "cache", cache_home)))
    inputs = [LITTLE, str(SAMPLES / "tea.md")]
    anew = qgbatch.run(inputs, tmp_path / "anew.jsonl", settings, cache=CacheSettings(cache=False))
    put_generations, n_left = Cache.put_generations, 0

    def end_before_long(self: Cache, made: Any) -> None:
        nonlocal n_left
        n_left -= 1
        if n_left < 0:
            raise KeyboardInterrupt
        put_generations(self, made)

    with monkeypatch.context() as patch:
        patch.setattr(Cache, "put_generations", end_before_long)
        for n_batches in (0, 1, 3):
            n_left = n_batches
            with pytest.raises(KeyboardInterrupt):
                qgbatch.run(inputs, tmp_path / "q.jsonl", settings, cache=cache)
    again = qgbatch.run(inputs, tmp_path / "q.jsonl", settings, cache=cache)
    assert 0 < again.n_generated < anew.n_generated
    assert again.n_generated + again.n_reused == again.n_chunks
    assert (tmp_path / "q.jsonl").read_bytes() == (tmp_path / "anew.jsonl").read_bytes()


def test_the_command_in_a_process_gives_what_it_gives_in_this_one(
    tmp_path: Path, cached_run: CachedRun
) -> None:
    output = tmp_path / "q.jsonl"
    subprocess.run([*COMMAND, *cached_run.words, "-o", str(output)], check=True)
    assert output.read_bytes() == cached_run.expected
