"""Export format ``gift``: the file as Moodle reads it, and the wrong answers of multiple choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgbatch.errors import InputError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
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


def test_a_table_without_answers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'answer', and --to gift needs the answer") as error:
        exported(tmp_path, [ask_chunk(chunk("Bees."), WHERE)])
    assert "--answers MODEL" in error.value.hint
    for empty in (None, "\0 "):
        with pytest.raises(InputError, match="left out are 1 questions without an answer"):
            exported(tmp_path, [ask_chunk(chunk("Bees."), WHERE, answer=empty)])
    assert not (tmp_path / "out").exists()
