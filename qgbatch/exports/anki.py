"""Export format ``anki``: flash cards in a text file that Anki imports without settings.

The front of a card is the question. The back is the answer, or the passage if there is no answer,
followed by its source. The ID of the question is the GUID of the note, so a later import updates the
cards instead of adding them again. Every run of white space becomes one space.
"""

from __future__ import annotations

import csv
import io
import logging
import re

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.one_line import one_line
from qgbatch.exports.row_checks import CheckedRow

logger = logging.getLogger("qgbatch")

_FILE = "anki.tsv"
_HEADER = "#separator:tab\n#html:false\n#columns:guid\tFront\tBack\tTags\n#guid column:1\n#tags column:4\n"
_MARKUP = re.compile(r"\[(?=/?(?:latex|\$|sound:|anki:))", re.IGNORECASE)
"""The start of Anki's tags for LaTeX and sound, which it interprets even with ``#html:false``."""
_WORD_JOINER = "\u2060"
_DESCRIPTION = f"""Flash cards for Anki (2.1.54 or newer): import `{_FILE}` with File, Import.

The front of a card is a question. The back is its answer, or its passage if it has no answer, and the
source. A second import updates the existing cards."""


def _write(given: ExportInput, files: Files) -> Summary:
    n_answers = n_passages = 0
    stream = files[_FILE]
    stream.write(_HEADER.encode())
    for row in given.rows():
        n_answers += "answer" in row
        n_passages += "answer" not in row and "context" in row
        stream.write(_card(row))
    n_source_only = given.n_rows - n_answers - n_passages
    if n_source_only:
        logger.warning(
            "%d cards have only the source on the back. To add the passages, run qgbatch run again with "
            "--with-context; it reuses the questions in the cache.",
            n_source_only,
        )
    return [
        ("cards", f"{given.n_rows:,}"),
        ("backs", f"{n_answers:,} answers, {n_passages:,} passages, {n_source_only:,} sources only"),
    ]


def _card(row: CheckedRow) -> bytes:
    source = f"({row['source']}, characters {row['start_char']} to {row['end_char']})"
    back = f"{row.get('answer', row.get('context', ''))} {source}"
    fields = (row["question_id"], _plain_text(str(row["question"])), _plain_text(back), "qgbatch")
    line = io.StringIO()
    csv.writer(line, delimiter="\t", lineterminator="\n").writerow(fields)
    return line.getvalue().encode()


def _plain_text(text: str) -> str:
    """The text on one line, with Anki's tags disabled by a word joiner."""
    return _MARKUP.sub("[" + _WORD_JOINER, one_line(text))


FORMAT = ExportFormat(
    "anki", (_FILE,), f"flash cards: {_FILE}", _DESCRIPTION, needs_context=False, write=_write
)
