"""Inputs -> a directory of parts: what ``qgbatch run --runner ray`` calls."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from qgbatch.errors import DocumentError, SettingsError, require_package
from qgbatch.output.atomic import STDOUT, lock_output
from qgbatch.output.remote import is_uri
from qgbatch.pipeline.api import OnProgress
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.distributed.cluster import Pool, choose_pool, connected
from qgbatch.pipeline.distributed.dedupe import unique_parts
from qgbatch.pipeline.distributed.parts import (
    MAX_ATTEMPTS,
    FileVersion,
    Part,
    PartsDirectory,
    file_version,
)
from qgbatch.pipeline.distributed.worker import (
    Job,
    Worker,
    cut_into_blocks,
    decode_result,
    encode_block,
    part_provenance,
)
from qgbatch.pipeline.run_report import RunReport
from qgbatch.readers.content import STDIN, display
from qgbatch.readers.kinds import require_packages
from qgbatch.readers.listing import Listing
from qgbatch.records import Failure, RunFacts
from qgbatch.settings import CacheSettings, FileSettings, RunnerSettings, Settings

logger = logging.getLogger(__name__)


def run_distributed(
    listing: Listing,
    output: str,
    settings: Settings,
    files: FileSettings,
    cache: CacheSettings,
    runner: RunnerSettings,
    *,
    report: RunReport,
    on_progress: OnProgress | None = None,
) -> RunReport:
    """Run the pipeline in the workers of a Ray cluster and write a directory of Parquet parts.

    Documents that an earlier attempt is done with are not read again. Times in the report are
    sums over the workers, but for ``total``. The inputs are listed, and checked against the
    output, already.

    Raises:
        DocumentError: with ``fail_fast``, the first document that fails.
        LockedError: another run is writing this output.
        ModelError: the model is missing or damaged, or Ray is not installed.
        OutputError: the output cannot be written.
        SettingsError: a setting is out of range, or is not for this runner.
    """
    require_package("ray", "--runner ray", extra="ray")
    _check(listing.arguments, output, settings, files)
    inputs = [display(argument) for argument in listing.arguments]
    report.files = {"inputs": inputs, "output": output, **asdict(files)}
    with report.stopwatch.measure_total():
        report.skipped.update(listing.skipped)
        paths = listing.paths
        require_packages(paths)
        _fail([item for item in listing.items if isinstance(item, Failure)], report, files)
        if not paths:
            return report
        components = Components.find(settings, cache.directory)
        report.provenance = components.provenance()
        directory = PartsDirectory(Path(output))
        with lock_output(Path(output), files.wait_lock), directory:
            versions = {path: file_version(path) for path in paths}
            kept = directory.reuse(versions, part_provenance(components, files))
            done = {path for part in kept for path in part.documents}
            if done:
                logger.info("%d of %d documents were done before.", len(done), len(paths))
            for part in kept:
                report.add(_counts_that_stay(part))
            left = {path: version for path, version in versions.items() if path not in done}
            level = logger.getEffectiveLevel()
            job = Job(settings, files, cache, str(Path.cwd()), directory.draft, level)
            with connected(runner.ray_address):
                pool = choose_pool(runner, settings.device)
                report.workers = pool.max_workers
                n_done = len(done)
                for n_paths, counts in _work(job, left, pool):
                    report.add(counts)
                    n_done += n_paths
                    if on_progress:
                        on_progress(n_done / len(paths), report)
                if report.n_documents:
                    directory.finish(_final_parts(job, kept, paths, report))
    return report


def _check(inputs: Sequence[str], output: str, settings: Settings, files: FileSettings) -> None:
    """Refuse what only one process can do."""
    if output == STDOUT:
        raise SettingsError("--runner ray does not write to standard output.", "Name a directory with -o.")
    if is_uri(output):
        raise SettingsError(
            "--runner ray writes to a directory that all workers share.", "Copy it to its place after."
        )
    if STDIN in inputs:
        raise SettingsError("--runner ray does not read standard input.", "Name files or directories.")
    if files.format not in (None, "parquet"):
        raise SettingsError(f"--runner ray does not write {files.format}.", "It writes Parquet parts.")
    if settings.dedupe == "near" and settings.dedupe_scope == "corpus":
        raise SettingsError(
            "--runner ray finds only exact duplicates across documents.",
            "Use --dedupe exact, or --dedupe-scope document.",
        )


def _fail(failures: Sequence[Failure], report: RunReport, files: FileSettings) -> None:
    report.n_inputs += len(failures)
    report.failures.extend(failures)
    if failures and files.fail_fast:
        raise DocumentError(failures[0].message)


def _counts_that_stay(part: Part) -> RunFacts:
    """What a part of an earlier attempt counted, but for files that failed and are tried again.

    Rows that failed are not, before their table changes.
    """
    assert part.report
    failures, tables = part.report.failures, {display(path) for path in part.documents}
    of_rows = tuple(failure for failure in failures if failure.source.rpartition("#")[0] in tables)
    n_inputs = part.report.n_inputs - len(failures) + len(of_rows)
    return replace(part.report, n_inputs=n_inputs, failures=of_rows, seconds={})


def _work(job: Job, documents: Mapping[str, FileVersion], pool: Pool) -> Iterator[tuple[int, RunFacts]]:
    """Give the number of files of each block and its counts when it is done.

    The documents of a block that kills each worker are tried one by one, so that those
    that do not are not lost.
    """
    suspects: list[str] = []
    for paths, counts in _results(job, cut_into_blocks(documents, pool.max_workers), pool):
        if counts is None:
            suspects += paths
        else:
            yield len(paths), counts
    for paths, counts in _results(job, [[path] for path in suspects], pool):
        yield 1, counts or _killed_workers(display(paths[0]), job.files)


def _results(
    job: Job, blocks: Sequence[Sequence[str]], pool: Pool
) -> Iterator[tuple[list[str], RunFacts | None]]:
    """Blocks as they are done, and what :func:`decode_result` says of each."""
    if not blocks:
        return
    import ray.data

    rows = [{"block": encode_block(block)} for block in blocks]
    results: Any = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Worker,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=pool.min_workers, max_size=pool.max_workers),
        num_cpus=pool.num_cpus,
        num_gpus=pool.num_gpus or None,
    )
    for row in results.iter_rows():
        yield json.loads(row["block"]), decode_result(row["result"])


def _killed_workers(source: str, files: FileSettings) -> RunFacts:
    error = DocumentError(
        f"{source}: {MAX_ATTEMPTS} workers died on it.",
        "Were they out of memory? Give them more, or split the document.",
    )
    if files.fail_fast:
        raise error
    return RunReport(n_inputs=1, failures=[Failure.of(source, "generate", error)]).facts()


def _final_parts(job: Job, kept: Sequence[Part], paths: Sequence[str], report: RunReport) -> list[Path]:
    """The parts of the whole table; duplicates across documents are left out first."""
    parts = [
        *(part.path for part in kept if part.path.parent != job.parts),
        *sorted(job.parts.glob("*.parquet")),
    ]
    if job.settings.dedupe_scope != "corpus" or job.settings.dedupe == "none":
        return parts
    unique = unique_parts(parts, [display(path) for path in paths], job)
    report.n_written, report.dropped["duplicate"] = (
        unique.n_kept,
        report.dropped["duplicate"] + unique.n_dropped,
    )
    return unique.parts
