"""The driver of a distributed run: lists the inputs, starts the workers and completes the table."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qgbatch.errors import DocumentError, SettingsError, display, name_setting, require_package
from qgbatch.output.atomic import STDOUT, lock_output
from qgbatch.output.remote import is_uri
from qgbatch.output.run_facts import RunFacts, json_values
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.decisions import log_decisions
from qgbatch.pipeline.distributed.cluster import Pool, choose_pool, connected
from qgbatch.pipeline.distributed.dedupe import dedupe_parts
from qgbatch.pipeline.distributed.parts import (
    MAX_ATTEMPTS,
    FileVersion,
    Part,
    PartsDirectory,
    file_version,
    part_path,
)
from qgbatch.pipeline.distributed.worker import (
    Worker,
    WorkerConfig,
    decode_result,
    encode_block,
    group_into_blocks,
)
from qgbatch.pipeline.document_rows import OnProgress
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.selection import dedupes_corpus
from qgbatch.questions.review import read_decisions
from qgbatch.readers.content import STDIN
from qgbatch.readers.kinds import require_packages
from qgbatch.readers.listing import Listing
from qgbatch.records import Failure
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

    Documents that an earlier run with the same output finished are not processed again.

    Args:
        listing: The inputs, already checked against the output.
        output: The output directory, which all workers can access.
        settings: How to ask questions.
        files: How to read and write files.
        cache: Where results are cached.
        runner: The address of the cluster, and the number of workers.
        report: Is filled during the run. Its times are sums over the workers, except ``total``.
        on_progress: Called with the fraction of inputs that are done, 0 to 1, and the report.

    Returns:
        The same report.

    Raises:
        DocumentError: With ``fail_fast``, a document failed.
        LockedError: Another run is writing to this output.
        ModelError: The model is missing or damaged, or Ray is not installed.
        OutputError: The output cannot be written.
        SettingsError: A setting is out of range, or this runner does not support it.
    """
    require_package("ray", "--runner ray", extra="ray")
    _refuse_unsupported(listing.arguments, output, settings, files)
    decisions = read_decisions(files.review_with) if files.review_with else None
    report.n_decisions = len(decisions.by_id) if decisions else 0
    inputs = [display(argument) for argument in listing.arguments]
    report.files = {"inputs": inputs, "output": display(output), **json_values(files)}
    with report.stopwatch.measure_total():
        paths = _check_listing(listing, files, report)
        if not paths:
            return report
        components = Components.find(settings, cache.directory)
        report.provenance = components.provenance(files, decisions)
        log_decisions(report.provenance, cache)
        directory = PartsDirectory(Path(output))
        with lock_output(Path(output), files.wait_lock), directory:
            level = logger.getEffectiveLevel()
            config = WorkerConfig(
                settings, files, cache, str(Path.cwd()), directory.draft, level, decisions
            )
            versions = {path: file_version(path) for path in paths}
            reused = directory.reuse(versions, report.provenance)
            for part in reused:
                assert part.report
                report.add(part.report)
            done = {path for part in reused for path in part.documents}
            if done:
                logger.info("%d of %d documents are already done.", len(done), len(paths))
            with connected(runner.ray_address):
                pool = choose_pool(runner, settings.device)
                report.workers = pool.max_workers
                n_done, parts = len(done), [part.path for part in reused]
                blocks = _blocks_to_do(versions, reused, directory, pool)
                for block, counts in _process(config, blocks, pool):
                    report.add(counts)
                    n_done += len(block)
                    written = part_path(directory.draft, encode_block(block))
                    if written.exists():
                        parts.append(written)
                    if on_progress:
                        on_progress(n_done / len(paths), report)
                if report.n_documents:
                    has_ranker = components.ranker is not None
                    final = _final_parts(config, sorted(parts), paths, report, has_ranker=has_ranker)
                    directory.finish(final)
    return report


