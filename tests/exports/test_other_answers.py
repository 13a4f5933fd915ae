"""The wrong answers of multiple choice are of the same kind as the right one, and are not right."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgbatch.errors import ModelError
from qgbatch.exports.export_input import open_input
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.other_answers import open_other_answers
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from qgbatch.questions.retrieval.passage_index import PassageIndex
from tests.support.tables import ask_chunk, chunk, write_rows


def drawn(home: Path, rows: list[Row]) -> list[set[str]]:
    """The wrong answers of each question."""
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    with (
        open_input(
            table, ExportOptions(), needs_judgments=False, needs_answers=True, with_kept=False
        ) as given,
        open_other_answers(given) as answers,
    ):
        return [{*answers.draw(row)} for row in given.rows()]


def built(number: int, year: str, source: str = "towers.txt") -> Row:
    """A row of a question that a year answers."""
    passage = chunk(f"Tower {number} was built in {year}.", source)
    return ask_chunk(passage, f"When was tower {number} built?", answer=year)


def met(name: str, passage: str = "Some bees met {} on a meadow.", number: int = 0) -> Row:
    """A row of a question that a person answers; the others like it are about other insects."""
    insect = ("ants", "wasps", "flies", "moths", "ladybirds", "crickets", "beetles", "hornets")[number]
    text = passage.format(name).replace("bees", insect)
    return ask_chunk(chunk(text, "a.txt"), f"Who met {insect} on a green field?", answer=name)


def people(*names: str) -> list[Row]:
    return [met(name, number=number) for number, name in enumerate(names)]


def test_the_answers_of_the_document_come_first(tmp_path: Path) -> None:
    others = [built(number, f"19{number}", f"{number}.txt") for number in range(10, 50)]
    own = [built(number, year) for number, year in enumerate(("1801", "1802", "1803", "1804"))]
    assert drawn(tmp_path, [*others, *own])[-4] == {"1802", "1803", "1804"}
    [wrong] = drawn(tmp_path, [*others, *own[:2]])[-2:-1]
    assert "1802" in wrong
    assert len(wrong) == 3


def test_an_answer_that_could_be_right_is_never_drawn(tmp_path: Path) -> None:
    copy = chunk("The tower is from 1806.", "copy.txt")
    passage = chunk("Tower 1 was built in 1801, not in May 1802.", "towers.txt")
    asked = ask_chunk(passage, "When was tower 1 built?", copy, answer="1801")
    again = ask_chunk(chunk("It rose in 1803.", "other.txt"), "When was Tower 1 built?", answer="1803")
    rows = [asked, again, *(built(number, f"180{number}") for number in (1, 2, 4, 5, 6))]
    assert drawn(tmp_path, rows)[0] == set()
    rows.append(built(7, "1807"))
    assert drawn(tmp_path, rows)[0] == {"1804", "1805", "1807"}


def test_an_answer_of_a_passage_with_the_words_of_the_question_is_not_drawn(tmp_path: Path) -> None:
    rows = people("Ann Ant", "Joe Bee", "Kim Fly", "Eve Owl")
    assert drawn(tmp_path, rows)[0] == {"Joe Bee", "Kim Fly", "Eve Owl"}
    rows.append(met("Joe Bee", "On a field that was green, {} saw ants.", number=1))
    rows[-1]["context"] = "On a green field, Joe Bee met ants too."
    assert drawn(tmp_path, rows)[0] == set()


def test_no_choice_shares_a_word_with_another_or_with_the_passage(tmp_path: Path) -> None:
    names = ["Ann Ant", "Joe Bee", "Kim Bee", "Eve Ant", "Some Owl", "Bo\u00e9 Fly"]
    assert drawn(tmp_path, people(*names))[0] == set()
    assert drawn(tmp_path, people(*names, "Boe Cow"))[0] == set()  # an accent makes no other name
    [wrong] = drawn(tmp_path, people(*names, "Lee Cow"))[:1]
    assert {"Lee Cow", "Bo\u00e9 Fly"} < wrong
    assert len(wrong & {"Joe Bee", "Kim Bee"}) == 1


def test_a_name_of_a_place_or_a_group_is_no_person(tmp_path: Path) -> None:
    rows = people("Ann", "Joe", "Kim", "Jin")
    assert drawn(tmp_path, rows)[0] == {"Joe", "Kim", "Jin"}
    for thing in ("He fought the Jin.", "He lives in Jin."):
        place = ask_chunk(chunk(thing, "other.txt"), "What is this?", answer="a house")
        assert drawn(tmp_path, [*rows, place]) == [set()] * 5


def test_a_much_longer_name_is_not_drawn(tmp_path: Path) -> None:
    rows = people("Ann", "Joe", "Kim", "Constantinopolitanus")
    assert drawn(tmp_path, rows)[0] == set()


def test_without_a_passage_nothing_is_drawn(tmp_path: Path) -> None:
    rows = [built(number, f"180{number}") for number in range(5)]
    for row in rows:
        del row["context"], row["other_passages"]
    assert drawn(tmp_path, rows) == [set()] * 5


def test_without_full_text_search_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PassageIndex, "is_available", lambda: False)
    with pytest.raises(ModelError, match="A quiz needs FTS5"):
        drawn(tmp_path, [built(1, "1801")])
