"""Turns examples into prompts, targets and batches for ``train.py``."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerFast

Pair = tuple[list[int], list[int]]
"""The ids of a prompt and of its target, each with the end token."""

PREFIX_WITH_ANSWERS = "generate questions and answers: "
PREFIX_WITHOUT_ANSWERS = "generate questions: "
SEPARATOR, ANSWER_SEPARATOR, CONTEXT_SEPARATOR = "<sep>", "<ans>", "<ctx>"
SHARE_WITH_ANSWERS = 0.9
"""Share of the examples with answers that are shown with them."""
SHARE_INCOMPLETE = 0.6
"""Share of the examples whose answers are incomplete from which the unanswered questions are dropped."""
MAX_SOURCE_TOKENS, MAX_TARGET_TOKENS = 400, 180
POOL_EXAMPLES = 8_192
"""Examples that are sorted by length together before they are cut into batches."""
PREFIX_OF_TEXTS = "fill in: "
MASKED_SHARE, MASKED_TOKENS = 0.15, 3
"""Share of the tokens of a text that are left out, and their mean number at a place, as T5 was trained."""
TARGET_COST = 2
"""Cost of a target token in source tokens: the decoder also attends to the source and predicts a word."""


class Encoder:
    """Turns an example into a prompt and a target. The question comes before its answer.

    The forms are ``generate questions: [CONTEXT <ctx> ]TEXT`` with ``Q1 <sep> Q2``, and ``generate
    questions and answers: [CONTEXT <ctx> ]TEXT`` with ``Q1 <ans> A1 <sep> Q2 <ans> A2``.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        ids = tokenizer.get_vocab()
        self._separator_id, self._answer_separator_id = ids[SEPARATOR], ids[ANSWER_SEPARATOR]
        self._end_id = ids["</s>"]
        self._cache: dict[str, list[int]] = {}

    def prepare(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Encode the strings of examples together, which is faster than one by one."""
        texts = {text for row in rows for text in strings(row)}
        encodings = self._tokenizer.backend_tokenizer.encode_batch_fast(
            list(texts), add_special_tokens=False
        )
        self._cache |= {text: encoding.ids for text, encoding in zip(texts, encodings, strict=True)}

    def __call__(self, row: Mapping[str, Any], rng: random.Random) -> Pair:
        """Return the ids of an example. An example without questions has an empty target."""
        if "questions" not in row:
            return self._mask_spans(row["text"], rng)
        asked = row["questions"]
        answered = [(question, answer) for question, answer in asked if answer]
        with_answers = len(answered) == len(asked)
        if not with_answers and answered:
            with_answers = rng.random() < SHARE_INCOMPLETE
        if with_answers and asked:
            with_answers = rng.random() < SHARE_WITH_ANSWERS
        source = self._ids(prompt(row, PREFIX_WITH_ANSWERS if with_answers else PREFIX_WITHOUT_ANSWERS))
        if with_answers:
            parts = [
                [*self._ids(question), self._answer_separator_id, *self._ids(answer)]
                for question, answer in answered
            ]
        else:
            parts = [self._ids(question) for question, _ in asked]
        target = [token for part in parts for token in (self._separator_id, *part)][1:]
        return [*source[:MAX_SOURCE_TOKENS], self._end_id], [*target[:MAX_TARGET_TOKENS], self._end_id]

    def _mask_spans(self, text: str, rng: random.Random) -> Pair:
        """Return a text with some spans left out, and these spans. The separator marks their places."""
        ids = self._ids(text)[:MAX_SOURCE_TOKENS]
        n_masked = max(1, round(MASKED_SHARE * len(ids)))
        n_spans = max(1, round(n_masked / MASKED_TOKENS))
        lengths = parts(n_masked, n_spans, rng)
        gaps = parts(max(n_spans, len(ids) - n_masked), n_spans, rng)
        source, target, start = self._ids(PREFIX_OF_TEXTS).copy(), list[int](), 0
        for gap, length in zip(gaps, lengths, strict=True):
            source += [*ids[start : start + gap], self._separator_id]
            target += [self._separator_id, *ids[start + gap : start + gap + length]]
            start += gap + length
        return [*source, *ids[start:], self._end_id], [*target[1:], self._end_id]

    def _ids(self, text: str) -> list[int]:
        if text not in self._cache:
            self._cache[text] = self._tokenizer(text, add_special_tokens=False).input_ids
        return self._cache[text]


def prompt(row: Mapping[str, Any], prefix: str) -> str:
    """Return the prompt of an example."""
    context = f"{row['context']} {CONTEXT_SEPARATOR} " if row["context"] else ""
    return f"{prefix}{context}{row['text']}"


def strings(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the strings of an example that are encoded one by one."""
    if "questions" not in row:
        yield row["text"]
        return
    yield from (prompt(row, prefix) for prefix in (PREFIX_WITH_ANSWERS, PREFIX_WITHOUT_ANSWERS))
    yield from (text for pair in row["questions"] for text in pair if text)


def parts(total: int, n_parts: int, rng: random.Random) -> list[int]:
    """Return random positive numbers with a sum; all sums of parts are equally likely."""
    cuts = sorted(rng.sample(range(1, total), n_parts - 1))
    return [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]


def make_batches(pairs: Sequence[Pair], max_cost: int, rng: random.Random) -> Iterator[list[Pair]]:
    """Yield batches of similar length, in random order within each pool.

    Args:
        pairs: Prompts and targets.
        max_cost: The maximum cost of a batch with its padding, see :func:`cost`.
        rng: Decides the order.
    """
    for start in range(0, len(pairs), POOL_EXAMPLES):
        batches: list[list[Pair]] = [[]]
        for pair in sorted(pairs[start : start + POOL_EXAMPLES], key=cost):
            if batches[-1] and cost(pair) * (len(batches[-1]) + 1) > max_cost:
                batches.append([])
            batches[-1].append(pair)
        rng.shuffle(batches)
        yield from batches


def cost(pair: Pair) -> int:
    """Return the cost of a prompt and its target in source tokens."""
    source, target = pair
    return len(source) + TARGET_COST * len(target)
