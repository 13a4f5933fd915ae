from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qgbatch.dedupe import find_duplicates, question_key
from qgbatch.settings import DedupeMethod
from tests.property.strategies import words

questions = st.lists(
    st.tuples(st.lists(words, min_size=1, max_size=3).map(" ".join), st.integers(-3, 0).map(float)),
    max_size=15,
)
methods: st.SearchStrategy[DedupeMethod] = st.sampled_from(["exact", "near"])


@given(pairs=questions, method=methods)
def test_what_stays_is_unique_and_stands_for_all(
    pairs: list[tuple[str, float]], method: DedupeMethod
) -> None:
    texts, scores = [text for text, _ in pairs], [score for _, score in pairs]
    dropped = find_duplicates(texts, scores, method, 0.8)
    kept = [index for index in range(len(pairs)) if index not in dropped]
    keys = [question_key(texts[index]) for index in kept]
    assert len(set(keys)) == len(keys)
    for index, reason in dropped.items():
        if reason == "duplicate":
            same = [i for i in range(len(pairs)) if question_key(texts[i]) == question_key(texts[index])]
            best = max(same, key=lambda i: (scores[i], -i))
            assert index != best
    again = find_duplicates([texts[i] for i in kept], [scores[i] for i in kept], method, 0.8)
    assert again == {}
