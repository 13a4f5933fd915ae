"""The entry point of a run: documents to an output file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from qgbatch.engines.choice import LoadEngine, load_engine
from qgbatch.errors import display
from qgbatch.output.atomic import open_output
from qgbatch.output.rows import Row, output_columns
from qgbatch.output.run_facts import json_values
from qgbatch.output.writers import choose_format, open_writer
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.corpus import unique_rows
from qgbatch.pipeline.decisions import log_decisions
from qgbatch.pipeline.document_rows import OnProgress, document_rows
from qgbatch.pipeline.passages import open_passages
from qgbatch.pipeline.retrieval import check_retrieval_settings, finish_rows
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.selection import dedupes_corpus
from qgbatch.questions.retrieval.ranks import rank_range
from qgbatch.questions.review import read_decisions
from qgbatch.readers.conflicts import check_output_conflicts
from qgbatch.readers.kinds import require_packages
from qgbatch.readers.listing import Listing, list_inputs
from qgbatch.records import Failure
from qgbatch.settings import BaseSettings, CacheSettings, FileSettings, Settings

AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def run(
    inputs: Iterable[str | Path],
    output: str | Path,
    settings: Settings | None = None,
    files: FileSettings | None = None,
    cache: CacheSettings | None = None,
    *,
    report: RunReport | None = None,
    on_progress: OnProgress | None = None,
    load_engine: LoadEngine = load_engine,
) -> RunReport:
    """Read documents and write questions about them to ``output``.

    The output is only replaced if at least one document could be used. Each finished batch
    is stored in the cache for the next run.

    Args:
        inputs: Files, directories, glob patterns, URIs, or ``-`` for standard input.
        output: A file or URI, or ``-`` for standard output.
        settings: What decides the questions.
        files: How files are read and written.
        cache: Whether and where results are cached.
        report: A report to fill while the run is going on; a new one by default.
        on_progress: Called after each batch.
        load_engine: Loads the engine; tests pass one that needs no model.

    Returns:
        The report.

    Raises:
        DocumentError: A document failed and ``fail_fast`` is set.
        LockedError: Another run is writing this output.
        ModelError: The model is missing or damaged.
        OutputError: The output cannot be written, or is also an input.
        SettingsError: A setting is out of range.
        TypeError: An argument has the wrong type, such as a string for ``inputs``.
    """
    if isinstance(inputs, str | bytes) or not isinstance(inputs, Iterable):
        raise TypeError(f"inputs must be an iterable of paths, not {type(inputs).__name__}.")
    settings = _given_or_default("settings", settings, Settings)
    files = _given_or_default("files", files, FileSettings)
    cache = _given_or_default("cache", cache, CacheSettings)
    listing, output = list_inputs([_as_path("inputs", path) for path in inputs]), _as_path("output", output)
    check_output_conflicts(
        listing, [output, *filter(None, [files.passages])], [*filter(None, [files.review_with])]
    )
    report = report if report is not None else RunReport()
    return run_listing(
        listing,
        output,
        settings,
        files,
        cache,
        report=report,
        on_progress=on_progress,
        load_engine=load_engine,
    )


def _given_or_default(name: str, given: AnySettings | None, kind: type[AnySettings]) -> AnySettings:
    if given is None:
        return kind()
    if not isinstance(given, kind):
        raise TypeError(f"{name} must be {kind.__name__}, not {type(given).__name__}.")
    return given


def _as_path(name: str, value: str | Path) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name}: a path must be a string or a Path, not {type(value).__name__}.")
    return os.fspath(value)


def run_listing(
    listing: Listing,
    output: str,
    settings: Settings,
    files: FileSettings,
    cache: CacheSettings,
    *,
    report: RunReport,
    on_progress: OnProgress | None = None,
    load_engine: LoadEngine = load_engine,
) -> RunReport:
    """Run as :func:`run` does, over inputs that are listed and checked against the output already."""
    file_format = choose_format(output, files.format)
    check_retrieval_settings(settings, files)
    decisions = read_decisions(files.review_with) if files.review_with else None
    report.n_decisions = len(decisions.by_id) if decisions else 0
    inputs = [display(argument) for argument in listing.arguments]
    report.files = {"inputs": inputs, "output": display(output), **json_values(files)}
    with report.stopwatch.measure_total():
        report.skipped.update(listing.skipped)
        require_packages(listing.paths)
        if not listing.paths:
            report.n_inputs = len(listing.items)
            report.failures.extend(item for item in listing.items if isinstance(item, Failure))
            return report
        with suppress(_NothingToWriteError), open_output(output, files.wait_lock) as stream:
            components = Components.find(settings, cache.directory, load_engine=load_engine)
            report.provenance = components.provenance(files, decisions)
            log_decisions(report.provenance, cache)
            columns = output_columns(files, with_answers=components.gives_answers)
            with (
                open_passages(files, settings.language, report.provenance) as passages,
                closing(
                    document_rows(
                        listing,
                        components,
                        columns,
                        files,
                        cache,
                        report,
                        decisions=decisions,
                        passages=passages,
                        on_progress=on_progress,
                    )
                ) as made,
                open_writer(
                    stream, file_format, report.provenance, columns, csv_safe=files.csv_safe
                ) as writer,
            ):
                index = passages.index if passages else None
                has_ranker = components.ranker is not None
                rows = _without_duplicates(made, settings, has_ranker=has_ranker, report=report)
                for row in finish_rows(rows, index, settings, files, decisions, report):
                    with report.stopwatch.measure("write"):
                        writer.write(row)
                    report.n_written += 1
                    if index:
                        rank = row["bm25_rank"]
                        report.ranks[rank_range(None if rank is None else int(rank))] += 1
                report.n_passages = passages.n_written if passages else 0
                if not report.n_documents:
                    raise _NothingToWriteError
    return report


class _NothingToWriteError(Exception):
    """No document could be used, so the output stays as it is."""


def _without_duplicates(
    rows: Iterator[Row], settings: Settings, *, has_ranker: bool, report: RunReport
) -> Iterator[Row]:
    """Drop duplicates across documents if the settings say so."""
    if not dedupes_corpus(settings):
        return rows
    return unique_rows(rows, settings, has_ranker=has_ranker, report=report)
