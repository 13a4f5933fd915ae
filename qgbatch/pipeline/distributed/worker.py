"""The worker process of a distributed run: turns blocks of documents into Parquet parts.

The driver and the workers exchange JSON strings. A block is a list of paths; its result contains the
counts, the log messages and, if the block failed, the error.
"""

from __future__ import annotations

import json
import logging
import math
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qgbatch import errors
from qgbatch.errors import QgbatchError, display, naming_options
from qgbatch.output.rows import output_columns, to_row
from qgbatch.output.run_facts import RunFacts
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.distributed.parts import (
    MAX_ATTEMPTS,
    FileVersion,
    counted_attempt,
    file_version,
    write_part,
)
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.questions.review import ReviewDecisions
from qgbatch.readers.reading import read_documents
from qgbatch.records import Document, Failure
from qgbatch.settings import CacheSettings, FileSettings, Settings

logger = logging.getLogger(__name__)

_MAX_DOCUMENTS = 1024
"""Per block. A driver that hands out about 80 blocks per second then keeps hundreds of GPUs busy."""
_BLOCKS_PER_WORKER = 8


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What the driver sends to every worker."""

    settings: Settings
    files: FileSettings
    cache: CacheSettings
    working_directory: str
    """The driver's working directory, because document paths may be relative to it."""
    parts_directory: Path
    """Where workers write parts."""
    log_level: int = logging.INFO
    """The minimum level of the messages that workers send to the driver."""
    decisions: ReviewDecisions | None = None
    """The decisions of a reader, if there are any."""


class Worker:
    """Processes blocks with one loaded model. Ray Data creates it once per worker process."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        with suppress(OSError):  # another machine may not have it; absolute paths work without
            os.chdir(config.working_directory)
        self._messages: list[tuple[int, list[str]]] = []
        package = logging.getLogger("qgbatch")
        package.addHandler(_MessageCollector(self._messages))
        package.setLevel(config.log_level)
        cache = config.cache
        self._store = SqliteStore(cache.directory if cache.cache else None, cache.max_bytes)

    @cached_property
    def _components(self) -> Components:
        return Components.find(self._config.settings, self._config.cache.directory)

    def __call__(self, blocks: dict[str, Any]) -> dict[str, list[str]]:
        """Process a batch of Ray Data.

        Args:
            blocks: The column ``block`` has blocks as :func:`encode_block` writes them.

        Returns:
            The column ``block`` again, and a column ``result`` for :func:`decode_result`.
        """
        return {
            "block": list(blocks["block"]),
            "result": [self._process(json.loads(block)) for block in blocks["block"]],
        }

    def _process(self, paths: list[str]) -> str:
        """Process a block and return its result; errors are part of the result."""
        self._messages.clear()
        result: dict[str, Any] = {"messages": self._messages}
        try:
            attempt = counted_attempt(self._config.parts_directory, encode_block(paths))
            with naming_options(), attempt as number:
                if number <= MAX_ATTEMPTS:
                    result["report"] = self._write_part(paths).to_json()
        except QgbatchError as error:
            result["error"] = type(error).__name__, error.message, error.hint
        except Exception:
            result["bug"] = traceback.format_exc()
        return json.dumps(result)

    def _write_part(self, paths: list[str]) -> RunFacts:
        """Ask questions about the documents of a block, write its part and return its facts."""
        config, components, report = self._config, self._components, RunReport()
        versions = {path: file_version(path) for path in paths}
        begun: set[str] = set()
        cache = open_cache(components, self._store)
        stream = Stream(
            components, cache, report, fail_fast=config.files.fail_fast, decisions=config.decisions
        )
        questions = stream.questions(_read(paths, config.files, begun))
        columns = output_columns(config.files, with_answers=components.gives_answers)
        rows = [to_row(question, components.model.name, columns) for question in questions]
        report.n_written = len(rows)
        facts = report.facts()
        failed = {failure.source for failure in report.failures if failure.stage != "part"}
        documents: dict[str, FileVersion] = {}
        for path, version in versions.items():
            if display(path) not in failed:
                documents[path] = version
            elif path in begun:
                documents[path] = 0, None
        if documents:
            write_part(
                config.parts_directory,
                encode_block(paths),
                rows,
                components.provenance(config.files, config.decisions),
                columns,
                documents=documents,
                report=_for_part(facts, versions.keys() - documents.keys()),
            )
        return facts


def _read(paths: Sequence[str], files: FileSettings, begun: set[str]) -> Iterator[Document | Failure]:
    """Read the documents of a block, and note the tables of which there is at least one row."""
    for path in paths:
        for n_before, (document, _) in enumerate(read_documents(path, files)):
            if n_before:
                begun.add(path)
            yield document


def _for_part(facts: RunFacts, failed: Set[str]) -> RunFacts:
    """The facts of a block that a later run reports again, and that are the same whenever it is processed.

    They are without the documents that failed as a whole, which the next run tries again.
    """
    sources = set(map(display, failed))
    kept = tuple(failure for failure in facts.failures if failure.source not in sources)
    return replace(
        facts,
        started="",
        n_inputs=facts.n_inputs - len(failed),
        n_generated=0,
        n_reused=0,
        failures=kept,
        seconds={},
    )


class _MessageCollector(logging.Handler):
    """Collects log messages, each as its level and lines, which the driver logs later."""

    def __init__(self, messages: list[tuple[int, list[str]]]) -> None:
        super().__init__()
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        lines = [record.getMessage()]
        if record.exc_info:
            lines += logging.Formatter().formatException(record.exc_info).split("\n")
        self._messages.append((record.levelno, lines))


def encode_block(paths: Sequence[str]) -> str:
    """Encode the paths of a block as ASCII, including paths that are not valid Unicode."""
    return json.dumps(list(paths))


def decode_result(result: str) -> RunFacts | None:
    """Log the messages of a worker and return the facts of its block.

    Returns:
        Counts, times and failures, or None if :data:`MAX_ATTEMPTS` workers died on the block.

    Raises:
        QgbatchError: The error that the worker raised.
        RuntimeError: The worker raised an unexpected exception; the message has its traceback.
    """
    values = json.loads(result)
    for level, lines in values["messages"]:
        logger.log(level, "\n".join(["%s"] * len(lines)), *lines)
    if "bug" in values:
        raise RuntimeError(f"In a worker:\n{values['bug']}")
    if "error" in values:
        name, message, hint = values["error"]
        raise getattr(errors, name)(message, hint)
    return RunFacts.from_json(values["report"]) if "report" in values else None


def group_into_blocks(documents: Mapping[str, FileVersion], n_workers: int) -> list[list[str]]:
    """Group documents into blocks of similar size, largest first.

    There are about :data:`_BLOCKS_PER_WORKER` blocks per worker, so that all workers finish at about
    the same time, and at most :data:`_MAX_DOCUMENTS` documents per block.

    Args:
        documents: Paths and versions of the documents.
        n_workers: The number of workers.

    Returns:
        The paths of each block.
    """
    n_blocks = _BLOCKS_PER_WORKER * n_workers
    max_bytes = sum(size for size, _ in documents.values()) / n_blocks
    max_documents = min(_MAX_DOCUMENTS, math.ceil(len(documents) / n_blocks))
    blocks: list[list[str]] = []
    sizes: list[int] = []
    for path, (size, _) in documents.items():
        if not blocks or len(blocks[-1]) == max_documents or sizes[-1] + size > max_bytes:
            blocks.append([])
            sizes.append(0)
        blocks[-1].append(path)
        sizes[-1] += size
    return [block for _, block in sorted(zip(sizes, blocks, strict=True), key=lambda pair: -pair[0])]
