"""What runs in each worker process: blocks of documents -> parts."""

from __future__ import annotations

import json
import logging
import math
import os
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qgbatch import errors
from qgbatch.errors import QgbatchError
from qgbatch.output.rows import columns_of, to_row
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.distributed.parts import MAX_ATTEMPTS, FileVersion, attempt, file_version, write_part
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.readers.content import display
from qgbatch.readers.listing import Listing
from qgbatch.readers.reading import InputReader
from qgbatch.records import Provenance, RunFacts
from qgbatch.settings import CacheSettings, FileSettings, Settings

logger = logging.getLogger(__name__)

_MAX_DOCUMENTS = 1024
"""Of a block: what a driver that hands out some 80 blocks a second needs to keep hundreds of GPUs busy."""
_BLOCKS_PER_WORKER = 8


@dataclass(frozen=True, slots=True)
class Job:
    """What all workers of a run are told."""

    settings: Settings
    files: FileSettings
    cache: CacheSettings
    working_directory: str
    """That of the driver: paths of documents may be relative to it."""
    parts: Path
    log_level: int = logging.INFO
    """The level from which on messages of the workers go to the driver."""


class Worker:
    """Holds the model; Ray Data calls it with one block after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        with suppress(OSError):  # another machine may lack it, and all paths be absolute
            os.chdir(job.working_directory)
        self._messages: list[tuple[int, list[str]]] = []
        package = logging.getLogger("qgbatch")
        package.addHandler(_Collector(self._messages))
        package.setLevel(job.log_level)
        self._store = SqliteStore(job.cache.directory if job.cache.cache else None, job.cache.max_bytes)

    @cached_property
    def _components(self) -> Components:
        return Components.find(self._job.settings, self._job.cache.directory)

    def __call__(self, blocks: dict[str, Any]) -> dict[str, list[str]]:
        """Blocks as :func:`encode_block` writes them -> the results for :func:`decode_result`."""
        return {
            "block": list(blocks["block"]),
            "result": [self._try(json.loads(block)) for block in blocks["block"]],
        }

    def _try(self, paths: list[str]) -> str:
        self._messages.clear()
        result: dict[str, Any] = {"messages": self._messages}
        try:
            with attempt(self._job.parts, encode_block(paths)) as number:
                if number <= MAX_ATTEMPTS:
                    result["report"] = self._make_part(paths).to_json()
        except QgbatchError as error:
            result["error"] = type(error).__name__, error.message, error.hint
        except Exception:
            result["bug"] = traceback.format_exc()
        return json.dumps(result)

    def _make_part(self, paths: list[str]) -> RunFacts:
        job, components, report = self._job, self._components, RunReport()
        versions = {path: file_version(path) for path in paths}
        stream = Stream(
            components, components.open_cache(self._store), report, fail_fast=job.files.fail_fast
        )
        questions = stream.questions(InputReader(Listing(list(paths)), job.files))
        columns = columns_of(with_context=job.files.with_context, with_answers=components.gives_answers)
        rows = [to_row(question, components.model.name, columns) for question in questions]
        report.n_written = len(rows)
        failed = {failure.source for failure in report.failures}
        documents = {path: version for path, version in versions.items() if display(path) not in failed}
        counts = report.facts()
        if documents:
            write_part(
                job.parts,
                encode_block(paths),
                rows,
                part_provenance(components, job.files),
                columns,
                documents=documents,
                report=counts,
            )
        return counts


class _Collector(logging.Handler):
    """Keeps the level of each message and its lines, those of a traceback after it, for the driver."""

    def __init__(self, messages: list[tuple[int, list[str]]]) -> None:
        super().__init__()
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        lines = [record.getMessage()]
        if record.exc_info:
            lines += logging.Formatter().formatException(record.exc_info).split("\n")
        self._messages.append((record.levelno, lines))


def part_provenance(components: Components, files: FileSettings) -> Provenance:
    """What the rows of a part depend on, beside its documents."""
    extra = {
        "with_context": files.with_context,
        "encoding": list(files.encoding),
        "text_column": files.text_column,
        "id_column": files.id_column,
    }
    return replace(components.provenance(), extra=extra)


def encode_block(paths: Sequence[str]) -> str:
    """Paths as ASCII, also those that are no Unicode."""
    return json.dumps(list(paths))


def decode_result(result: str) -> RunFacts | None:
    """Log what the worker would have logged, and give the facts of its block.

    It is ``None`` for a block that killed each worker that tried it.

    Raises:
        QgbatchError: what went wrong in the worker.
        RuntimeError: what went wrong there and was not foreseen.
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


def cut_into_blocks(documents: Mapping[str, FileVersion], n_workers: int) -> list[list[str]]:
    """Blocks, the largest first, and so many that no worker waits long for another at the end."""
    most_bytes = sum(size for size, _ in documents.values()) / (_BLOCKS_PER_WORKER * n_workers)
    most_documents = min(_MAX_DOCUMENTS, math.ceil(len(documents) / (_BLOCKS_PER_WORKER * n_workers)))
    blocks: list[list[str]] = []
    sizes: list[int] = []
    for path, (size, _) in documents.items():
        if not blocks or len(blocks[-1]) == most_documents or sizes[-1] + size > most_bytes:
            blocks.append([])
            sizes.append(0)
        blocks[-1].append(path)
        sizes[-1] += size
    return [block for _, block in sorted(zip(sizes, blocks, strict=True), key=lambda pair: -pair[0])]
