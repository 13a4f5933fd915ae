"""Searching all passages of a corpus, and other passages that a question fits."""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qgbatch.errors import OutputError
from qgbatch.questions.retrieval import passage_index
from qgbatch.questions.retrieval.passage_index import PassageIndex
from qgbatch.records import Passage

TEXTS = [
    "The harbour of Lund was built in 1854 by the city.",
    "The old harbour lies north of the city, and the new harbour lies south.",
    "A canal joins the city and the lake.",
    "Trout live in the lake.",
    "The canal was dug by hand.",
]


@contextmanager
def indexed(texts: Sequence[str]) -> Iterator[PassageIndex]:
    with PassageIndex() as index:
        index.add(Passage(f"p{number}", text, "a.txt", 0, len(text)) for number, text in enumerate(texts))
        index.finish()
        yield index


def brute_force(query: str, texts: Sequence[str]) -> list[tuple[str, float]]:
    """BM25 as in the documentation of FTS5, for words that the stemmer does not change."""
    words = [re.findall(r"\w+", text.casefold()) for text in texts]
    mean = sum(map(len, words)) / len(words)
    scores = [0.0] * len(texts)
    for word in set(re.findall(r"\w+", query.casefold())):
        n_found = sum(word in passage for passage in words)
        weight = max(math.log((len(words) - n_found + 0.5) / (n_found + 0.5)), 1e-6)
        for number, passage in enumerate(words):
            n = passage.count(word)
            scores[number] += weight * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * len(passage) / mean))
    order = sorted(range(len(texts)), key=lambda number: -scores[number])
    return [(f"p{number}", scores[number]) for number in order if scores[number]]


def ids(passages: Sequence[Passage]) -> list[str]:
    return [passage.passage_id for passage in passages]


@pytest.mark.parametrize("query", ["harbour lake", "the canal of the city", "trout", "Hand, LAKE!"])
def test_scores_are_those_of_bm25(query: str) -> None:
    expected = brute_force(query, TEXTS)
    with indexed(TEXTS) as index:
        found = index.search(query, 10)
        assert [each for each, _ in found] == [each for each, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected])
        ranks = [index.rank(query, [passage_id]) for passage_id, _ in expected]
    assert ranks == [*range(1, len(expected) + 1)]


def test_the_best_right_passage_counts() -> None:
    with indexed(TEXTS) as index:
        assert index.rank("harbour", ["p0", "p1", "p3"]) == 1
        assert index.rank("harbour", ["p0"]) == 2
        assert index.rank("harbour", ["p3", "unknown"]) is None
        assert index.rank("harbour", []) is None


def test_on_a_tie_the_passage_added_first_is_found_first_and_ranks_are_equal() -> None:
    with indexed(["Blue tea.", "Red tea.", "A cup.", "Green tea.", "A pot.", "Milk.", "Salt."]) as index:
        assert [each for each, _ in index.search("tea", 2)] == ["p0", "p1"]
        assert [index.rank("tea", [name]) for name in ("p0", "p3")] == [1, 1]


def test_english_words_match_in_all_forms() -> None:
    with indexed(TEXTS) as index:
        assert index.rank("joined lakes", ["p2"]) == 1


def test_words_of_other_languages_match_as_they_are() -> None:
    with PassageIndex("french") as index:
        index.add([Passage("p", "Les élèves étudiaient.", "a.txt", 0, 22)])
        index.finish()
        assert index.rank("e\u0301leves", ["p"]) == 1
        assert index.rank("étudier", ["p"]) is None


def test_a_frequent_word_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage_index, "MAX_POSTINGS", 3)
    texts = ["A lake.", "A lake with trout.", "A lake with perch.", "Trout and perch."]
    with indexed(texts) as index:
        assert {each for each, _ in index.search("lake trout", 10)} == {"p1", "p3"}  # 2 + 3 passages
        assert index.rank("lake trout", ["p0"]) is None
        monkeypatch.setattr(passage_index, "MAX_POSTINGS", 1)
        assert index.rank("lake", ["p2"]) == 2  # the rarest word stays


