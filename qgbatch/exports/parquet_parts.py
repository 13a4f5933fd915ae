"""The Parquet files of the parts of a split, in the layout that ``datasets`` loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import Files
from qgbatch.output.writers import Writer, open_writer

PART_FILE = "data/{}-00000-of-00001.parquet"
SINGLE_PART = "train"


@contextmanager
def open_part_writers(
    given: ExportInput, files: Files, columns: Mapping[str, str]
) -> Iterator[Mapping[str, Writer]]:
    """Open a writer for each part, by its name; all files have the same columns and the provenance."""
    provenance = given.table.provenance and given.table.provenance.for_publication()
    with ExitStack() as stack:
        yield {
            part: stack.enter_context(
                open_writer(files[PART_FILE.format(part)], "parquet", provenance, columns)
            )
            for part in given.options.split or (SINGLE_PART,)
        }
