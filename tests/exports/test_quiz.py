"""Export format ``quiz``: the questions, the choices, the key, and the page on paper."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.tables import PROVENANCE, ask_chunk, chunk, write, write_rows

BEES = "Wild bees live in hollow trees, Dr. Wasp said. They make honey."


def exported(home: Path, rows: list[Row], name: str = "animals.jsonl") -> tuple[str, dict[str, str]]:
    """The page and the summary of an export."""
    summary = export(
        QuestionTable(write_rows(home / name, rows)), FORMATS["quiz"], home / "out", ExportOptions()
    )
    return (home / "out" / "quiz.html").read_text(encoding="utf-8"), dict(summary)


def built(number: int, year: str) -> Row:
    """A row of a question that a year answers."""
    passage = chunk(f"Tower {number} was built in {year}.", "old/towers.txt")
    return ask_chunk(passage, f"When was tower {number} built?", answer=year)


def bees_row(question: str, answer: str, **values: str | float | None) -> Row:
    return ask_chunk(chunk(BEES, "bees.pdf", 100), question, answer=answer, **values)


def texts(html: str) -> list[str]:
    """The texts between the tags, without spaces around them."""
    body = html[html.index("<body>") :]
    return [unescape(text).strip() for text in re.split(r"<[^>]*>", body) if text.strip()]


def key(html: str) -> list[list[str]]:
    """The texts of each row of the key."""
    return [texts(f"<body>{row}") for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL)[1:]]


def test_the_page_has_questions_by_document_and_then_the_key(tmp_path: Path) -> None:
    rows = [built(number, f"18{number}0") for number in range(4)]
    rows.append(bees_row("Where do wild bees live?", "in hollow trees", page=3))
    rows.append(bees_row("Who makes honey?", "A person with a net", page=None))
    rows.append(ask_chunk(chunk("Ants.", "ants.md"), "Who?", answer=None))
    html, summary = exported(tmp_path, rows)
    found = texts(html)
    assert found[:8] == ["animals", "Name", "Date", "Points", "of 6", "Answer key", "towers", "1."]
    assert found[8:17] == ["When was tower 0 built?", "A", "1820", "B", "1800", "C", "1830", "D", "1810"]
    assert found.index("bees") < found.index("5.") < found.index("Answer key: animals")
    assert html.count('class="line"') == 2
    place = "old/towers.txt, characters 0 to 26"
    assert key(html)[0] == ["1", "B", "1800", "Tower 0 was built in", "1800", ".", place]
    end = 100 + len(BEES)
    assert key(html)[4:] == [
        [
            *("5", "in hollow trees", "Wild bees live", "in hollow trees", ", Dr. Wasp said."),
            f"bees.pdf, page 3, characters 100 to {end}",
        ],
        ["6", "A person with a net", f"bees.pdf, characters 100 to {end}"],
    ]
    assert summary == {
        "questions": "6",
        "multiple choice": "4",
        "answers to write": "2",
        "left out": "1 questions without an answer, 0 questions that are asked already",
    }


def test_a_question_that_repeats_is_asked_once(tmp_path: Path) -> None:
    rows = [built(1, "1801"), ask_chunk(chunk("Built in 1999."), "when was  Tower 1 built?", answer="1999")]
    html, summary = exported(tmp_path, rows)
    assert html.count("ower 1 built") == 1
    assert key(html)[0][1] == "1801"
    assert (summary["questions"], summary["left out"]) == (
        "1",
        "0 questions without an answer, 1 questions that are asked already",
    )


def test_a_long_answer_has_two_lines(tmp_path: Path) -> None:
    html, _ = exported(tmp_path, [ask_chunk(chunk("Bees."), "Why?", answer="because " * 9)])
    assert html.count('class="line"') == 2


def test_without_passages_all_answers_are_to_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [built(number, f"18{number}0") for number in range(4)]
    for row in rows:
        del row["context"], row["other_passages"]
    html, summary = exported(tmp_path, rows)
    assert summary["multiple choice"] == "0"
    assert key(html)[0] == ["1", "1800", "old/towers.txt, characters 0 to 26"]
    assert "Without the passages no question is multiple choice" in caplog.text


def test_an_answer_of_two_sentences_shows_both(tmp_path: Path) -> None:
    html, _ = exported(tmp_path, [bees_row("What?", "Dr. Wasp said. They make")])
    assert key(html)[0][2:5] == [
        "Wild bees live in hollow trees,", "Dr. Wasp said. They make", "honey.",
    ]  # fmt: skip


def test_the_sentence_is_that_of_the_answer_and_not_of_an_equal_word(tmp_path: Path) -> None:
    passage = chunk("A bee flew. Then a bee stung.", start=50)
    rows = [
        ask_chunk(passage, f"What {number}?", answer="bee", answer_start_char=start)
        for number, start in enumerate((69, 52, 51, 0, None))  # the last three are not where a bee is
    ]
    html, _ = exported(tmp_path, rows)
    assert [row[2] for row in key(html)] == ["Then a", "A", "A", "A", "A"]


@pytest.mark.parametrize("language", ["german", "unknown", None])
def test_the_sentences_are_those_of_the_language_of_the_run(language: str | None, tmp_path: Path) -> None:
    text = "Die Biene ist am 3. Mai da. Sie summt."
    row = ask_chunk(chunk(text), "Wann?", answer="Mai", answer_start_char=20, answer_score=1.0)
    provenance = replace(PROVENANCE, settings={"language": language})
    path = write(tmp_path / "q.parquet", [row], provenance=provenance)
    export(QuestionTable(path), FORMATS["quiz"], tmp_path / "out", ExportOptions())
    sentence = key((tmp_path / "out" / "quiz.html").read_text(encoding="utf-8"))[0][2:5]
    assert (sentence == ["Die Biene ist am 3.", "Mai", "da."]) == (language == "german")


def test_the_title_is_the_name_of_the_table_also_if_it_is_not_utf8(tmp_path: Path) -> None:
    html, _ = exported(tmp_path, [built(1, "1801")], "a <b>\udcff.jsonl")
    assert texts(html)[0] == "a <b>\\xff"
    assert "<title>a &lt;b&gt;\\xff</title>" in html