def test_all_questions_are_ranked_in_order() -> None:
    texts = [f"Number {number} of the {'even' if number % 2 else 'odd'} ones." for number in range(300)]
    questions = [(f"Which one is {number}?", {f"p{number}"}) for number in range(300)] * 10
    with indexed(texts) as index:
        assert list(index.rank_all(iter(questions))) == [1] * len(questions)
        assert list(index.rank_all([])) == []


SYNTAX = (
    "",
    "?",
    '"',
    '""" OR',
    "NOT",
    "lake AND",
    "text:lake",
    "lake*",
    "^lake",
    "NEAR(lake",
    "\0",
    "\ud800",
)


@pytest.mark.parametrize("query", SYNTAX)
def test_a_query_is_no_syntax(query: str) -> None:
    with indexed(TEXTS) as index:
        found = index.search(query, 10)
        assert [score > 0 for _, score in found] == [True] * len(found)
        assert bool(found) == ("lake" in query)
        index.answering("Trout?", f"lake {query}", [])


@pytest.fixture(scope="module")
def small_index() -> Iterator[PassageIndex]:
    with indexed(TEXTS) as index:
        yield index


@given(question=st.text(), answer=st.text())
def test_no_text_is_an_error(small_index: PassageIndex, question: str, answer: str) -> None:
    small_index.search(question, 3)
    small_index.rank(question, ["p0", answer])
    small_index.answering(question, answer, [question])
    small_index.near_identical(answer)


@settings(max_examples=20)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_passage_can_be_added(texts: list[str]) -> None:
    with indexed(texts) as index:
        for number, text in enumerate(texts):
            passage = index.get(f"p{number}")
            assert passage is not None
            assert passage.text == text


def test_a_repeated_id_is_left_out() -> None:
    with PassageIndex() as index:
        index.add([Passage("p", "A lake.", "a.txt", 0, 7), Passage("p", "A canal.", "a.txt", 8, 16)])
        index.finish()
        assert index.get("p") == Passage("p", "A lake.", "a.txt", 0, 7)
        assert index.rank("canal", ["p"]) is None
        assert index.get("q") is None


def test_near_identical_passages_have_the_same_words() -> None:
    texts = [
        "The lake has trout.",
        "A lake has trout!",
        "Lakes has trout",
        "The lake had trout.",
        "Trout has the lake.",
    ]
    with indexed(texts) as index:
        assert ids(index.near_identical("p0")) == ["p1", "p2"]
        assert index.near_identical("p3") == []
        assert index.near_identical("unknown") == []


def test_a_passage_with_the_answer_and_the_words_of_the_question_answers_it() -> None:
    texts = [
        "The harbour of Lund was built in 1854.",
        "In 1854, Lund built its harbour.",
        "In 1990, Lund built its harbour.",
        "In 1854, it rained in Lund.",
        "No ship came to the harbour of Lund, built on 1,854 piles.",
    ]
    question = "When was the harbour of Lund built?"
    with indexed(texts) as index:
        assert ids(index.answering(question, "1854", ["p0"])) == ["p1"]
        assert sorted(ids(index.answering(question, "1854", []))) == ["p0", "p1"]
        assert len(index.answering(question, "1854", [], limit=1)) == 1


def test_an_answer_is_not_found_inside_a_number() -> None:
    with indexed(["The lake has 1 island.", "The lake had an island in 1990 and 1.5 boats."]) as index:
        assert ids(index.answering("How many islands does the lake have?", "1", [])) == ["p0"]


def test_fts5_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PassageIndex.is_available()
    monkeypatch.setattr(passage_index, "_PROBE", "CREATE VIRTUAL TABLE words USING fts0 (text)")
    assert not PassageIndex.is_available()


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with indexed(TEXTS) as index:
        assert index.rank("harbour", ["p0"]) == 2
        if os.name == "posix":  # not even if the process is killed now
            assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_missing_temporary_directory_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OutputError, match=r"No directory for temporary files.*Set TMPDIR"):
        PassageIndex()


def test_a_full_temporary_directory_is_an_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage_index, "_SCHEMA", passage_index._SCHEMA + "PRAGMA max_page_count = 8;")
    with (
        pytest.raises(OutputError, match=r"No space for temporary files.*Set TMPDIR"),
        PassageIndex() as index,
    ):
        index.add([Passage("p", "Long. " * 20_000, "a.txt", 0, 120_000)])
