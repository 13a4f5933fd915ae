"""Exact and near duplicates among questions; the better-scored one stays."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache

from rapidfuzz import fuzz, process

from qgbatch.settings import DedupeMethod

# Marks inside words make other words of them ("C#", "C++", "50 %"), so they stay in keys.
_MEANINGFUL = frozenset("#%&@*/\\")
_NUMBER = re.compile(r"\d+")


def find_duplicates(
    questions: Sequence[str], scores: Sequence[float], method: DedupeMethod, near_threshold: float
) -> dict[int, str]:
    """Indices of the questions to drop, each with its reason: ``duplicate`` or ``near_duplicate``.

    Questions are taken from the best score to the worst, the first one on a tie, and
    dropped when one that is kept is equal (same key) or similar: ``1 - d / (len + len)``
    of both keys with ``d`` insertions and deletions reaches ``near_threshold`` and both
    name the same numbers. Exact takes linear time; near compares each question with all
    kept ones that name the same numbers.
    """
    if method == "none":
        return {}
    dropped: dict[int, str] = {}
    seen: set[str] = set()
    is_near_kept = _near_matcher(near_threshold) if method == "near" else None
    for index in sorted(range(len(questions)), key=lambda i: (-scores[i], i)):
        key = question_key(questions[index])
        if key in seen:
            dropped[index] = "duplicate"
        elif is_near_kept and is_near_kept(key):
            dropped[index] = "near_duplicate"
        seen.add(key)
    return dropped


def question_key(question: str) -> str:
    """What exact duplicates share: casefolded, NFKC, no punctuation, single spaces.

    >>> question_key("Who  wrote “Faust”?") == question_key("who wrote Faust ?")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", question).casefold())
    return " ".join("".join(map(_key_char, folded)).split())


@lru_cache(maxsize=4096)
def _key_char(char: str) -> str:
    is_punctuation = unicodedata.category(char).startswith("P") and char not in _MEANINGFUL
    return " " if is_punctuation else char


def _near_matcher(threshold: float) -> Callable[[str], bool]:
    """A function that says whether a key is near an earlier one, and else remembers it."""
    kept: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)

    def is_near_kept(key: str) -> bool:
        rivals = kept[tuple(sorted(_NUMBER.findall(key)))]
        if process.extractOne(key, rivals, scorer=fuzz.ratio, score_cutoff=100 * threshold):
            return True
        rivals.append(key)
        return False

    return is_near_kept
