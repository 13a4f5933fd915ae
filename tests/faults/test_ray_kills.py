"""Distributed runs of which a worker or the driver is killed: the table is that of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.support.runs import COMMAND, GREEDY, PATIENCE_S, make_cache, names, read_json

pytest.importorskip("ray", reason="the extra [ray] is not installed")

RAY = ["--runner", "ray", "--num-workers", "2", "--batch-tokens", "256"]
MIN_PARTS = 16
COUNTS = ("n_inputs", "n_documents", "n_chunks", "n_raw", "n_written", "dropped", "failures")
N_RUNS = 15
"""Runs of which a worker is killed; as many lose their driver."""


class RayRun:
    """``qgbatch run --runner ray`` in a session of its own, with the processes that Ray starts for it."""

    def __init__(self, words: list[str], temporary: Path, log: Path) -> None:
        environment = {**os.environ, "TMPDIR": str(temporary)}
        self._log = log
        with log.open("wb") as stream:
            self.driver = subprocess.Popen(
                [*COMMAND, *words, "-q"],
                env=environment,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        return self.driver.poll() is None

    def processes(self) -> dict[int, bytes]:
        """Its living processes and their titles."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                pid = int(directory.name)
                if os.getsid(pid) == self.driver.pid and (title := (directory / "cmdline").read_bytes()):
                    found[pid] = title
        return found

    def kill_driver(self) -> None:
        self.driver.kill()
        self.driver.wait(PATIENCE_S)

    def kill_worker(self, dice: random.Random) -> None:
        """Kill a process that is at work on documents or rows, as soon as there is one."""
        while self.is_running():
            titles = self.processes()
            workers = [pid for pid, title in titles.items() if b"Map" in title or b"Shuffle" in title]
            if workers:
                with suppress(ProcessLookupError):
                    os.kill(dice.choice(workers), signal.SIGKILL)
                    return
            time.sleep(0.005)

    def finish(self) -> None:
        assert self.driver.wait(PATIENCE_S) == 0, self._log.read_text(encoding="utf-8")
        assert not self._log.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody kills gives, and how long it takes."""

    table: Mapping[str, bytes]
    counts: Mapping[str, object]
    start_s: float
    """Seconds until there is a part."""
    work_s: float
    """Seconds from then on, until the table is complete."""


class Place:
    """Where a run is killed, and run again: an output, a cache, a report."""

    def __init__(self, directory: Path, inputs: Path, scope: str, start: Callable[..., RayRun]) -> None:
        self._start, self._log = start, directory / "log"
        (directory / "out").mkdir()
        self.table, self.report = directory / "out" / "q", directory / "out" / "r.json"
        files = [
            "-o",
            str(self.table),
            "--report",
            str(self.report),
            "--cache-dir",
            str(directory / "cache"),
        ]
        self._words = ["run", str(inputs), *files, *GREEDY, *RAY, "--dedupe-scope", scope]

    def start(self) -> RayRun:
        return self._start(self._words, self._log)

    def start_and_wait(self, dice: random.Random, undisturbed: Undisturbed) -> RayRun:
        """Start a run and wait for a random moment of it; one in five is before there is a part."""
        run = self.start()
        if dice.random() < 0.2:
            time.sleep(dice.uniform(0, undisturbed.start_s))
        else:
            self.wait_for_part(run)
            time.sleep(dice.uniform(0, undisturbed.work_s))
        return run

    def wait_for_part(self, run: RayRun) -> None:
        while run.is_running() and not [*self.table.glob(".parts/*.parquet")]:
            time.sleep(0.005)

    def is_complete(self) -> bool:
        return (self.table / "_SUCCESS").exists()

    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.table.glob("*")}

    def counts(self) -> dict[str, object]:
        report = read_json(self.report)
        return {name: report[name] for name in COUNTS}

    def check(self, undisturbed: Undisturbed) -> None:
        assert names(self.table) == sorted(undisturbed.table)
        assert self.content() == undisturbed.table
        assert self.counts() == undisturbed.counts
        assert names(self.table.parent) == ["q", "r.json"]


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., RayRun]]:
    """Start runs. In the end, no process of any of them is left.

    Two helpers of Ray survive the driver for up to a minute, because they report its death.
    """
    runs: list[RayRun] = []
    with tempfile.TemporaryDirectory(prefix="q") as temporary:  # short, as the paths of sockets must be

        def start(words: list[str], log: Path) -> RayRun:
            runs.append(RayRun(words, Path(temporary), log))
            return runs[-1]

        yield start
        deadline = time.monotonic() + PATIENCE_S
        while (left := [found for run in runs for found in run.processes().items()]) and (
            time.monotonic() < deadline
        ):
            time.sleep(1)
        for pid, _ in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paragraphs of the samples, each of them a document."""
    directory = tmp_path_factory.mktemp("inputs")
    for path in SAMPLES.iterdir():
        for number, paragraph in enumerate(path.read_text(encoding="utf-8").split("\n\n")):
            if len(paragraph) > 150:
                (directory / f"{path.stem}-{number:02}.txt").write_text(paragraph, encoding="utf-8")
    return directory


MakePlace = Callable[[Path, str], Place]


@pytest.fixture(scope="module")
def make_place(inputs: Path, cache_home: Path, start: Callable[..., RayRun]) -> MakePlace:
    def make(directory: Path, scope: str) -> Place:
        make_cache(directory / "cache", cache_home)
        return Place(directory, inputs, scope, start)

    return make


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, make_place: MakePlace
) -> Mapping[str, Undisturbed]:
    """By the scope of the duplicates. The first run converts the model for all others."""
    return {
        scope: run_undisturbed(make_place(tmp_path_factory.mktemp(scope), scope))
        for scope in ("document", "corpus")
    }


def run_undisturbed(place: Place) -> Undisturbed:
    begin, run = time.monotonic(), place.start()
    place.wait_for_part(run)
    first = time.monotonic()
    while run.is_running() and not place.is_complete():
        time.sleep(0.005)
    end = time.monotonic()
    run.finish()
    assert len(place.content()) > MIN_PARTS
    return Undisturbed(place.content(), place.counts(), first - begin, end - first)


def scope_of(seed: int) -> str:
    """One run in five has a second half, in which duplicates across the corpus are removed."""
    return "document" if seed % 5 else "corpus"


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(N_RUNS))
def test_a_run_with_a_killed_worker_gives_the_same_bytes(
    seed: int, tmp_path: Path, make_place: MakePlace, undisturbed: Mapping[str, Undisturbed]
) -> None:
    dice, scope = random.Random(seed), scope_of(seed)
    place = make_place(tmp_path, scope)
    run = place.start_and_wait(dice, undisturbed[scope])
    run.kill_worker(dice)
    run.finish()
    place.check(undisturbed[scope])


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(N_RUNS, 2 * N_RUNS))
def test_a_run_with_a_killed_driver_gives_the_same_bytes_when_it_is_run_again(
    seed: int, tmp_path: Path, make_place: MakePlace, undisturbed: Mapping[str, Undisturbed]
) -> None:
    dice, scope = random.Random(seed), scope_of(seed)
    place = make_place(tmp_path, scope)
    place.start_and_wait(dice, undisturbed[scope]).kill_driver()
    assert not place.is_complete() or place.content() == undisturbed[scope].table
    place.start().finish()
    place.check(undisturbed[scope])
