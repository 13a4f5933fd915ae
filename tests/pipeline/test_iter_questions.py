"""How ``iter_questions`` reads its texts: in the caller's thread, and no more than a batch needs."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from qgbatch.pipeline import document_groups
from qgbatch.pipeline.generator import generate_questions, iter_questions
from qgbatch.records import Question

FAST: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 16, "min_score": -99.0}
PATIENCE_S = 20
TEXT = "Bees live in hives and make honey. The lighthouse was built of granite in 1822."


@pytest.mark.parametrize("ask", [iter_questions, generate_questions])
def test_texts_may_be_bound_to_their_thread(ask: Callable[..., Iterable[Question]]) -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE texts (text TEXT)")
    database.executemany("INSERT INTO texts VALUES (?)", [(TEXT,)] * 3)
    rows = database.execute("SELECT text FROM texts")
    assert {q.chunk.document.source for q in ask((text for (text,) in rows), **FAST)} == {"0", "1", "2"}


def test_the_first_questions_need_only_the_texts_of_a_batch() -> None:
    n_taken = 0

    def texts() -> Iterator[str]:
        nonlocal n_taken
        for n_taken in range(1, 10_000):  # noqa: B007
            yield TEXT

    questions = iter_questions(texts(), **FAST, batch_tokens=512)
    assert next(questions).chunk.document.source == "0"
    assert n_taken == pytest.approx(512 / 20, rel=0.5)
    for question in questions:
        assert n_taken - int(question.chunk.document.source) <= 50
        if n_taken > 200:
            break


def test_a_live_source_is_answered_before_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_groups, "_MAX_WAIT_S", 0.0)
    answered: set[str] = set()

    def texts() -> Iterator[str]:
        for number in range(4):
            assert len(answered) == number
            yield TEXT

    for question in iter_questions(texts(), **FAST):
        answered.add(question.chunk.document.source)
    assert len(answered) == 4


def test_closing_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_groups, "_MAX_WAIT_S", 0.0)

    def texts() -> Iterator[str]:
        yield TEXT
        threading.Event().wait()  # for ever

    questions = iter_questions(texts(), **FAST)
    next(questions)
    questions.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "prefetch":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_an_error_of_the_source_comes_after_the_questions_of_the_texts_before_it() -> None:
    def texts() -> Iterator[str]:
        yield TEXT
        raise ConnectionError("the database is gone")

    questions = iter_questions(texts(), **FAST)
    assert next(questions).chunk.document.source == "0"
    with pytest.raises(ConnectionError, match="the database is gone"):
        list(questions)
