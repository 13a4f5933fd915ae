"""Finds exact and near duplicates among questions and keeps the one with the best score.

Near duplicates must have the same numbers, names and word beginnings. Questions are grouped by
these, and only questions in the same group are compared. No pair is missed, and a million
questions take seconds (``python benchmarks/dedupe.py``).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from rapidfuzz import fuzz, process

from qgbatch.settings import DedupeMethod

# Punctuation that changes the meaning of a word ("C#", "and/or", "50 %"), so it stays in keys.
_MEANINGFUL_MARKS = frozenset("#%&@*/\\")
# Words that can differ between near duplicates. Question words and "not" cannot.
_FUNCTION_WORDS = {
    "a", "an", "the", "in", "on", "at", "of", "to", "by", "for",
    "from", "with", "as", "and", "or", "is", "are", "was", "were", "be",
    "been", "being", "do", "does", "did", "has", "have", "had", "it", "its",
    "this", "that", "these", "those", "there",
}  # fmt: skip
_STEM_CHARS = 4
"""Minimum length of a stem. Shorter words are compared whole: "c" and "c++", "car" and "care"."""
_WORD = re.compile(r"\w+(?:[.,]\d+)*")


class Duplicate(NamedTuple):
    """Why a question is dropped."""

    reason: str
    """``duplicate`` or ``near_duplicate``."""
    kept: int
    """Index of the question that is kept instead."""


def find_duplicates(
    questions: Sequence[str], scores: Sequence[float], method: DedupeMethod, near_threshold: float
) -> dict[int, Duplicate]:
    """Find the questions to drop.

    Questions are visited from the best score to the worst, the first one first on a tie. A
    question is dropped if a question that was kept has the same key, or is a near duplicate:

    - The keys differ by ``d`` insertions and deletions, with
      ``1 - d / (sum of their lengths) >= near_threshold``.
    - Both have the same numbers and names.
    - They only differ in function words and word endings (:func:`differ_in_meaning`).

    The time grows linearly with the number of questions, and quadratically within a group that
    shares its content words.

    Args:
        questions: The texts.
        scores: One score per question; higher is better.
        method: ``none``, ``exact`` or ``near``.
        near_threshold: Minimum similarity of near duplicates, 0 to 1.

    Returns:
        The reason and the question that is kept instead, by index of each question to drop.
    """
    if method == "none":
        return {}
    dropped: dict[int, Duplicate] = {}
    kept: dict[str, int] = {}
    groups: defaultdict[bytes, list[str]] = defaultdict(list)
    for index in sorted(range(len(questions)), key=lambda i: (-scores[i], i)):
        key = question_key(questions[index])
        if key in kept:
            dropped[index] = Duplicate("duplicate", kept[key])
            continue
        if method == "near":
            candidates = groups[_near_group(questions[index], key)]
            similar = _find_near_duplicate(key, candidates, near_threshold) if candidates else None
            if similar is not None:
                dropped[index] = Duplicate("near_duplicate", kept[similar])
                continue
            candidates.append(key)
        kept[key] = index
    return dropped


def group_duplicates(duplicates: Mapping[int, Duplicate]) -> dict[int, list[int]]:
    """Return the indices of the dropped questions, in order, by the index of the question that is kept."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in sorted(duplicates):
        groups[duplicates[index].kept].append(index)
    return groups


def _find_near_duplicate(key: str, candidates: Sequence[str], threshold: float) -> str | None:
    """Return the candidate that is most similar to a key, of those that are near duplicates of it."""
    similar = process.extract(key, candidates, scorer=fuzz.ratio, score_cutoff=100 * threshold, limit=None)
    return next((candidate for candidate, _, _ in similar if not differ_in_meaning(key, candidate)), None)


def question_key(question: str) -> str:
    """Return the key of a question, which is equal for exact duplicates.

    The key is casefolded and NFKC-normalized, without punctuation and extra spaces. Punctuation
    that changes the meaning (``C#``, ``and/or``, ``50 %``) stays.

    >>> question_key("Who  wrote “Faust”?") == question_key("who wrote Faust ?")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", question).casefold())
    return " ".join(folded.translate(_KEY_CHARS).split())


class _KeyChars(dict[int, str]):
    """Table for ``str.translate`` that replaces punctuation, filled as characters occur."""

    def __missing__(self, code: int) -> str:
        """Return and store the replacement of a character that is not in the table yet."""
        char = chr(code)
        is_punctuation = unicodedata.category(char).startswith("P") and char not in _MEANINGFUL_MARKS
        self[code] = " " if is_punctuation else char
        return self[code]


_KEY_CHARS = _KeyChars()


def numbers_and_names(question: str) -> tuple[str, ...]:
    """Return the words with a digit or a capital letter, casefolded and sorted.

    Similar questions with different numbers or names are not duplicates. The first word of a
    question always has a capital, so only a digit counts there.

    >>> numbers_and_names("When did James Cook reach Tahiti in 1769?")
    ('1769', 'cook', 'james', 'tahiti')
    """
    words = _WORD.findall(question)
    naming = [w for i, w in enumerate(words) if (i and w[0].isupper()) or _has_digit(w)]
    return tuple(sorted(word.casefold() for word in naming))


def _has_digit(word: str) -> bool:
    return not word.isalpha() and any(map(str.isdigit, word))


def differ_in_meaning(key: str, other: str) -> bool:
    """Return whether two keys differ in more than function words and word endings.

    >>> differ_in_meaning("what year was the tower built in", "in what year was the tower built")
    False
    >>> differ_in_meaning("when was the tower built", "where was the tower built")
    True
    """
    words, others = set(key.split()), set(other.split())
    only_key, only_other = words - others - _FUNCTION_WORDS, others - words - _FUNCTION_WORDS
    return any(not _has_inflection(word, only_other) for word in only_key) or any(
        not _has_inflection(word, only_key) for word in only_other
    )


def _has_inflection(word: str, others: set[str]) -> bool:
    """Return whether a word and one of the others differ by an ending only, as ``tower`` and ``towers``."""
    return any(
        min(len(word), len(other)) >= _STEM_CHARS and (word.startswith(other) or other.startswith(word))
        for other in others
    )


def _near_group(question: str, key: str) -> bytes:
    """Return a hash that is equal for near duplicates, of numbers, names and word beginnings.

    If two near duplicates differ in a content word, one word is the other with an ending, so
    both begin alike. The hash saves memory, because one key per question is stored.
    """
    stems = {word[:_STEM_CHARS] for word in key.split() if word not in _FUNCTION_WORDS}
    shared = "\0".join([*numbers_and_names(question), "", *sorted(stems)])
    return blake2b(shared.encode(), digest_size=16).digest()
