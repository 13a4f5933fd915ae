from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgbatch.questions.retrieval.choice import Candidate, choose_questions

candidates_of_documents = st.lists(
    st.builds(
        Candidate,
        question_id=st.just(""),
        source=st.sampled_from(["a.txt", "b.txt", "c\udcff.txt"]),
        start_char=st.sampled_from([0, 500, 900]),
        question=st.sampled_from(["Who won?", "In what year?", "won the cup"]),
        score=st.sampled_from([0.2, 0.7]),
        rank=st.sampled_from([None, 1, 5, 40]),
    ),
    max_size=30,
).map(lambda found: [replace(candidate, question_id=f"q{i}") for i, candidate in enumerate(found)])
limits = st.none() | st.integers(0, 35)


def candidate(
    question_id: str = "q",
    source: str = "a.txt",
    start_char: int = 0,
    question: str = "Who won?",
    score: float = 0.5,
    rank: int | None = 1,
) -> Candidate:
    return Candidate(question_id, source, start_char, question, score, rank)


def document(source: str, n_questions: int) -> list[Candidate]:
    """A document with a question in every passage."""
    return [candidate(f"{source}-{i}", source, 800 * i) for i in range(n_questions)]


def chosen_ids(
    candidates: list[Candidate], n: int | None = None, per_document: int | None = None, seed: int = 42
) -> set[str]:
    indices = choose_questions(candidates, n=n, per_document=per_document, seed=seed)
    return {candidates[index].question_id for index in indices}


@given(candidates=candidates_of_documents, n=limits, per_document=limits, random_source=st.randoms())
def test_the_choice_does_not_depend_on_the_order(
    candidates: list[Candidate], n: int | None, per_document: int | None, random_source: random.Random
) -> None:
    shuffled = list(candidates)
    random_source.shuffle(shuffled)
    assert chosen_ids(shuffled, n, per_document) == chosen_ids(candidates, n, per_document)


@given(candidates=candidates_of_documents, n=limits, per_document=limits)
def test_documents_give_equal_numbers_as_far_as_they_can(
    candidates: list[Candidate], n: int | None, per_document: int | None
) -> None:
    indices = choose_questions(candidates, n=n, per_document=per_document, seed=42)
    assert indices == sorted(set(indices))
    sizes = Counter(candidate.source for candidate in candidates)
    limits = {
        source: min(size, size if per_document is None else per_document) for source, size in sizes.items()
    }
    available = sum(limits.values())
    assert len(indices) == (available if n is None else min(n, available))
    taken = Counter(candidates[index].source for index in indices)
    assert all(taken[source] <= limit for source, limit in limits.items())
    unfinished = [taken[source] for source, limit in limits.items() if taken[source] < limit]
    assert max(taken.values(), default=0) <= min(unfinished, default=len(indices)) + 1


@given(candidates=candidates_of_documents, per_document=limits)
def test_places_of_a_document_give_equal_numbers_as_far_as_they_can(
    candidates: list[Candidate], per_document: int | None
) -> None:
    indices = choose_questions(candidates, n=None, per_document=per_document, seed=42)
    taken = Counter((candidates[index].source, candidates[index].start_char) for index in indices)
    for index in set(range(len(candidates))) - set(indices):
        source, start_char = candidates[index].source, candidates[index].start_char
        most = max(number for (other, _), number in taken.items() if other == source) if per_document else 0
        assert most <= taken[source, start_char] + 1


def test_short_documents_give_all_and_the_others_the_rest() -> None:
    candidates = [*document("short.txt", 3), *document("long.txt", 200), *document("longer.txt", 5000)]
    taken = Counter(name.split("-")[0] for name in chosen_ids(candidates, n=103))
    assert taken == {"short.txt": 3, "long.txt": 50, "longer.txt": 50}


def test_500_of_20_documents_of_different_lengths() -> None:
    sizes = [5, 20, 21, *(30 * i for i in range(1, 18))]
    candidates = [found for i, size in enumerate(sizes) for found in document(f"{i}.txt", size)]
    chosen = choose_questions(candidates, n=500, per_document=None, seed=42)
    taken = Counter(candidates[index].source for index in chosen)
    assert len(chosen) == 500
    assert all(taken[f"{i}.txt"] >= min(size, 20) for i, size in enumerate(sizes))


def test_the_seed_decides_which_documents_give_one_more() -> None:
    candidates = [found for i in range(40) for found in document(f"{i}.txt", 1)]
    assert chosen_ids(candidates, n=20, seed=1) != chosen_ids(candidates, n=20, seed=2)
    # The same on every machine.
    assert sorted(chosen_ids(candidates[:6], n=3, seed=42)) == ["0.txt-0", "3.txt-0", "4.txt-0"]


def test_places_are_spread_over_the_document() -> None:
    chosen = choose_questions(document("a.txt", 100), n=10, per_document=None, seed=42)
    distances = {after - before for before, after in pairwise(chosen)}
    assert distances == {10}


def test_question_words_of_a_document_take_turns() -> None:
    questions = ["What is it?", "When did it end?", "In which town?", "Who's next?", "the end"]
    candidates = [
        candidate(f"{place}-{i}", start_char=place, question=question, score=1 - i / 10)
        for place in range(5)
        for i, question in enumerate(questions)
    ]
    chosen = choose_questions(candidates, n=5, per_document=None, seed=42)
    assert {candidates[index].question for index in chosen} == set(questions)


def test_difficulties_of_a_document_take_turns() -> None:
    ranks = [1, 3, 10, 11, None]
    candidates = [
        candidate(f"{place}-{rank}", start_char=place, rank=rank, score=1 - i / 10)
        for place in range(5)
        for i, rank in enumerate(ranks)
    ]
    chosen = choose_questions(candidates, n=5, per_document=None, seed=42)
    assert {candidates[index].rank for index in chosen} == set(ranks)


@pytest.mark.parametrize(
    ("rank", "other_rank", "are_equal"),
    [(1, 2, False), (2, 3, True), (3, 4, False), (4, 10, True), (10, 11, False), (11, 500, True)],
)
def test_the_ranges_of_equal_difficulty(rank: int, other_rank: int, are_equal: bool) -> None:
    candidates = [
        candidate("first", rank=rank, score=0.9),
        candidate("same rank", rank=rank, score=0.5),
        candidate("other rank", rank=other_rank, score=0.1),
    ]
    assert chosen_ids(candidates, n=2) == {"first", "same rank" if are_equal else "other rank"}


def test_the_best_score_comes_first_and_then_the_id() -> None:
    candidates = [candidate("a", score=0.1), candidate("b", score=0.9), candidate("c", score=0.9)]
    assert chosen_ids(candidates, n=1) == chosen_ids(candidates[::-1], n=1) == {"b"}
    assert chosen_ids(candidates, n=2) == {"b", "c"}


def test_one_passage_with_many_questions() -> None:
    candidates = [candidate(f"q{i}", score=i % 7) for i in range(50_000)]
    assert len(choose_questions(candidates, n=49_999, per_document=None, seed=42)) == 49_999
