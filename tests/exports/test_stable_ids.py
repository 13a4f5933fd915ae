"""Ids of questions and passages: an edit elsewhere in the document leaves them as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from qgbatch.records import make_passage_id
from tests.support.tables import ask, write

FIRST, SECOND = "Bees live in hives.", "Rivers carry sand."
QUESTIONS = {FIRST: ["Where do bees live?"], SECOND: ["What do rivers carry?", "What carries sand?"]}


def rows_of(*passages: str, source: str = "a.txt") -> list[Row]:
    """The rows of a document that consists of these passages, one below the other."""
    spans, start = [], 0
    for passage in passages:
        spans.append((start, start + len(passage), QUESTIONS.get(passage, ["What else?"])))
        start += len(passage) + 1
    return ask("\n".join(passages), source, *spans)


def ids(rows: Iterable[Row]) -> list[str]:
    return [str(row["question_id"]) for row in rows]


def exported(export_format: str, rows: list[Row], directory: Path) -> Path:
    directory.mkdir()
    table = QuestionTable(write(directory / "q.jsonl", rows))
    export(table, FORMATS[export_format], directory / "out", ExportOptions())
    return directory / "out"


def test_an_edit_elsewhere_leaves_the_ids_of_questions_as_they_are() -> None:
    before = rows_of(FIRST, SECOND)
    after = rows_of("Bees, as many know, live in hives.", SECOND)
    assert ids(after)[1:] == ids(before)[1:]
    assert ids(after)[0] != ids(before)[0]


@pytest.mark.parametrize(
    "other",
    [
        rows_of(FIRST, source="b.txt"),
        ask(FIRST, "a.txt", (0, 19, ["Who lives in hives?"])),
        ask(f"{FIRST} They do.", "a.txt", (0, 28, ["Where do bees live?"])),
    ],
)
def test_another_name_question_or_passage_has_another_id(other: list[Row]) -> None:
    assert not {*ids(other)} & {*ids(rows_of(FIRST))}


def test_no_name_and_passage_can_be_mistaken_for_others() -> None:
    for one, other in ((("a", "b c"), ("a b", "c")), (('a", "b', "c"), ("a", 'b", "c'))):
        assert make_passage_id(*one) != make_passage_id(*other)


def test_a_name_that_is_not_unicode_has_an_id() -> None:
    assert ids(rows_of(FIRST, source="\udcff.txt")) != ids(rows_of(FIRST, source="\udcfe.txt"))


@pytest.mark.parametrize(
    ("export_format", "file", "key"),
    [("beir", "corpus.jsonl", "_id"), ("doc2query", "documents.jsonl", "id")],
)
def test_an_edit_elsewhere_leaves_the_ids_of_passages_as_they_are(
    export_format: str, file: str, key: str, tmp_path: Path
) -> None:
    found = []
    for name, rows in (("before", rows_of(FIRST, SECOND)), ("after", rows_of("An edit.", FIRST, SECOND))):
        lines = (exported(export_format, rows, tmp_path / name) / file).read_text().splitlines()
        found.append({line["text"]: line[key] for line in map(json.loads, lines)})
    assert found[1].items() > found[0].items()


def test_the_ids_of_a_passage_and_of_its_questions_have_the_same_digits(tmp_path: Path) -> None:
    directory = exported("beir", rows_of(FIRST), tmp_path / "asked")
    [passage] = map(json.loads, (directory / "corpus.jsonl").read_text().splitlines())
    [question] = map(json.loads, (directory / "queries.jsonl").read_text().splitlines())
    assert question["_id"][1:17] == passage["_id"][1:]
