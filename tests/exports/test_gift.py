"""Export format ``gift``: the file as Moodle reads it, and the wrong answers of multiple choice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qgbatch.errors import InputError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.other_answers import kind_of
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.tables import ask_chunk, chunk, write_rows

WHERE = "Where do bees live?"


def built(number: int, year: str, source: str = "towers.txt") -> Row:
    """A row of a question that a year answers."""
    passage = chunk(f"Tower {number} was built in {year}.", source)
    return ask_chunk(passage, f"When was tower {number} built?", answer=year)


def exported(home: Path, rows: list[Row]) -> tuple[str, dict[str, str]]:
    """The file and the summary of an export."""
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    summary = export(table, FORMATS["gift"], home / "out", ExportOptions())
    return (home / "out" / "quiz.gift").read_text(encoding="utf-8"), dict(summary)


def unescape(text: str) -> str:
    """A text as Moodle shows it, without the name of its format."""
    assert not re.search(r"(?<!\\)(?:\\\\)*[~=#{}:]", text), "a special character has no backslash"
    return re.sub(r"\\([\\~=#{}:])", r"\1", text.removeprefix("[plain]"))


def parse(gift: str) -> list[tuple[str, str, list[tuple[str, str]], str]]:
    """Read GIFT: the title, the text, the answers with their signs, and the feedback of each question."""
    questions = []
    for block in gift.removesuffix("\n\n").split("\n\n"):
        found = re.fullmatch(r"::(q[0-9a-f]+)::\[plain\](.*) \{\n((?:\t[=~].*\n)+)\t####(.*)\n\}", block)
        assert found, block
        answers = [(line[1], unescape(line[2:])) for line in found[3].splitlines()]
        questions.append((found[1], unescape(found[2]), answers, unescape(found[4])))
    return questions


def choices(home: Path, rows: list[Row]) -> list[set[str]]:
    """The wrong answers of each question."""
    gift, _ = exported(home, rows)
    return [{text for sign, text in answers if sign == "~"} for _, _, answers, _ in parse(gift)]


def test_the_file_has_short_answers_and_multiple_choice(tmp_path: Path) -> None:
    rows = [built(number, f"18{number}0") for number in range(4)]
    bees = chunk("Bees live in hives.", "bees.pdf")
    rows.append(ask_chunk(bees, WHERE, answer="in hives", page=3))
    rows.append(ask_chunk(bees, "Who lives there?", answer=None))
    gift, summary = exported(tmp_path, rows)
    assert gift.startswith(
        f"::{rows[0]['question_id']}::[plain]When was tower 0 built? {{\n"
        "\t~1820\n"
        "\t~1830\n"
        "\t~1810\n"
        "\t=1800\n"
        "\t####towers.txt, characters 0 to 26\n"
        "}\n\n"
    )
    assert gift.endswith(
        f"::{rows[4]['question_id']}::[plain]Where do bees live? {{\n"
        "\t=in hives\n"
        "\t####bees.pdf, page 3\n"
        "}\n\n"
    )
    assert (summary["multiple choice"], summary["short answer"]) == ("4", "1")
    assert summary["left out"] == "1 questions without an answer"


HOSTILE = [
    "<script>alert(1)</script>",
    "a ~b =c #d {e} ::f:: \\g \\\\h \\n &&123;",
    "####",
    "}",
    "{=a}",
    "[html]<b>a</b>",
    "%50%a",
    "a\n\nb::c::\r\n// d\u2028$CATEGORY: e\t\0",
    "~" * 50_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_stays_text(text: str, tmp_path: Path) -> None:
    [question] = parse(exported(tmp_path, [ask_chunk(chunk("Bees.", text), text, answer=text)])[0])
    plain = " ".join(text.replace("\0", " ").split())
    place = f"{plain} , " if text[-1] == "\0" else f"{plain}, "
    assert question[1:] == (plain, [("=", plain)], f"{place}characters 0 to 5")


def test_what_moodle_would_read_as_syntax_is_changed(tmp_path: Path) -> None:
    rows = [
        ask_chunk(chunk("Bees."), "a -> b?", answer="c -> d"),
        ask_chunk(chunk("Bees."), "%50%?", answer="2 * 3"),
        ask_chunk(chunk("Bees."), "[html]?", answer="[html] a"),
        ask_chunk(chunk("Bees."), "How many?", answer="%50% of all"),
    ]
    lines = [line for line in exported(tmp_path, rows)[0].splitlines() if "a.txt" not in line]
    assert [line.split("::")[-1] for line in lines if line.strip("}")] == [
        "[plain]a → b? {",
        "\t=c → d",
        "[plain]%50%? {",
        "\t=2 \\\\* 3",
        "[plain][html]? {",
        "\t=[plain][html] a",
        "[plain]How many? {",
        "\t=[plain]%50% of all",
    ]


def test_the_answers_of_the_document_come_first(tmp_path: Path) -> None:
    others = [built(number, f"19{number}", f"{number}.txt") for number in range(10, 50)]
    own = [built(number, year) for number, year in enumerate(("1801", "1802", "1803", "1804"))]
    assert choices(tmp_path, [*others, *own])[-4] == {"1802", "1803", "1804"}
    [wrong] = choices(tmp_path, [*others, *own[:2]])[-2:-1]
    assert "1802" in wrong
    assert len(wrong) == 3


def test_an_answer_that_could_be_right_is_never_drawn(tmp_path: Path) -> None:
    copy = chunk("The tower is from 1806.", "copy.txt")
    passage = chunk("Tower 1 was built in 1801, not in 1802.", "towers.txt")
    asked = ask_chunk(passage, "When was tower 1 built?", copy, answer="1801")
    again = built(1, "1803", "other.txt")  # another answer to the same question
    rows = [asked, again, *(built(number, f"180{number}") for number in (1, 2, 4, 5, 6))]
    assert choices(tmp_path, rows)[0] == set()
    rows.append(built(7, "1807"))
    assert choices(tmp_path, rows)[0] == {"1804", "1805", "1807"}


def test_no_choice_contains_another(tmp_path: Path) -> None:
    names = ["Bern", "East Bern", "Bernau", "Basel", "Thun", "Thun", "Constantinople"]
    rows = [
        ask_chunk(chunk(f"Hive {number}.", "a.txt"), f"Where is hive {number}?", answer=name)
        for number, name in enumerate(names)
    ]
    assert choices(tmp_path, rows)[0] == set()
    rows.append(ask_chunk(chunk("Hive.", "a.txt"), "Where is the hive?", answer="Chur"))
    assert choices(tmp_path, rows)[0] == {"Basel", "Thun", "Chur"}


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("When?", "1801", "1999"),
        ("How far?", "About 1,200 km", "about 9000 km"),
        ("Who flew?", "Ann Bee", "Joe Wasp"),
        ("Where is it?", "Isle of Man", "Bay of Biscay"),
    ],
)
def test_answers_of_the_same_kind(question: str, one: str, other: str) -> None:
    assert kind_of(question, one) == kind_of(question, other) is not None


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("How far?", "1200 km", "1200 miles"),
        ("How far?", "1200 km", "120 km"),
        ("How far?", "1200 km", "about 1200 km"),
        ("How far?", "1200 km", "1801"),
        ("Who flew?", "Ann Bee", "Ann"),
    ],
)
def test_answers_of_different_kinds(question: str, one: str, other: str) -> None:
    assert None is not kind_of(question, one) != kind_of(question, other) is not None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who flew?", "a bee"),
        ("Who flew?", "Ann and Joe"),
        ("Where is it?", "Isle of"),
        ("What flew?", "Ann"),
        ("When?", "between 1801 and 1802"),
        ("Who flew?", ""),
        ("How far?", "1" * 100),
    ],
)
def test_answers_without_a_kind(question: str, answer: str) -> None:
    assert kind_of(question, answer) is None


def test_persons_are_not_drawn_for_places() -> None:
    assert kind_of("Who flew?", "Ann") != kind_of("Where is it?", "Bern")
    assert kind_of("Which city is it?", "Bern") != kind_of("Which bee is it?", "Ann")


def test_a_table_without_answers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'answer', and --to gift needs the answer") as error:
        exported(tmp_path, [ask_chunk(chunk("Bees."), WHERE)])
    assert "--answers MODEL" in error.value.hint
    for empty in (None, "\0 "):
        with pytest.raises(InputError, match="left out are 1 questions without an answer"):
            exported(tmp_path, [ask_chunk(chunk("Bees."), WHERE, answer=empty)])
    assert not (tmp_path / "out").exists()