def _refuse_unsupported(
    inputs: Sequence[str], output: str, settings: Settings, files: FileSettings
) -> None:
    """Refuse inputs, outputs and settings that need a single process."""
    if output == STDOUT:
        raise SettingsError("--runner ray does not write to standard output.", "Name a directory with -o.")
    if is_uri(output):
        raise SettingsError(
            "--runner ray writes to a directory that all workers share, not to a URI.",
            "Write to a directory, and upload it afterwards.",
        )
    if STDIN in inputs:
        raise SettingsError("--runner ray does not read standard input.", "Name files or directories.")
    if files.format not in (None, "parquet"):
        raise SettingsError(
            f"--runner ray does not write {files.format}.", "It writes only Parquet; omit --format."
        )
    defaults = FileSettings()
    for name in ("passages", "styles", "questions", "questions_per_document"):
        if getattr(files, name) != getattr(defaults, name):
            raise SettingsError(
                f"--runner ray does not support {name_setting(name)}.",
                f"Remove {name_setting(name)}, or use --runner local.",
            )
    if settings.dedupe == "near" and settings.dedupe_scope == "corpus":
        raise SettingsError(
            "--runner ray finds only exact duplicates across documents.",
            "Use --dedupe exact, or --dedupe-scope document.",
        )


def _check_listing(listing: Listing, files: FileSettings, report: RunReport) -> list[str]:
    """Return the paths of all documents, and add inputs that were not found to the report as failures."""
    report.skipped.update(listing.skipped)
    require_packages(listing.paths)
    failures = [item for item in listing.items if isinstance(item, Failure)]
    report.n_inputs += len(failures)
    report.failures.extend(failures)
    if failures and files.fail_fast:
        raise DocumentError(failures[0].message)
    return listing.paths


def _blocks_to_do(
    versions: Mapping[str, FileVersion], reused: Sequence[Part], directory: PartsDirectory, pool: Pool
) -> list[list[str]]:
    """Group the documents that no part covers into blocks.

    An interrupted run goes on with its own blocks, so that its parts are those of a run that was not
    interrupted. Therefore the documents of unpublished parts are grouped too, and then left out.
    """
    drafts = {path for part in reused if part.path.parent == directory.draft for path in part.documents}
    published = {path for part in reused for path in part.documents} - drafts
    new = {path: version for path, version in versions.items() if path not in published}
    blocks = group_into_blocks(new, pool.max_workers)
    remaining = ([path for path in block if path not in drafts] for block in blocks)
    return [block for block in remaining if block]


def _process(
    config: WorkerConfig, blocks: Sequence[Sequence[str]], pool: Pool
) -> Iterator[tuple[list[str], RunFacts]]:
    """Process all blocks; yield the paths and the counts of each finished block.

    If a block kills every worker that tries it, its documents are tried one by one, so that only the
    documents that cause this are lost.
    """
    suspects: list[str] = []
    for paths, counts in _run_blocks(config, blocks, pool):
        if counts is None:
            suspects += paths
        else:
            yield paths, counts
    for paths, counts in _run_blocks(config, [[path] for path in suspects], pool):
        yield paths, counts or _workers_died(display(paths[0]), config.files)


def _run_blocks(
    config: WorkerConfig, blocks: Sequence[Sequence[str]], pool: Pool
) -> Iterator[tuple[list[str], RunFacts | None]]:
    """Run blocks in the pool; yield the paths and :func:`decode_result` of each, as they finish."""
    if not blocks:
        return
    import ray.data

    rows = [{"block": encode_block(block)} for block in blocks]
    results: Any = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Worker,
        fn_constructor_args=(config,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=pool.min_workers, max_size=pool.max_workers),
        num_cpus=pool.num_cpus,
        num_gpus=pool.num_gpus or None,
    )
    for row in results.iter_rows():
        yield json.loads(row["block"]), decode_result(row["result"])


def _workers_died(source: str, files: FileSettings) -> RunFacts:
    """The counts of a document on which too many workers died; with ``fail_fast``, raise an error."""
    error = DocumentError(
        f"{source}: {MAX_ATTEMPTS} workers died while processing it.",
        "They may have run out of memory: give workers more memory, or split the document.",
    )
    if files.fail_fast:
        raise error
    return RunReport(n_inputs=1, failures=[Failure.of(source, "generate", error)]).facts()


def _final_parts(
    config: WorkerConfig,
    parts: list[Path],
    paths: Sequence[str],
    report: RunReport,
    *,
    has_ranker: bool,
) -> list[Path]:
    """The parts of the whole table, after duplicates across documents were removed if requested."""
    if not dedupes_corpus(config.settings):
        return parts
    deduped = dedupe_parts(parts, [display(path) for path in paths], config, has_ranker=has_ranker)
    report.dropped["duplicate"] += report.n_written - deduped.n_kept - deduped.dropped.total()
    report.dropped.update(deduped.dropped)
    report.n_written = deduped.n_kept
    return deduped.paths
