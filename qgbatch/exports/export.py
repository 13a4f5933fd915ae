"""An output of ``qgbatch run`` in the forms that other tools read, each a directory with a card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qgbatch.exports import anki, beir, doc2query, hf, squad
from qgbatch.exports.format import ExportFormat, Lines, open_directory, write_card
from qgbatch.exports.table import QuestionTable
from qgbatch.output.directories import CARD

FORMATS: Mapping[str, ExportFormat] = {
    module.FORMAT.name: module.FORMAT for module in (beir, squad, hf, anki, doc2query)
}


def export(table: QuestionTable, target: ExportFormat, directory: Path, license_name: str | None) -> Lines:
    """Write a table's questions in the form of a target, and tell what there is.

    The same table makes the same bytes.

    Raises:
        InputError: the table lacks what the target needs, or a row is not as it should be.
        OutputError: a file would replace what is no earlier export of this kind, or cannot
            be written.
    """
    from qgbatch.readers.conflicts import check_places
    from qgbatch.readers.listing import Listing

    if target.needs_context:
        table.need_context(f"--to {target.name}")
    outputs = [str(directory / name) for name in (*target.files, CARD)]
    check_places(Listing([str(path) for path in table.files]), [], outputs)
    with open_directory(directory, target) as files:
        lines = target.write(table, files)
        write_card(files[CARD], target, table, lines, directory.absolute().name, license_name)
    return lines
