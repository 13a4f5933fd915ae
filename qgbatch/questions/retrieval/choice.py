"""Chooses the questions to keep when a number of them was asked for.

The choice is even over documents, then over the places in a document, then over question words and
difficulties, and takes the best score where all of these are equal. It depends only on the candidates and
the seed: their order and the machine make no difference.
"""

from __future__ import annotations

import heapq
import re
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby

from qgbatch.questions.retrieval.ranks import rank_range
from qgbatch.questions.words import QUESTION_WORDS

_QUESTION_WORD = re.compile(rf"\b(?:{'|'.join(sorted(QUESTION_WORDS))})\b", re.IGNORECASE)
_PHASE_BITS = 32


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that can be chosen."""

    question_id: str
    """Unique among the candidates."""
    source: str
    start_char: int
    """Where its passage begins; the questions of one passage have the same place."""
    question: str
    score: float
    """Higher is better."""
    rank: int | None
    """Rank of its passage in BM25, from 1, or ``None`` if it is unknown."""
    must_stay: bool = False
    """Whether it is chosen in any case, because a reader kept it."""


def choose_questions(
    candidates: Sequence[Candidate], *, n: int | None, per_document: int | None, seed: int
) -> list[int]:
    """Choose questions, evenly over documents, places, question words and difficulties.

    Every document gives the same number. What a short document cannot give, the others give. The seed
    decides which documents give the remainder, and at which places. What must stay counts, and is chosen
    even if there is more of it than was asked for.

    Args:
        candidates: The questions, in any order.
        n: How many to choose at most.
        per_document: How many to choose from one document at most.
        seed: Another seed gives another choice.

    Returns:
        The indices of the chosen questions, ascending.
    """
    by_source = sorted(range(len(candidates)), key=lambda index: candidates[index].source)
    sizes: list[int] = []
    n_staying: list[int] = []
    hashes = array("Q")
    for source, group in groupby(by_source, key=lambda index: candidates[index].source):
        stay = [candidates[index].must_stay for index in group]
        sizes.append(len(stay))
        n_staying.append(sum(stay))
        hashes.append(_hash(seed, source))
    limits = sizes
    if per_document is not None:
        limits = [max(min(size, per_document), least) for size, least in zip(sizes, n_staying, strict=True)]
    quotas = limits if n is None else _share(n, limits, n_staying, hashes)
    chosen: list[int] = []
    start = 0
    for size, quota, number in zip(sizes, quotas, hashes, strict=True):
        document = by_source[start : start + size]
        chosen += document if quota == size else _choose(candidates, document, quota, number)
        start += size
    return sorted(chosen)


def _hash(seed: int, source: str) -> int:
    """Return a number of 64 bits that is the same on every machine."""
    text = f"{seed} {source}".encode(errors="surrogatepass")  # a file name may be no Unicode
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def _share(n: int, sizes: Sequence[int], minima: Sequence[int], hashes: Sequence[int]) -> list[int]:
    """Share a number among documents: the same for all, within what each must give and has."""

    def quotas_at(level: int) -> list[int]:
        return [max(least, min(size, level)) for size, least in zip(sizes, minima, strict=True)]

    levels = range(max(sizes, default=0) + 1)
    level = max(bisect_right(levels, n, key=lambda level: sum(quotas_at(level))) - 1, 0)
    quotas = quotas_at(level)
    larger = (i for i, size in enumerate(sizes) if size > level >= minima[i])
    for i in heapq.nsmallest(n - sum(quotas), larger, key=lambda i: hashes[i]):
        quotas[i] += 1
    return quotas


def _choose(candidates: Sequence[Candidate], document: Iterable[int], quota: int, number: int) -> list[int]:
    """Choose questions of one document: one at each place, then a second one at each, and so on."""
    document = list(document)
    chosen = [index for index in document if candidates[index].must_stay]
    by_place: defaultdict[int, list[int]] = defaultdict(list)
    for index in document:
        if not candidates[index].must_stay:
            by_place[candidates[index].start_char].append(index)
    places = [_Place(candidates, by_place[start]) for start in sorted(by_place)]
    words = Counter(_question_word(candidates[index]) for index in chosen)
    difficulties = Counter(rank_range(candidates[index].rank) for index in chosen)
    while len(chosen) < quota:
        n_left = quota - len(chosen)
        for place in places if n_left >= len(places) else _spread(places, n_left, number):
            chosen.append(place.take(words, difficulties))
        places = [place for place in places if place.kinds]
    return chosen


def _spread(places: Sequence[_Place], n: int, number: int) -> list[_Place]:
    """Return n places at equal distances; the number decides where the first one is."""
    phase = number % (1 << _PHASE_BITS)
    return [places[((i << _PHASE_BITS) + phase) * len(places) // (n << _PHASE_BITS)] for i in range(n)]


class _Place:
    """The questions of one passage that are not chosen yet."""

    def __init__(self, candidates: Sequence[Candidate], indices: Iterable[int]) -> None:
        self._candidates = candidates
        self.kinds: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        """The indices by question word and difficulty, the best score last."""
        for index in sorted(indices, key=self._order, reverse=True):
            self.kinds[_question_word(candidates[index]), rank_range(candidates[index].rank)].append(index)

    def take(self, words: Counter[str], difficulties: Counter[str]) -> int:
        """Take the question whose word and difficulty were taken least often, and count them."""
        kind = min(
            self.kinds,
            key=lambda kind: (words[kind[0]], difficulties[kind[1]], self._order(self.kinds[kind][-1])),
        )
        words[kind[0]] += 1
        difficulties[kind[1]] += 1
        index = self.kinds[kind].pop()
        if not self.kinds[kind]:
            del self.kinds[kind]
        return index

    def _order(self, index: int) -> tuple[float, str]:
        candidate = self._candidates[index]
        return -candidate.score, candidate.question_id


def _question_word(candidate: Candidate) -> str:
    found = _QUESTION_WORD.search(candidate.question)
    return found[0].casefold() if found else "other"
