"""Samples training pairs of token ids from passages and batches pairs of similar length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from common import content_words
from swap_names import NameSwapper
from torch import Tensor

from qgbatch.engines.padding import pad_rows

Pair = tuple[list[int], list[int]]
"""Ids of a source and of its target, each with the end token."""
Batch = tuple[Tensor, Tensor, Tensor]
"""``input_ids`` and ``attention_mask``, shape (rows, longest source), and ``labels``, shape (rows,
longest target); all int64."""

PREFIX = "generate questions:"
SOURCE_WEIGHTS = {
    "squad-v1.1-train-head": 2.0, "squad-v1.1-train-via-nqg": 2.0, "qamr": 1.5, "fairytaleqa": 0.6,
    "openstax-review+glossary": 0.8, "medquad": 0.3,
}  # fmt: skip
"""Relative frequency of a source. Questions about facts, written for the passage, are the best."""
WIDTHS = (1, 1, 2, 2, 3)
"""Numbers of sentences per example to sample from; a chunk of the built-in model has one to three."""
SPAN_TOKENS = (48, 64, 96, 128)
"""Lengths of the texts for span corruption, in tokens, to sample from."""
CORRUPTED, SPAN_LENGTH = 0.15, 3.0
"""Share of masked tokens and mean length of a span, as for T5 (Raffel et al. 2020)."""
POOL = 4096
"""Number of pairs that are sampled together and sorted by length."""
P_RENAMED = 0.6
"""Share of question pairs with replaced names. Without it, the model memorizes the passages."""
P_MARKED = 0.1
"""Share of question pairs whose source gets a heading, a bullet or emphasis, as in documents."""


class Encoder:
    """Tokenizes texts without the end token, and stores the ids, because sentences occur in many pairs."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, np.ndarray[Any, np.dtype[np.int32]]] = {}
        self.eos_id: int = tokenizer.eos_token_id
        self.separator_id: int = tokenizer.convert_tokens_to_ids("<sep>")
        self.first_sentinel_id: int = tokenizer.convert_tokens_to_ids("<extra_id_0>")
        self._prefix = self(PREFIX)

    def __call__(self, text: str) -> list[int]:
        """Return the ids of a text."""
        if text not in self._known:
            ids = self._tokenizer(text, add_special_tokens=False).input_ids
            self._known[text] = np.asarray(ids, dtype=np.int32)
        known: list[int] = self._known[text].tolist()
        return known

    def source(self, sentences: Sequence[str], max_tokens: int) -> list[int]:
        """Return the input ids that ``qgbatch run`` makes for a chunk of these sentences, truncated."""
        ids = [*self._prefix, *(token for sentence in sentences for token in self(sentence))]
        return [*ids[: max_tokens - 1], self.eos_id]

    def target(self, questions: Sequence[str], max_tokens: int) -> list[int]:
        """Return the ids of the questions, each followed by a separator, as ``qgbatch finetune`` does.

        Questions that do not fit into ``max_tokens`` are dropped as a whole.
        """
        ids: list[int] = []
        for question in questions:
            more = [*self(question), self.separator_id]
            if len(ids) + len(more) + 1 > max_tokens:
                break
            ids += more
        return [*ids, self.eos_id] if ids else []


class PairMaker:
    """Samples pairs of three kinds: ``real`` and ``rules`` questions, and ``spans`` of plain text.

    Args:
        encoder: The tokenizer.
        passages: Passages of examples.py.
        texts: Plain texts for span corruption.
        p_whole: Share of whole passages among the real pairs, 0 to 1.
    """

    def __init__(
        self, encoder: Encoder, passages: Sequence[Any], texts: Sequence[str], p_whole: float
    ) -> None:
        self._encode = encoder
        self._p_whole = p_whole
        self._texts = texts
        self._rules = [passage for passage in passages if passage["source"] == "rules"]
        self._real = [passage for passage in passages if passage["source"] != "rules"]
        self._names = NameSwapper(sentence for passage in passages for sentence in passage["sentences"])
        weights = [
            SOURCE_WEIGHTS[passage["source"]] * min(len(passage["questions"]), 4) for passage in self._real
        ]
        self._weights = np.cumsum(weights)
        # Nine in ten of the rule-made questions start with What.
        self._rare = [
            (passage, index)
            for passage in self._rules
            for index, question in passage["questions"]
            if not question.startswith("What")
        ]

    def sample(self, kind: str, rng: random.Random) -> Pair | None:
        """Sample a pair of a kind; return None if the sample cannot be used."""
        if kind == "spans":
            return self._spans(rng)
        if kind == "real":
            passage = self._real[int(np.searchsorted(self._weights, rng.random() * self._weights[-1]))]
            index = rng.choice(passage["questions"])[0]
            if rng.random() < self._p_whole:
                return self._pair(passage, 0, len(passage["sentences"]), rng)
        elif self._rare and rng.random() < 0.4:
            passage, index = rng.choice(self._rare)
        else:
            passage = rng.choice(self._rules)
            index = rng.choice(passage["questions"])[0]
        width = rng.choice(WIDTHS)
        start = max(0, index - rng.randrange(width))
        return self._pair(passage, start, start + width, rng)

    def _pair(self, passage: Any, start: int, end: int, rng: random.Random) -> Pair | None:
        """Make a pair of sentences ``start`` to ``end`` (excluded) and their questions, in order."""
        asked = [item for item in passage["questions"] if start <= item[0] < end]
        rng.shuffle(asked)
        chosen = pick_different(sorted(asked, key=lambda item: item[0]), end - start)
        sentences = passage["sentences"][start:end]
        if rng.random() < P_RENAMED:
            sentences, chosen = self._names.swap(sentences, chosen, rng)
        target = self._encode.target(chosen, 96)
        if rng.random() < P_MARKED:
            other = rng.choice(rng.choice(self._real)["sentences"])
            sentences = add_markup(sentences, other, rng)
        return (self._encode.source(sentences, 256), target) if target else None

    def _spans(self, rng: random.Random) -> Pair | None:
        """Make a pair by T5's span corruption of a random excerpt."""
        ids = self._encode(rng.choice(self._texts))
        length = rng.choice(SPAN_TOKENS)
        if len(ids) < 12:
            return None
        start = rng.randrange(max(1, len(ids) - length + 1))
        return corrupt(ids[start : start + length], self._encode, rng)


