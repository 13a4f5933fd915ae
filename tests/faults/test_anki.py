"""Anki imports the flash cards, and updates them on a second import.

The tests need the package ``anki``: ``pip install anki``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.tables import ask_chunk, chunk, write_rows

pytest.importorskip("anki.collection", reason="anki is not installed")
pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]  # of the package

FIRST_RUN, SECOND_RUN = 1_800_000_000, 1_800_086_400
ANTS = chunk("Ants live in nests.", "ants.md")
HOSTILE = [
    "<script>alert(1)</script> &lt;b&gt; &amp;",
    "[sound:a.mp3] [latex]b[/latex] [$]c[/$] [$$]d[/$$]",
    "[[type:Answer]] [anki:tts lang=en_US]e[/anki:tts] {{Answer}} {{c1::f}} {{tts en_US:Answer}}",
    "\\[g\\] \\(h\\) \\ \" '",
]


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Any]:
    from anki.collection import Collection

    opened = Collection(str(tmp_path / "collection.anki2"))
    yield opened
    opened.close()


def import_cards(collection: Any, home: Path, rows: list[Row], time: int) -> dict[str, int]:
    """Export rows of a table that was written at a time, and import the cards as Anki's dialog does.

    Returns:
        How many notes are new, updated or as they were, by the words of Anki's log.
    """
    from anki.collection import ImportAnkiPackageOptions, ImportAnkiPackageRequest

    path = write_rows(home / "animals.jsonl", rows)
    os.utime(path, (time, time))
    export(QuestionTable(path), FORMATS["anki"], home / "out", ExportOptions())
    options = ImportAnkiPackageOptions()  # the defaults of the dialog: notes are updated if they are newer
    request = ImportAnkiPackageRequest(package_path=str(home / "out" / "anki.apkg"), options=options)
    log = collection.import_anki_package(request).log
    return {name: len(notes) for name in ("new", "updated", "duplicate") if (notes := getattr(log, name))}


def schedules(collection: Any) -> dict[str, tuple[Any, ...]]:
    """The schedule of each card, by its question."""
    cards = [collection.get_card(card_id) for card_id in collection.find_cards("")]
    return {
        card.note()["Question"]: (card.due, card.ivl, card.reps, card.type, card.queue) for card in cards
    }


def answers(collection: Any) -> dict[str, str]:
    notes = [collection.get_note(note_id) for note_id in collection.find_notes("")]
    return {note["Question"]: note["Answer"] for note in notes}


def study(collection: Any, deck: str) -> None:
    """Answer every card once, and set a due date."""
    collection.decks.select(collection.decks.id_for_name(deck))
    while card := collection.sched.getCard():
        card.start_timer()
        collection.sched.answerCard(card, 4)  # easy
    for number, card_id in enumerate(collection.find_cards("")):
        collection.sched.set_due_date([card_id], str(3 + number))


def bee_rows(text: str, home: str) -> list[Row]:
    """Questions about a document, in which the answer to the first depends on an edit."""
    bees = chunk(text, "my bees.pdf")
    return [
        ask_chunk(bees, "Where do bees live?", answer=home, page=1),
        ask_chunk(bees, "What do bees make?", answer="honey", page=1),
    ]


def test_an_edited_document_changes_its_cards_and_no_schedule(collection: Any, tmp_path: Path) -> None:
    ants = ask_chunk(ANTS, "Where do ants live?", answer="in nests")
    rows = [*bee_rows("Bees live in hives and make honey.", "in hives"), ants]
    assert import_cards(collection, tmp_path, rows, FIRST_RUN) == {"new": 3}
    study(collection, "animals")
    before = schedules(collection)
    assert {(reps, kind) for _, _, reps, kind, _ in before.values()} == {(1, 2)}  # each in review

    rows = [*bee_rows("Wild bees live in trees and make honey.", "in trees"), ants]
    rows.append(ask_chunk(ANTS, "What lives in nests?", answer="ants"))
    assert import_cards(collection, tmp_path, rows, SECOND_RUN) == {"new": 1, "updated": 3}
    assert answers(collection) == {
        "Where do bees live?": "in trees",
        "What do bees make?": "honey",
        "Where do ants live?": "in nests",
        "What lives in nests?": "ants",
    }
    after = schedules(collection)
    assert after.items() > before.items()
    assert after["What lives in nests?"][2:] == (0, 0, 0)


def test_the_same_table_changes_nothing_and_a_question_that_is_gone_stays(
    collection: Any, tmp_path: Path
) -> None:
    rows = bee_rows("Bees live in hives and make honey.", "in hives")
    import_cards(collection, tmp_path, rows, FIRST_RUN)
    assert import_cards(collection, tmp_path, rows, FIRST_RUN) == {"duplicate": 2}
    assert import_cards(collection, tmp_path, rows[:1], SECOND_RUN) == {"updated": 1}
    assert len(answers(collection)) == 2


def test_a_question_that_a_reader_edited_updates_its_card(collection: Any, tmp_path: Path) -> None:
    rows = bee_rows("Bees live in hives and make honey.", "in hives")
    import_cards(collection, tmp_path, rows, FIRST_RUN)
    study(collection, "animals")
    edited = [{**row, "original_question": None, "original_answer": None, "review": "kept"} for row in rows]
    edited[0] |= {"original_question": rows[0]["question"], "question": "Where?", "review": "edited"}
    assert import_cards(collection, tmp_path, edited, SECOND_RUN) == {"updated": 2}
    assert answers(collection) == {"Where?": "in hives", "What do bees make?": "honey"}
    assert {reps for _, _, reps, _, _ in schedules(collection).values()} == {1}


def test_the_cards_are_in_the_order_of_the_document_with_a_tag(collection: Any, tmp_path: Path) -> None:
    rows = [ask_chunk(ANTS, f"Which is ant {number}?", answer=str(number)) for number in (3, 1, 2)]
    import_cards(collection, tmp_path, rows, FIRST_RUN)
    dues = {question[13]: due for question, (due, *_) in schedules(collection).items()}
    assert sorted(dues, key=dues.__getitem__) == ["3", "1", "2"]
    assert collection.tags.all() == ["qgbatch::ants.md"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_text(text: str, collection: Any, tmp_path: Path) -> None:
    passage = chunk(text, text)
    rows = [ask_chunk(passage, text, answer=text), ask_chunk(passage, text, answer=None)]
    import_cards(collection, tmp_path, rows, FIRST_RUN)
    for card_id in collection.find_cards(""):
        shown = collection.get_card(card_id).render_output()
        assert not shown.question_av_tags + shown.answer_av_tags
        for html, times in ((shown.question_text, 1), (shown.answer_text, 3)):
            assert unescape(html).count(text) == times
            assert "[" not in html
            assert "<script" not in html
