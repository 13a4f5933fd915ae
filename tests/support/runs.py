"""What tests share that run the command in processes of their own, kill it and count what it did."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from qgbatch.pipeline.sqlite_store import FILE_NAME
from tests.conftest import MINI, SAMPLES

Qgbatch = Callable[..., Result]

COMMAND = [sys.executable, "-m", "qgbatch"]
GREEDY = ["--model", str(MINI), "--num-beams", "1", "--max-new-tokens", "16"]
"""Options of a fast run, in this process or another."""
LITTLE = str(SAMPLES / "lighthouses.txt")
"""A document of few chunks."""
OLD = b"old"
"""What the output holds before a run."""
PATIENCE_S = 240

# The command, noting in a file how many chunks each batch has that the engine takes.
NOTING_BATCHES = """
import functools, os, sys
from qgbatch.cli import main
from qgbatch.engines.choice import load_engine

notes = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@functools.wraps(load_engine)  # the keys of the cache are those of the function that it wraps
def load_recording_engine(*arguments):
    engine = load_engine(*arguments)
    generate = engine.generate
    engine.generate = lambda batches: generate(map(record, batches))
    return engine

def record(batch):
    os.write(notes, b"%d\\n" % len(batch))
    return batch

main(obj=load_recording_engine)
"""

# Commands that begin at the same moment, in forks of this process. Each is a line of JSON: the file for
# what it writes to its standard streams, then its words.
AT_ONCE = """
import json, os, sys
from contextlib import contextmanager
import qgbatch.pipeline
from qgbatch.output import atomic
from qgbatch.cli import main

notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
replace_file = atomic.replace_file

@contextmanager
def noted(path):  # who writes an output, from - to -
    is_output = path.suffix == ".jsonl"
    os.write(notes, b"+" * is_output)
    try:
        with replace_file(path) as stream:
            yield stream
    finally:
        os.write(notes, b"-" * is_output)

atomic.replace_file = noted
begin, go = os.pipe()
children = []
for log, *words in map(json.loads, sys.stdin):
    if child := os.fork():
        children.append(child)
        continue
    os.close(go)
    os.read(begin, 1)  # until the other end is closed
    log = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    main(words)
os.close(go)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
"""


def make_cache(directory: Path, home: Path) -> Path:
    """A cache directory without results; the converted models are those of the other tests."""
    directory.mkdir()
    (home / "qgbatch" / "ctranslate2").mkdir(parents=True, exist_ok=True)
    (directory / "ctranslate2").symlink_to(home / "qgbatch" / "ctranslate2")
    return directory


def count_generations(cache: Path) -> int:
    """For how many inputs the cache holds what the model wrote."""
    if not (cache / FILE_NAME).exists():
        return 0
    connection = sqlite3.connect(cache / FILE_NAME, timeout=60)
    query = """SELECT count(*) FROM entries WHERE substr(value, 9, 2) = CAST('[-' AS BLOB)"""  # a score
    try:
        return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:  # killed before the table was there
        return 0
    finally:
        connection.close()


def read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@contextmanager
def no_file_larger_than(n_bytes: int) -> Iterator[None]:
    """Let writes fail as on a full disk; Python ignores the signal that goes with it."""
    resource = pytest.importorskip("resource", reason="limits of the size of files are POSIX")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class CachedRun:
    """A run over a little document whose results are all in a cache."""

    def __init__(self, directory: Path, home: Path, qgbatch: Qgbatch) -> None:
        self.cache = make_cache(directory / "cache", home)
        self.words = ["run", LITTLE, "--cache-dir", str(self.cache), *GREEDY]
        (directory / "first").mkdir()
        output = directory / "first" / "q.jsonl"
        result = qgbatch(*self.words, "-o", output)
        assert result.exit_code == 0, result.output
        self.expected = output.read_bytes()
        self.n_generations = count_generations(self.cache)


@pytest.fixture
def cached_run(tmp_path_factory: pytest.TempPathFactory, cache_home: Path, qgbatch: Qgbatch) -> CachedRun:
    return CachedRun(tmp_path_factory.mktemp("cached"), cache_home, qgbatch)
