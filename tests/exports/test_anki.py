"""Export format ``anki``: the cards, their ids, and what Anki must not interpret.

``tests/faults/test_anki.py`` imports the cards with Anki.
"""

from __future__ import annotations

import os
from html import unescape
from pathlib import Path

import pytest

from qgbatch.errors import ExitCode, ModelError, OutputError
from qgbatch.exports import anki
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.anki_package import Deck, read_package
from tests.support.tables import ask_chunk, chunk, write_rows

BEES, ANTS = chunk("Bees live in hives.", "my bees.pdf"), chunk("Ants\nlive in nests.", "ants.md")
WHERE = "Where do bees live?"


def exported(home: Path, rows: list[Row], name: str = "animals.jsonl", time: int = 1_800_000_000) -> Deck:
    """The deck of an export of a table that was written at a time."""
    home.mkdir(exist_ok=True)
    path = write_rows(home / name, rows)
    os.utime(path, (time, time))
    export(QuestionTable(path), FORMATS["anki"], home / "out", ExportOptions())
    return read_package(home / "out" / "anki.apkg")


def guids(home: Path, rows: list[Row]) -> list[str]:
    return [note.guid for note in exported(home, rows).notes]


def test_the_back_has_the_answer_or_the_passage_and_the_source(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        ask_chunk(BEES, WHERE, answer="in\thives", page=3),
        ask_chunk(ANTS, "Who lives there?", answer=None),
        ask_chunk(ANTS, "Where?", answer=" ", context=" "),
    ]
    deck = exported(tmp_path, rows)
    assert (deck.name, deck.model["name"]) == ("animals", "qgbatch")
    assert [(note.question, note.answer, note.passage, note.source, note.tags) for note in deck.notes] == [
        (WHERE, "in hives", "", "my bees.pdf, page 3", "qgbatch::my_bees.pdf"),
        ("Who lives there?", "", "Ants live in nests.", "ants.md", "qgbatch::ants.md"),
        ("Where?", "", "", "ants.md", "qgbatch::ants.md"),
    ]
    assert "| backs | 1 answers, 1 passages, 1 sources only |" in (tmp_path / "out/README.md").read_text()
    assert "1 cards have only the source on the back" in caplog.text


def test_the_id_of_a_card_depends_on_its_document_and_its_original_question(tmp_path: Path) -> None:
    before = [ask_chunk(BEES, WHERE, answer="in hives"), ask_chunk(BEES, "Who?", answer="bees")]
    edited = chunk("It is true: bees live in trees.", "my bees.pdf", 7)
    after = [ask_chunk(edited, WHERE, answer="in trees", page=9), ask_chunk(edited, "Who?", answer=None)]
    assert guids(tmp_path / "before", before) == guids(tmp_path / "after", after)
    reviewed = [{**row, "original_question": row["question"], "question": "New?"} for row in before]
    assert guids(tmp_path / "reviewed", reviewed) == guids(tmp_path / "before", before)
    reviewed = [{**row, "original_question": None} for row in before]
    assert guids(tmp_path / "reviewed", reviewed) == guids(tmp_path / "before", before)
    others = [ask_chunk({**BEES, "source": "bees.pdf"}, WHERE), ask_chunk(BEES, "Who lives?")]
    assert not {*guids(tmp_path / "others", others)} & {*guids(tmp_path / "before", before)}


def test_equal_questions_of_a_document_have_their_own_cards(tmp_path: Path) -> None:
    rows = [ask_chunk(BEES, WHERE), ask_chunk(BEES, WHERE), ask_chunk(BEES, WHERE)]
    found = guids(tmp_path / "three", rows)
    assert len({*found}) == 3
    assert guids(tmp_path / "two", rows[:2]) == found[:2]


def test_the_ids_of_the_deck_and_of_the_note_type_stay(tmp_path: Path) -> None:
    one = exported(tmp_path / "1", [ask_chunk(BEES, WHERE)])
    two = exported(tmp_path / "2", [ask_chunk(ANTS, "Who?")])
    other = exported(tmp_path / "3", [ask_chunk(BEES, WHERE)], "bees::2.jsonl")
    assert (one.deck_id, one.model["id"]) == (two.deck_id, two.model["id"])
    assert (other.name, other.model["id"]) == ("bees:2", one.model["id"])
    assert other.deck_id != one.deck_id


def test_the_cards_are_as_new_as_the_table(tmp_path: Path) -> None:
    rows = [ask_chunk(BEES, WHERE)]
    assert exported(tmp_path / "old", rows, time=1_700_000_000).modified == 1_700_000_000
    assert exported(tmp_path / "new", rows, time=1_700_000_001).modified == 1_700_000_001
    assert exported(tmp_path / "none", rows, time=0).modified == 1


def test_what_anki_interprets_stays_text(tmp_path: Path) -> None:
    text = "[sound:a.mp3] [latex]b[/latex] [$]c[/$] [[type:Answer]] [anki:tts]d[/anki:tts] <b>e</b> &lt;"
    deck = exported(tmp_path, [ask_chunk(chunk(text, text), text)])
    for field in (deck.notes[0].question, deck.notes[0].passage, deck.notes[0].source):
        assert not {*"[<"} & {*field}
        assert unescape(field) == text
    for template in deck.model["tmpls"]:
        assert "mathjax_ignore tex2jax_ignore" in template["qfmt"]


def test_without_its_package_the_export_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="--to anki needs the package genanki") as error:
        exported(tmp_path, [ask_chunk(BEES, WHERE)])
    assert error.value.hint == "Install it: pip install 'qgbatch[anki]'"
    assert error.value.exit_code == ExitCode.MODEL
    assert not (tmp_path / "out").exists()


def test_a_full_temporary_directory_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anki, "_SCHEMA", f"{anki._SCHEMA} PRAGMA main.max_page_count = 30;")
    with pytest.raises(OutputError, match="No space for temporary files"):
        exported(tmp_path, [ask_chunk(chunk("Long. " * 40_000), "How long?")])
    assert not (tmp_path / "out").exists()


def test_the_temporary_files_are_where_sqlite_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Path] = []
    monkeypatch.setattr(anki, "_write_package", lambda database, stream: used.append(database))
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    table = QuestionTable(write_rows(tmp_path / "q.jsonl", [ask_chunk(BEES, WHERE)]))
    export(table, FORMATS["anki"], tmp_path / "out", ExportOptions())
    assert used[0].parent.parent == tmp_path
    assert not used[0].parent.exists()
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(OutputError, match="No directory for temporary files"):
        export(table, FORMATS["anki"], tmp_path / "other", ExportOptions())
