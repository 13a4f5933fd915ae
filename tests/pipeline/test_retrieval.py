"""What a run with ``--passages`` adds to its rows, and which rows it writes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from qgbatch import FileSettings, RunReport, Settings
from qgbatch.errors import SettingsError
from qgbatch.output.rows import Row
from qgbatch.pipeline.retrieval import check_retrieval_settings, finish_rows
from qgbatch.questions.retrieval.passage_index import PassageIndex
from qgbatch.records import Passage, make_question_id

TEXTS = {
    "p1": "The old lighthouse of Genoa was built in 1543 by the republic.",
    "p2": "The old lighthouses of Genoa were built in 1543 by a republic.",
    "p3": "In 1543 the lighthouse of Genoa was repaired, and a chapel was built beside the old one.",
    "p4": "Honey bees dance, and other bees learn where food is.",
}


@pytest.fixture
def index() -> Iterator[PassageIndex]:
    with PassageIndex() as index:
        index.add(Passage(name, text, "a.txt", 0, len(text)) for name, text in TEXTS.items())
        yield index


def ask(passage_id: str, question: str, answer: str | None = None, **values: Any) -> Row:
    return {
        "question_id": make_question_id("a.txt", TEXTS[passage_id], question),
        "question": question,
        "source": "a.txt",
        "passage_id": passage_id,
        "start_char": int(passage_id[1:]) * 100,
        "score": 0.5,
        "other_passages": "[]",
        "answer": answer,
        **values,
    }


def finish(rows: list[Row], index: PassageIndex | None = None, **files: Any) -> tuple[list[Row], RunReport]:
    report = RunReport(n_raw=len(rows))
    found = [*finish_rows(rows, index, Settings(), FileSettings(**files), None, report)]
    assert report.n_raw == len(found) + report.dropped.total()
    return found, report


def judged(row: Row) -> list[str]:
    return [passage["passage_id"] for passage in json.loads(str(row["other_passages"]))]


def test_a_passage_of_the_same_words_is_right_too(index: PassageIndex) -> None:
    [row], _ = finish([ask("p1", "Who built the old lighthouse of Genoa?")], index)
    assert judged(row) == ["p2"]
    assert row["bm25_rank"] == 1


def test_a_passage_is_judged_once(index: PassageIndex) -> None:
    others = json.dumps(
        [{"passage_id": "p2", "source": "a.txt", "start_char": 0, "end_char": 9, "context": "x"}]
    )
    [row], _ = finish([ask("p1", "Who built the old lighthouse?", other_passages=others)], index)
    assert judged(row) == ["p2"]


def test_a_question_about_too_many_passages_stays_unlisted(index: PassageIndex) -> None:
    [row], _ = finish([ask("p1", "Who built the old lighthouse?", other_passages=None)], index)
    assert row["other_passages"] is None


@pytest.mark.parametrize(
    ("ambiguous", "found"), [("drop", None), ("judge", ["p2", "p3"]), ("keep", ["p2"])]
)
def test_a_question_that_another_passage_answers(
    index: PassageIndex, ambiguous: str, found: list[str] | None
) -> None:
    question = ask("p1", "When was the lighthouse of Genoa built?", "1543")
    rows, report = finish(
        [question, ask("p4", "What do honey bees do?", "dance")], index, ambiguous=ambiguous
    )
    assert judged(rows[-1]) == []
    assert [judged(row) for row in rows[:-1]] == ([] if found is None else [found])
    assert report.dropped["ambiguous"] == (found is None)


def test_the_rank_is_that_of_the_passage(index: PassageIndex) -> None:
    rows, _ = finish([ask("p3", "Who built the old lighthouse of Genoa?"), ask("p4", "Why Rome?")], index)
    assert [row["bm25_rank"] for row in rows] == [3, None]


def test_keyword_queries_follow_their_questions() -> None:
    rows, _ = finish([ask("p1", "When was the old lighthouse built?")], styles="question,keyword")
    assert [(row["style"], row["question"]) for row in rows] == [
        ("question", "When was the old lighthouse built?"),
        ("keyword", "old lighthouse built"),
    ]
    assert rows[1]["question_id"] == make_question_id("a.txt", TEXTS["p1"], "old lighthouse built")


def test_a_passage_has_each_keyword_query_once() -> None:
    questions = ("When was the old lighthouse built?", "Why was the old lighthouse built?")
    rows, _ = finish([ask("p1", question) for question in questions], styles="keyword")
    assert [row["question"] for row in rows] == ["old lighthouse built"]


def test_keyword_queries_are_english_only() -> None:
    with pytest.raises(SettingsError, match="styles"):
        check_retrieval_settings(Settings(language="german"), FileSettings(styles="keyword"))


def test_the_number_of_questions_is_kept_and_the_others_are_counted() -> None:
    rows = [ask(name, f"Who is {number}?") for name in TEXTS for number in range(5)]
    kept, report = finish(rows, questions=8)
    assert len(kept) == 8
    assert {row["passage_id"] for row in kept} == TEXTS.keys()
    assert report.dropped["not_chosen"] == 12
    assert kept == [row for row in rows if row in kept]


def test_too_few_questions_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        kept, _ = finish([ask("p1", "Who is it?")], questions=500)
    assert len(kept) == 1
    assert "questions=500: there are only 1." in caplog.text


def test_the_number_per_document_is_a_limit() -> None:
    rows = [ask("p1", f"Who is {number}?", source=source) for source in "ab" for number in range(3)]
    kept, _ = finish(rows, questions_per_document=2)
    assert [row["source"] for row in kept] == ["a", "a", "b", "b"]
