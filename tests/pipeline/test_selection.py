"""Which questions of a document remain when several ask the same or have the same answer."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from qgbatch.pipeline.selection import drop_duplicates
from qgbatch.records import Chunk, Document, Question
from qgbatch.settings import Settings

TEXT = "Ann left in May. Ann left in May."
DOCUMENT = Document.from_text(TEXT, "a.txt")
FIRST, SECOND = Chunk(DOCUMENT, 0, 0, 16, (1,), False), Chunk(DOCUMENT, 1, 17, 33, (1,), False)


def ask(chunk: Chunk, question: str, score: float) -> Question:
    return Question(question, 0, score, chunk, "May", chunk.start_char + 12)


def kept(questions: list[Question], *, ranker: Any, **settings: Any) -> tuple[list[str], Counter[str]]:
    dropped: Counter[str] = Counter()
    components: Any = SimpleNamespace(settings=Settings(**settings), ranker=ranker)
    return [q.question for q in drop_duplicates(questions, components, dropped)], dropped


def test_the_best_question_per_answer_of_a_chunk_remains() -> None:
    questions = [ask(FIRST, "When did she leave?", 0.4), ask(FIRST, "When did Ann leave?", 0.6)]
    assert kept(questions, ranker=object()) == (["When did Ann leave?"], {"same_answer": 1})


@pytest.mark.parametrize(
    "options",
    [
        {"ranker": None},
        {"ranker": object(), "dedupe": "none"},
        {"ranker": object(), "dedupe_scope": "corpus"},  # duplicates are dropped first, across documents
    ],
)
def test_all_remain_without_a_ranker_or_deduplication_in_the_document(options: dict[str, Any]) -> None:
    questions = [ask(FIRST, "When did she leave?", 0.4), ask(FIRST, "When did Ann leave?", 0.6)]
    assert kept(questions, **options) == (["When did she leave?", "When did Ann leave?"], {})


def test_an_answer_keeps_its_other_question_if_the_best_one_is_a_duplicate() -> None:
    questions = [
        ask(FIRST, "When did Ann leave?", 0.9),
        ask(SECOND, "When did Ann leave?", 0.8),
        ask(SECOND, "In which month did she leave?", 0.5),
    ]
    assert kept(questions, ranker=object()) == (
        ["When did Ann leave?", "In which month did she leave?"],
        {"duplicate": 1},
    )