def pick_different(asked: Sequence[Any], n_sentences: int) -> list[str]:
    """Choose at most five questions with different content words.

    At most two questions are chosen per sentence, or three if there is only one sentence.
    """
    chosen: list[tuple[int, set[str], str]] = []
    for index, question in asked:
        words = set(content_words(question))
        is_similar = any(
            len(words & others) > 0.7 * min(len(words), len(others)) for _, others, _ in chosen
        )
        if not is_similar and sum(place == index for place, _, _ in chosen) < (
            3 if n_sentences == 1 else 2
        ):
            chosen.append((index, words, question))
    return [question for _, _, question in chosen][:5]


def add_markup(sentences: Sequence[str], other: str, rng: random.Random) -> list[str]:
    """Add a heading made of the first words of ``other``, a list bullet, or emphasis to sentences."""
    kind = rng.randrange(3)
    if kind == 0:
        return ["#" * rng.randint(1, 3) + " " + " ".join(other.split()[: rng.randint(1, 4)]), *sentences]
    if kind == 1:
        return [rng.choice("-*") + " " + sentences[0], *sentences[1:]]
    first, space, rest = sentences[0].partition(" ")
    return [f"**{first}**{space}{rest}", *sentences[1:]]


def corrupt(ids: Sequence[int], encoder: Encoder, rng: random.Random) -> Pair:
    """Replace random spans by sentinels; the target consists of the spans with their sentinels."""
    n_noise = max(1, round(len(ids) * CORRUPTED))
    n_spans = max(1, round(n_noise / SPAN_LENGTH))

    def cut(total: int) -> list[int]:
        """Divide a number of tokens randomly into ``n_spans`` lengths."""
        places = sorted(rng.sample(range(1, total), n_spans - 1))
        return [end - start for start, end in zip([0, *places], [*places, total], strict=True)]

    source: list[int] = []
    target: list[int] = []
    place = 0
    for number, (keep, noise) in enumerate(zip(cut(len(ids) - n_noise), cut(n_noise), strict=True)):
        sentinel = encoder.first_sentinel_id - number
        source += [*ids[place : place + keep], sentinel]
        target += [sentinel, *ids[place + keep : place + keep + noise]]
        place += keep + noise
    target.append(encoder.first_sentinel_id - n_spans)
    return [*source, encoder.eos_id], [*target, encoder.eos_id]


class Stream(torch.utils.data.IterableDataset[Batch]):
    """Endless batches, which are determined by ``seed`` and the index of the worker process."""

    def __init__(self, pair_maker: PairMaker, mix: dict[str, float], batch_tokens: int, seed: int) -> None:
        self._pair_maker, self._mix, self._batch_tokens, self._seed = pair_maker, mix, batch_tokens, seed

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches."""
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(self._seed * 1000 + (worker.id if worker else 0))
        kinds, weights = list(self._mix), list(self._mix.values())
        while True:
            pairs: list[Pair] = []
            while len(pairs) < POOL:
                pair = self._pair_maker.sample(rng.choices(kinds, weights)[0], rng)
                if pair:
                    pairs.append(pair)
            yield from map(collate, make_batches(pairs, self._batch_tokens, rng))


def make_batches(pairs: Sequence[Pair], batch_tokens: int, rng: random.Random) -> list[list[Pair]]:
    """Batch pairs of similar length, with at most ``batch_tokens`` padded tokens each, in random order."""
    batches: list[list[Pair]] = []
    longest_source = longest_target = 0
    for pair in sorted(pairs, key=lambda pair: (len(pair[0]) // 8, len(pair[1]), rng.random())):
        longest_source, longest_target = (
            max(longest_source, len(pair[0])),
            max(longest_target, len(pair[1])),
        )
        if not batches or (longest_source + longest_target) * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
            longest_source, longest_target = len(pair[0]), len(pair[1])
        batches[-1].append(pair)
    rng.shuffle(batches)
    return batches


def collate(pairs: Sequence[Pair]) -> Batch:
    """Pad the sources and targets of a batch."""
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    input_ids, labels = pad_rows(sources, 0), pad_rows(targets, -100)
    return input_ids, pad_rows([[1] * len(source) for source in sources], 0), labels
