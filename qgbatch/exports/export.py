"""``qgbatch export``: the list of export formats, and the function that writes one.

To add a format, write a module with a ``FORMAT`` beside this one and add it to ``_MODULES``. The
command line, its help and the tests of all formats read :data:`FORMATS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qgbatch.errors import SettingsError, display, name_setting
from qgbatch.exports import anki, beir, deepeval, doc2query, faq, gift, hf, quiz, ragas, squad, triples
from qgbatch.exports.export_input import open_input
from qgbatch.exports.format import ExportFormat, Summary, open_directory, write_card
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.directories import CARD

_MODULES = (beir, ragas, deepeval, triples, squad, hf, faq, quiz, gift, anki, doc2query)
"""In the order of the help text."""
FORMATS: Mapping[str, ExportFormat] = {module.FORMAT.name: module.FORMAT for module in _MODULES}
"""Every export format by its name, the value of ``--to``."""


def export(
    table: QuestionTable, export_format: ExportFormat, directory: Path, options: ExportOptions
) -> Summary:
    """Write the questions of a table in an export format. The same table gives the same bytes.

    Args:
        table: An output of ``qgbatch run``.
        export_format: One of :data:`FORMATS`.
        directory: The output directory; it is created if it is missing.
        options: What the user has chosen.

    Returns:
        What was written, as names and values.

    Raises:
        SettingsError: The format needs an option that is not given.
        InputError: The table lacks a column that the format needs, a row is invalid, or the file of
            passages belongs to another run.
        OutputError: The directory holds files and is not an earlier export in this format, or
            a file cannot be written.
    """
    from qgbatch.readers.conflicts import check_output_conflicts
    from qgbatch.readers.listing import Listing

    _check_options(table, export_format, options)
    outputs = [str(directory / name) for name in (*export_format.file_names(options.split), CARD)]
    inputs = [*table.files, *([options.passages] if options.passages else [])]
    check_output_conflicts(Listing([str(path) for path in inputs]), outputs)
    with (
        open_input(
            table,
            options,
            needs_judgments=export_format.needs_judgments,
            needs_answers=export_format.needs_answers,
            with_kept=export_format.with_kept,
        ) as given,
        open_directory(directory, export_format, options.split) as files,
    ):
        summary = [*export_format.write(given, files), *given.summary()]
        title = display(directory.absolute().name)
        write_card(files[CARD], export_format, given, summary, title)
    return summary


def _check_options(table: QuestionTable, export_format: ExportFormat, options: ExportOptions) -> None:
    target = f"--to {export_format.name}"
    if options.split and export_format.part_file is None:
        names = [name for name, each in FORMATS.items() if each.part_file]
        raise SettingsError(
            f"{name_setting('split')} cannot be combined with {target}.", f"Use --to {' or '.join(names)}."
        )
    if export_format.needs_passages and not options.passages:
        raise SettingsError(
            f"{target} needs {name_setting('passages')}.",
            "Name the file that qgbatch run wrote with --passages.",
        )
    if export_format.needs_answers:
        table.need_answers(target)
    if export_format.needs_context and not options.passages:
        table.need_context(target)
    elif options.split and not options.passages:
        table.need_context(name_setting("split"))
