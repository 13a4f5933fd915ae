"""The entry points: documents to an output file, and texts to questions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from typing_extensions import Unpack

from qgbatch.engines.choice import LoadEngine, load_engine
from qgbatch.errors import display
from qgbatch.output.atomic import open_output, open_temporary_file
from qgbatch.output.rows import Row, output_columns, to_row
from qgbatch.output.run_facts import json_values
from qgbatch.output.writers import choose_format, json_line, open_writer
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.selection import unique
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.questions.dedupe import find_duplicates
from qgbatch.readers.conflicts import check_output_conflicts
from qgbatch.readers.kinds import require_packages
from qgbatch.readers.listing import Listing, list_inputs
from qgbatch.readers.reading import InputReader
from qgbatch.records import Document, Failure, Question
from qgbatch.settings import CacheSettings, FileSettings, Options, Settings

OnProgress = Callable[[float, RunReport], None]
"""Called after each batch with the finished share of the input, 0 to 1, and the report so far."""


def generate_questions(texts: Iterable[str | Document], **options: Unpack[Options]) -> list[Question]:
    """Generate questions about texts; :func:`iter_questions` as a list."""
    return list(iter_questions(texts, **options))


def iter_questions(texts: Iterable[str | Document], **options: Unpack[Options]) -> Iterator[Question]:
    """Generate questions about texts and yield them in input order.

    Texts are read as they are needed. With ``dedupe_scope="corpus"`` all questions are
    generated before the first one is yielded. Results are not cached.

    Args:
        texts: Texts or documents. A text gets its position (``"0"``, ``"1"``, ...) as
            ``source``; use :meth:`Document.from_text` for another name.
        **options: The fields of :class:`qgbatch.Settings`.

    Raises:
        DocumentError: A text cannot be used. No text is skipped.
        ModelError: The model is missing or damaged.
        SettingsError: An option is out of range.
        TypeError: ``texts`` is a string, not a list of strings.
    """
    if isinstance(texts, str):
        raise TypeError("texts is a string: give a list of strings.")
    components = Components.find(Settings(**options), CacheSettings().directory)
    documents = (
        text if isinstance(text, Document) else Document.from_text(text, str(position))
        for position, text in enumerate(texts)
    )
    report, cache = RunReport(), components.open_cache(SqliteStore(None, 0))
    questions = Stream(components, cache, report, fail_fast=True).questions(documents)
    if components.settings.dedupe_scope == "corpus":
        yield from unique(list(questions), components.settings, report.dropped)
    else:
        yield from questions


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
        TypeError: ``inputs`` is a string, not a list of strings.
    """
    if isinstance(inputs, str):
        raise TypeError("inputs is a string: give a list of paths.")
    settings, files, cache = settings or Settings(), files or FileSettings(), cache or CacheSettings()
    listing, output = list_inputs([os.fspath(path) for path in inputs]), os.fspath(output)
    check_output_conflicts(listing, [output])
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
            report.provenance = components.provenance()
            with (
                closing(SqliteStore(cache.directory if cache.cache else None, cache.max_bytes)) as store,
                open_writer(
                    stream,
                    file_format,
                    report.provenance,
                    output_columns(with_context=files.with_context, with_answers=components.gives_answers),
                    csv_safe=files.csv_safe,
                ) as writer,
            ):
                for row in _rows(listing, components, store, files, report, on_progress):
                    with report.stopwatch.measure("write"):
                        writer.write(row)
                    report.n_written += 1
                if not report.n_documents:
                    raise _NothingToWriteError
    return report


class _NothingToWriteError(Exception):
    """No document could be used, so the output stays as it is."""


def _rows(
    listing: Listing,
    components: Components,
    store: SqliteStore,
    files: FileSettings,
    report: RunReport,
    on_progress: OnProgress | None,
) -> Iterator[Row]:
    reading = InputReader(listing, files)

    def on_batch(inputs_done: float) -> None:
        share = reading.share(inputs_done)
        if on_progress:
            on_progress(share, report)

    cache = components.open_cache(store)
    stream = Stream(components, cache, report, fail_fast=files.fail_fast, on_batch=on_batch)
    questions = stream.questions(reading)
    columns = output_columns(with_context=files.with_context, with_answers=components.gives_answers)
    rows = (to_row(question, components.model.name, columns) for question in questions)
    if components.settings.dedupe_scope == "corpus":
        return _unique_in_corpus(rows, components.settings, report)
    return rows


def _unique_in_corpus(rows: Iterable[Row], settings: Settings, report: RunReport) -> Iterator[Row]:
    """Drop duplicate rows across documents.

    Rows wait in a temporary file; memory only holds their questions and scores.
    """
    questions: list[str] = []
    scores: list[float] = []
    with open_temporary_file() as waiting:
        for row in rows:
            questions.append(str(row["question"]))
            scores.append(float(row["score"] or 0.0))
            waiting.write(json_line(row))
        with report.stopwatch.measure("dedupe"):
            duplicates = find_duplicates(questions, scores, settings.dedupe, settings.near_threshold)
        report.dropped.update(duplicates.values())
        waiting.seek(0)
        for index, line in enumerate(waiting):
            if index not in duplicates:
                yield json.loads(line)
