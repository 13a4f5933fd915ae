from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from qgbatch.questions.dedupe import find_duplicates, near_form, question_key
from qgbatch.settings import DedupeMethod
from tests.support.strategies import words

questions = st.lists(
    st.tuples(st.lists(words, min_size=1, max_size=3).map(" ".join), st.integers(-3, 0).map(float)),
    max_size=15,
)
alike = st.lists(
    st.tuples(
        st.lists(
            st.sampled_from(
                [
                    "What",
                    "the",
                    "in",
                    "of",
                    "not",
                    "town",
                    "towns",
                    "Town",
                    "car",
                    "care",
                    "tower",
                    "towers",
                    "1914",
                    "3.5",
                    "c",
                    "c++",
                ]
            ),
            min_size=1,
            max_size=6,
        ).map(" ".join),
        st.integers(-3, 0).map(float),
    ),
    max_size=30,
)
methods: st.SearchStrategy[DedupeMethod] = st.sampled_from(["exact", "near"])


@given(pairs=questions, method=methods)
def test_kept_questions_are_unique_and_every_dropped_one_has_a_kept_duplicate(
    pairs: list[tuple[str, float]], method: DedupeMethod
) -> None:
    texts, scores = [text for text, _ in pairs], [score for _, score in pairs]
    dropped = find_duplicates(texts, scores, method, 0.8)
    kept = [index for index in range(len(pairs)) if index not in dropped]
    keys = [question_key(texts[index]) for index in kept]
    assert len(set(keys)) == len(keys)
    for index, (reason, kept_index) in dropped.items():
        assert kept_index in kept
        if reason == "duplicate":
            same = [i for i in range(len(pairs)) if question_key(texts[i]) == question_key(texts[index])]
            best = max(same, key=lambda i: (scores[i], -i))
            assert index != best
    again = find_duplicates([texts[i] for i in kept], [scores[i] for i in kept], method, 0.8)
    assert again == {}


@example(pairs=[("What is the town?", 0.0), ("What is the towns?", 0.0)], threshold=0.8)
@given(pairs=alike | questions, threshold=st.sampled_from([0.0, 0.5, 0.8, 0.9, 1.0]))
def test_near_drops_the_same_questions_as_comparing_all_pairs(
    pairs: list[tuple[str, float]], threshold: float
) -> None:
    texts, scores = [text for text, _ in pairs], [score for _, score in pairs]
    found = find_duplicates(texts, scores, "near", threshold)
    assert {index: reason for index, (reason, _) in found.items()} == compare_all(texts, scores, threshold)
    for index, (reason, kept) in found.items():
        if reason == "near_duplicate":
            assert are_near(texts[index], texts[kept], threshold)
        else:
            assert question_key(texts[index]) == question_key(texts[kept])


def compare_all(texts: list[str], scores: list[float], threshold: float) -> dict[int, str]:
    dropped: dict[int, str] = {}
    kept: list[str] = []
    for index in sorted(range(len(texts)), key=lambda i: (-scores[i], i)):
        if any(question_key(texts[index]) == question_key(other) for other in kept):
            dropped[index] = "duplicate"
        elif any(are_near(texts[index], other, threshold) for other in kept):
            dropped[index] = "near_duplicate"
        else:
            kept.append(texts[index])
    return dropped


def are_near(one: str, other: str, threshold: float) -> bool:
    (text, words), (other_text, other_words) = near_form(one), near_form(other)
    return words == other_words and fuzz.ratio(text, other_text) >= 100 * threshold
