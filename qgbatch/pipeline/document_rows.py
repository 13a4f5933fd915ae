"""The rows of documents: of those that are new or have changed, and the stored ones of the others."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing

from qgbatch.output.rows import Row, to_row
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.document_result import DocumentResult
from qgbatch.pipeline.passages import Passages
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.pipeline.unchanged import UnchangedDocuments, open_unchanged
from qgbatch.questions.review import ReviewDecisions
from qgbatch.readers.listing import Listing
from qgbatch.readers.reading import InputReader
from qgbatch.settings import CacheSettings, FileSettings

OnProgress = Callable[[float, RunReport], None]
"""Called after each batch with the finished share of the input, 0 to 1, and the report so far."""


def document_rows(
    listing: Listing,
    components: Components,
    columns: Mapping[str, str],
    files: FileSettings,
    cache: CacheSettings,
    report: RunReport,
    *,
    decisions: ReviewDecisions | None,
    passages: Passages | None,
    on_progress: OnProgress | None,
) -> Generator[Row]:
    """Yield the rows of all documents in input order, before duplicates across documents are dropped.

    Args:
        listing: The inputs.
        components: The model and what belongs to it.
        columns: The columns of the rows, in order, with their pyarrow types.
        files: How files are read.
        cache: Whether and where results are stored.
        report: Its provenance decides which stored rows can be used; its counts are increased.
        decisions: The decisions of a reader.
        passages: Gets all chunks. Then every document is read.
        on_progress: Called after each batch.
    """
    assert report.provenance
    with closing(SqliteStore(cache.directory if cache.cache else None, cache.max_bytes)) as store:
        results = open_cache(components, store)
        deciding = {"run": report.provenance.to_json(), "results": results.identity}
        stored_rows = SqliteStore(None, 0) if passages else store
        with open_unchanged(
            listing.items, stored_rows, deciding, columns, verify=cache.verify
        ) as unchanged:
            unread = unchanged.find_changed()
            with closing(InputReader(Listing([listing.items[i] for i in unread]), files)) as reading:

                def on_batch(inputs_done: float) -> None:
                    share = reading.share(inputs_done)
                    if on_progress:
                        on_progress(share, report)

                stream = Stream(
                    components,
                    results,
                    report,
                    fail_fast=files.fail_fast,
                    decisions=decisions,
                    on_batch=on_batch,
                    on_chunks=passages.add if passages else None,
                )
                made = (
                    (unread[reading.take_position(result.document)], result)
                    for result in (stream.results(reading) if unread else ())
                )
                yield from _in_order(made, unchanged, columns, components.model.name, report)


def _in_order(
    made: Iterable[tuple[int, DocumentResult]],
    unchanged: UnchangedDocuments,
    columns: Iterable[str],
    model: str,
    report: RunReport,
) -> Iterator[Row]:
    """Yield the rows of new and of unchanged documents by the positions of their inputs."""
    next_position = 0
    for position, result in made:
        yield from _load(range(next_position, position), unchanged, report)
        next_position = position + 1
        rows = [to_row(question, model, columns) for question in result.questions]
        if result.is_whole:
            unchanged.add(position, rows, result.counts)
        yield from rows
    yield from _load(range(next_position, unchanged.n_inputs), unchanged, report)


def _load(positions: Iterable[int], unchanged: UnchangedDocuments, report: RunReport) -> Iterator[Row]:
    """Yield the rows of the unchanged documents among some positions."""
    for position in positions:
        if unchanged.is_unchanged(position):
            rows, counts = unchanged.load(position)
            report.add_stored(counts)
            yield from rows
