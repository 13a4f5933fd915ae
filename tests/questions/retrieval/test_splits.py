from __future__ import annotations

import random
import re
from collections import Counter
from itertools import combinations
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgbatch.errors import InputError, SettingsError
from qgbatch.questions.retrieval import splits
from qgbatch.questions.retrieval.splits import assign_parts, group_documents, parse_split

SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}
WORDS = [f"w{i}" for i in range(60)]
Passages = list[tuple[str, str]]


def shingles(text: str) -> set[str]:
    """The definition, written again without the code that is tested."""
    words = re.findall(r"\w+", text.casefold())
    return {" ".join(words[i : i + 3]) for i in range(len(words) - 2)} or set(words)


def near_duplicates(passages: Passages) -> list[tuple[str, str]]:
    """The pairs of sources with near duplicates, by comparing all passages with all others."""
    sets = [(source, shingles(text)) for source, text in passages]
    return [
        (source, other_source)
        for (source, one), (other_source, other) in combinations(sets, 2)
        if one and other and len(one & other) / len(one | other) >= 0.8
    ]


def documents(n: int, seed: int = 0) -> Passages:
    """Documents without near duplicates."""
    draw = random.Random(seed)
    return [(f"{seed}-{i}.txt", " ".join(draw.choices(WORDS, k=20))) for i in range(n)]


def with_edits(passages: Passages, seed: int) -> Passages:
    """Passages and edited copies of them in other documents: with 0 to 4 other words."""
    draw = random.Random(seed)
    edited = []
    for source, text in passages:
        for copy in range(draw.randrange(3)):
            words = text.split()
            for _ in range(draw.randrange(5)):
                words[draw.choice([0, 1, -1, 7])] = draw.choice(WORDS)
            edited.append((f"{source}-{copy}", " ".join(words)))
    return passages + edited


def test_no_near_duplicates_are_in_different_parts() -> None:
    passages = with_edits(documents(250), seed=1)
    pairs = near_duplicates(passages)
    parts = assign_parts(passages, SHARES)
    assert len(pairs) > 50
    assert parts.keys() == {source for source, _ in passages}
    assert all(parts[source] == parts[other] for source, other in pairs)


short_texts = st.lists(st.sampled_from("abc"), max_size=4).map(" ".join)
parts_of_one_text = st.builds(
    lambda start, length: " ".join(WORDS[start : start + length]), st.integers(0, 8), st.integers(3, 20)
)
texts = short_texts | parts_of_one_text


@given(st.lists(st.tuples(st.sampled_from("123456789"), texts), max_size=25), st.randoms())
def test_groups_are_the_connected_near_duplicates(passages: Passages, order: random.Random) -> None:
    groups = {source: {source} for source, _ in passages}
    for source, other in near_duplicates(passages):
        merged = groups[source] | groups[other]
        groups |= dict.fromkeys(merged, merged)
    shuffled = list(passages)
    order.shuffle(shuffled)
    with patch.object(splits, "_COUNTERS", 8):  # shingles share counters, as in large inputs
        found = group_documents(passages)
        assert group_documents(shuffled) == found
    for source, group in groups.items():
        assert {other for other in found if found[other] == found[source]} == group


def test_the_shares_are_kept_about() -> None:
    sizes = Counter(assign_parts(documents(2000), SHARES).values())
    assert sizes["train"] == pytest.approx(1600, abs=60)
    assert sizes["dev"] == pytest.approx(200, abs=50)


def test_added_documents_move_no_other() -> None:
    passages = with_edits(documents(100), seed=2)
    parts = assign_parts(passages, SHARES)
    more = assign_parts(documents(200, seed=3) + passages, SHARES)
    assert parts.items() <= more.items()


def test_a_document_has_the_same_part_on_every_machine() -> None:
    parts = assign_parts([(f"{i}.txt", f"Text {i}.") for i in range(30)], {"train": 0.5, "test": 0.5})
    assert "".join(parts[f"{i}.txt"][1] for i in range(30)) == "rrreerrrereeeerereeeeeeerrerrr"


@pytest.mark.parametrize(("n_words", "n_groups"), [(11, 1), (10, 2)])
def test_the_least_similarity_of_near_duplicates(n_words: int, n_groups: int) -> None:
    """Another last word leaves 8 of 10 shingles, or 7 of 9."""
    text = " ".join(WORDS[: n_words - 1])
    groups = group_documents([("a", f"{text} north"), ("b", f"{text} south")])
    assert len(set(groups.values())) == n_groups


def test_a_chain_of_near_duplicates_is_one_group() -> None:
    words = [f"word{i}" for i in range(60)]
    passages = [(f"{i}.txt", " ".join(words[2 * i : 2 * i + 30])) for i in range(10)]
    assert ("0.txt", "9.txt") not in near_duplicates(passages)
    assert len(set(group_documents(passages).values())) == 1


def test_case_and_punctuation_make_no_difference() -> None:
    passages = [("a", "The mill, built in 1820."), ("b", "the MILL built in 1820"), ("c", "THE MILL")]
    groups = group_documents(passages)
    assert groups["a"] == groups["b"] != groups["c"]


def test_passages_without_words_are_no_duplicates() -> None:
    groups = group_documents([("a", "***"), ("b", "***"), ("c\udcff", "")])
    assert len(set(groups.values())) == 3


def test_a_passage_in_many_documents_takes_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = Counter[int]()
    load = splits._Search._load
    monkeypatch.setattr(
        splits._Search, "_load", lambda search, number: loaded.update([number]) or load(search, number)
    )
    notice = " ".join(f"word{i}" for i in range(50))
    groups = group_documents((f"{i}.txt", f"Page {i % 100} {notice}") for i in range(1000))
    assert len(set(groups.values())) == 1
    assert loaded.total() < 1000


def test_a_split() -> None:
    assert parse_split(" train = 0.8, dev-2=.1 ,t_3=1e-1") == {"train": 0.8, "dev-2": 0.1, "t_3": 0.1}
    assert list(parse_split("b=0.3333333,c=0.3333333,a=0.3333333")) == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is not a name and a share above 0"),
        ("train", "'train' is not"),
        ("train=0.9,", "'' is not"),
        ("train=0.9;test=0.1", "'train=0.9;test=0.1' is not"),
        ("Train=1", "'Train=1' is not"),
        ("../a=1", "'../a=1' is not"),
        ("train=1,test=0", "'test=0' is not"),
        ("train=1.5,test=-0.5", "'test=-0.5' is not"),
        ("train=nan", "'train=nan' is not"),
        ("train=0.5,train=0.5", "the part 'train' repeats"),
        ("train=0.8,test=0.1", "the shares add up to 0.9, not to 1"),
        ("train=80,test=20", "the shares add up to 100"),
        ("train=inf", "the shares add up to inf"),
    ],
)
def test_an_invalid_split(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=r"train=0\.8,dev=0\.1,test=0\.1") as caught:
        parse_split(text)
    assert reason in caught.value.message


def test_an_empty_part() -> None:
    passages = [(f"{i}.txt", "The same licence text.") for i in range(5)]
    with pytest.raises(InputError, match="documents: 5; groups with near-duplicate passages: 1") as caught:
        assign_parts(passages, {"train": 0.5, "test": 0.5})
    assert "Add documents" in caught.value.hint
    with pytest.raises(InputError, match="'train' is empty"):
        assign_parts([], {"train": 1.0})
