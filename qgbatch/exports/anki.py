"""Export format ``anki``: a deck of flash cards.

The id of a card depends only on its document and its original question. So a later import updates the card
when its answer changed, and Anki keeps its schedule. A field is HTML, in which the texts stay text.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import re
import shutil
import sqlite3
import tempfile
import zipfile
from collections import Counter
from contextlib import closing
from html import escape
from pathlib import Path
from typing import IO, TYPE_CHECKING

from qgbatch.errors import OutputError, display, require_package
from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.one_line import one_line
from qgbatch.exports.row_checks import CheckedRow

if TYPE_CHECKING:
    import genanki

logger = logging.getLogger("qgbatch")

_FILE, _DATABASE = "anki.apkg", "collection.anki2"
_DESCRIPTION = f"""Flash cards for Anki: open `{_FILE}` with Anki.

The front of a card is a question. The back is its answer, or its passage if it has no answer, and the
source. A second import updates the cards whose texts changed and keeps the schedule of all cards."""

_FIELDS = ("Question", "Answer", "Passage", "Source")
_BACKS = {"Answer": "answers", "Passage": "passages", "Source": "sources only"}
_TEXT = "mathjax_ignore tex2jax_ignore"
"""Classes of elements in which Anki renders no formulas."""
_FRONT = f'<div class="question {_TEXT}">{{{{Question}}}}</div>'
_BACK = f"""{{{{FrontSide}}}}
<hr id="answer">
<div class="{_TEXT}">
{{{{#Answer}}}}<div class="answer">{{{{Answer}}}}</div>{{{{/Answer}}}}
{{{{#Passage}}}}<div class="passage">{{{{Passage}}}}</div>{{{{/Passage}}}}
<div class="source">{{{{Source}}}}</div>
</div>"""
_STYLE = """.card {
  --ground: #fff; --ink: #1d2330; --quiet: #5c6575; --line: #dde1e8;
  margin: 0; padding: 1.5em 1em; background: var(--ground); color: var(--ink);
  font: 20px/1.45 system-ui, sans-serif; text-align: center; overflow-wrap: anywhere;
}
.card.nightMode, .card.night_mode, .nightMode .card, .night_mode .card {
  --ground: #14171d; --ink: #e4e7ec; --quiet: #98a1b0; --line: #2f3641;
}
.question, .answer, .passage, .source { max-width: 32em; margin: 0 auto; }
.question { font-weight: 600; }
.passage { font-size: .85em; text-align: start; }
.source { margin-top: 1.5em; color: var(--quiet); font-size: .7em; }
hr { max-width: 32em; margin: 1.25em auto; border: 0; border-top: 1px solid var(--line); }
"""
_NOT_IN_TAG = re.compile(r'[\s"\0-\x1f\x7f]+')
_SCHEMA = """
PRAGMA journal_mode = OFF;
CREATE TEMP TABLE asked (question TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID;
"""
_COUNT = "INSERT INTO asked VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def _write(given: ExportInput, files: Files) -> Summary:
    require_package("genanki", "--to anki", "anki")
    with _temporary_directory() as directory:
        database = Path(directory) / _DATABASE
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            n_backs = _add_notes(given, connection)
        _write_package(database, files[_FILE])
    if n_backs["Source"]:
        logger.warning(
            "%d cards have only the source on the back. To add the passages, run qgbatch run again with "
            "--with-context; it reuses the questions in the cache.",
            n_backs["Source"],
        )
    backs = (f"{n_backs[field]:,} {name}" for field, name in _BACKS.items())
    return [("cards", f"{given.n_rows:,}"), ("backs", ", ".join(backs))]


def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    """A directory where the other temporary files of an export are too."""
    try:
        return tempfile.TemporaryDirectory(dir=os.environ.get("SQLITE_TMPDIR"))
    except OSError as error:
        raise OutputError(
            f"No directory for temporary files ({error}).", "Set SQLITE_TMPDIR to a directory."
        ) from error


def _add_notes(given: ExportInput, connection: sqlite3.Connection) -> Counter[str]:
    """Fill an empty database; return how many notes have which field on the back."""
    import genanki

    connection.executescript(_SCHEMA)
    cursor, written = connection.cursor(), _time_of(given)
    ids = itertools.count(written * 1000)
    name = _deck_name(given)
    model, deck = _model(), genanki.Deck(_number("deck", name), name)
    deck.add_model(model)
    genanki.Package(deck).write_to_db(cursor, written, ids)
    n_backs = Counter[str]()
    connection.execute("BEGIN")
    for number, row in enumerate(given.rows()):
        fields = _fields(row)
        n_backs[next(field for field in _BACKS if fields[field])] += 1
        guid = _guid(row, connection)
        note = genanki.Note(model, [*fields.values()], guid=guid, tags=[_tag(row)], due=number)
        note.write_to_db(cursor, written, deck.deck_id, ids)
    connection.execute("COMMIT")
    return n_backs


def _time_of(given: ExportInput) -> int:
    """When the table was written, in seconds.

    Anki updates a note only if the imported one is newer than its own. The time of the table is the same
    in every export of it.
    """
    return max(1, *(int(file.stat().st_mtime) for file in given.table.files))


def _deck_name(given: ExportInput) -> str:
    """The name of the table; ``::`` would make a deck in a deck."""
    path = os.path.abspath(given.table.path)
    return one_line(display(Path(path).stem)).replace("::", ":") or "qgbatch"


def _model() -> genanki.Model:
    import genanki

    card = {"name": "Card 1", "qfmt": _FRONT, "afmt": _BACK}
    fields = [{"name": name} for name in _FIELDS]
    # Another list of fields needs another id.
    return genanki.Model(_number("model", *_FIELDS), "qgbatch", fields, [card], css=_STYLE)


def _fields(row: CheckedRow) -> dict[str, str]:
    source = f"{row['source']}, page {row['page']}" if "page" in row else row["source"]
    answer = _html(row.get("answer", ""))
    passage = "" if answer else _html(row.get("context", ""))
    return dict(zip(_FIELDS, (_html(row["question"]), answer, passage, _html(source)), strict=True))


def _html(value: object) -> str:
    """The HTML of a text. Anki's own marks begin with a bracket, such as ``[sound:`` and ``[latex]``."""
    return escape(one_line(value)).replace("[", "&#91;")


def _guid(row: CheckedRow, connection: sqlite3.Connection) -> str:
    """The id of a note: a hash of its document and its question, and of a number if that is asked again."""
    key = _digest(str(row["source"]), str(row.get("original_question", row["question"])))
    (times,) = connection.execute(_COUNT, (key,)).fetchone()
    return key[:20] if times == 1 else _digest(key, str(times))[:20]


def _tag(row: CheckedRow) -> str:
    return "qgbatch::" + _NOT_IN_TAG.sub("_", str(row["source"]))


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _number(*texts: str) -> int:
    """A positive id that Anki's programs on every system can hold exactly."""
    return (1 << 40) + int(_digest(*texts)[:10], 16)


def _write_package(database: Path, stream: IO[bytes]) -> None:
    """Write the ZIP file that Anki imports. Its bytes depend only on the database."""
    with zipfile.ZipFile(stream, "w") as package, database.open("rb") as source:
        with package.open(_member(_DATABASE), "w", force_zip64=True) as target:
            shutil.copyfileobj(source, target)
        package.writestr(_member("media"), "{}")


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _ZIP_DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


FORMAT = ExportFormat(
    "anki", (_FILE,), f"flash cards: {_FILE}", _DESCRIPTION, needs_context=False, write=_write
)
