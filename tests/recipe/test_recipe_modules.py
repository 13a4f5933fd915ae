"""What the recipe's steps are made of."""

from __future__ import annotations

import random

import pytest
import torch
from embeddings import split
from muon import Muon, orthogonalize
from training_pairs import Encoder, corrupt, make_batches, pick_different
from transformers import AutoTokenizer

from tests.conftest import MINI


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(AutoTokenizer.from_pretrained(MINI))


def test_spans_and_what_is_left_make_up_the_text(encoder: Encoder) -> None:
    ids = list(range(200, 300))
    source, target = corrupt(ids, encoder, random.Random(1))
    assert source.pop() == target.pop() == encoder.eos_id
    sentinels = [token for token in source if token not in ids]
    assert sentinels == [encoder.first_sentinel_id - number for number in range(5)]
    spans: dict[int, list[int]] = {}
    last = 0
    for token in target:
        last = last if token in ids else token
        spans.setdefault(last, []).extend([token] if token in ids else [])
    restored = [part for token in source for part in spans.get(token, [token])]
    assert restored == ids
    assert sum(map(len, spans.values())) == 15


def test_sources_are_what_run_gives_the_model(encoder: Encoder) -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    text = "Tea reached Europe in 1610. Dutch ships carried it."
    sentences = ["Tea reached Europe in 1610.", "Dutch ships carried it."]
    assert encoder.source(sentences, 256) == tokenizer(f"generate questions: {text}").input_ids


def test_targets_hold_whole_questions(encoder: Encoder) -> None:
    one, two = "When did tea reach Europe?", "Who carried it?"
    both = encoder.target([one, two], 96)
    separator = encoder.separator_id
    assert both == [*encoder(one), separator, *encoder(two), separator, encoder.eos_id]
    assert encoder.target([one, two], len(both) - 1) == [*encoder(one), separator, encoder.eos_id]


def test_questions_about_the_same_words_are_not_asked_together() -> None:
    asked = [
        (0, "When did tea reach Europe?"),
        (0, "In what year did tea reach Europe?"),
        (1, "Which ships carried tea?"),
    ]
    assert pick_different(asked, 2) == ["When did tea reach Europe?", "Which ships carried tea?"]


def test_batches_hold_every_pair_and_keep_to_their_tokens() -> None:
    rng = random.Random(1)
    pairs = [([1] * rng.randint(1, 60), [2] * rng.randint(1, 30)) for _ in range(300)]
    batches = make_batches(pairs, 512, rng)
    assert sorted(pair for batch in batches for pair in batch) == sorted(pairs)
    for batch in batches:
        padded = max(len(source) for source, _ in batch) + max(len(target) for _, target in batch)
        assert padded * len(batch) <= 512


def test_muon_steps_are_as_long_in_every_direction() -> None:
    torch.manual_seed(1)
    for shape in ((2, 16, 48), (2, 48, 16)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
        assert 0.6 < values.min() < values.max() < 1.3


def test_muon_learns() -> None:
    torch.manual_seed(1)
    weight = torch.nn.Parameter(torch.randn(8, 8))
    optimizer = Muon([weight], lr=0.1)
    first = weight.square().mean().item()
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(weight.square().mean())
        optimizer.step()
    assert weight.square().mean().item() < 0.3 * first


def test_words_are_split_as_bert_does() -> None:
    vocabulary = {"un": 0, "##aff": 1, "##able": 2, "##a": 3}
    assert split("unaffable", vocabulary, inside=False) == [0, 1, 2]
    assert split("able", vocabulary, inside=True) == [2]
    assert split("xyz", vocabulary, inside=False) == []
