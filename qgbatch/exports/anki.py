"""Flash cards for Anki: a text file that its import takes as it is.

On the front is the question, on the back the answer, or the passage where there is none, and
where it comes from. The question's id is the note's, so a later import changes the cards
instead of adding them again. White space is made single spaces.
"""

from __future__ import annotations

import csv
import io
import logging
import re

from qgbatch.exports.format import ExportFormat, Files, Lines
from qgbatch.exports.row_checks import CheckedRow
from qgbatch.exports.table import QuestionTable

logger = logging.getLogger("qgbatch")

_FILE = "anki.tsv"
_HEADER = "#separator:tab\n#html:false\n#columns:guid\tFront\tBack\tTags\n#guid column:1\n#tags column:4\n"
_MARKUP = re.compile(r"\[(?=/?(?:latex|\$|sound:|anki:))", re.IGNORECASE)
"""What Anki takes for formulas to typeset and files to play, also where it takes no HTML."""
_WORD_JOINER = "\u2060"
_ABOUT = f"""Flash cards for Anki (2.1.54 or newer): import `{_FILE}` with File, Import.

On the back of a question is its answer, or its passage where there is none, and where that comes
from. Imported again, it changes the cards that are there."""


def _write(table: QuestionTable, files: Files) -> Lines:
    n_answers = n_passages = 0
    stream = files[_FILE]
    stream.write(_HEADER.encode())
    for row in table.rows():
        n_answers += "answer" in row
        n_passages += "answer" not in row and "context" in row
        stream.write(_card(row))
    n_bare = table.n_rows - n_answers - n_passages
    if n_bare:
        logger.warning(
            "%d cards have only a place on their backs. Run qgbatch run again with --with-context: what is "
            "in its cache is not done again.",
            n_bare,
        )
    return [
        ("cards", f"{table.n_rows:,}"),
        ("backs", f"{n_answers:,} answers, {n_passages:,} passages, {n_bare:,} places alone"),
    ]


def _card(row: CheckedRow) -> bytes:
    place = f"({row['source']}, characters {row['start_char']} to {row['end_char']})"
    back = f"{row.get('answer', row.get('context', ''))} {place}"
    fields = (row["question_id"], _safe(str(row["question"])), _safe(back), "qgbatch")
    line = io.StringIO()
    csv.writer(line, delimiter="\t", lineterminator="\n").writerow(fields)
    return line.getvalue().encode()


def _safe(text: str) -> str:
    """On one line, and nothing but text to Anki."""
    return _MARKUP.sub("[" + _WORD_JOINER, " ".join(text.replace("\0", " ").split()))


FORMAT = ExportFormat("anki", (_FILE,), _ABOUT, needs_context=False, write=_write)
