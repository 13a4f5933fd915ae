"""Exact and near duplicates among questions; the better-scored one stays.

Near duplicates are found without comparing all with all: whatever two of them have to
have in common makes a key, and only questions under the same key are compared. Nothing
is missed by that, and a million questions take seconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from rapidfuzz import fuzz, process

from qgbatch.settings import DedupeMethod

# Marks inside words make other words of them ("C#", "C++", "50 %"), so they stay in keys.
_MEANINGFUL = frozenset("#%&@*/\\")
# Words whose presence or form leaves a question the same; question words and "not" do not.
_FUNCTION_WORDS = {
    "a", "an", "the", "in", "on", "at", "of", "to", "by", "for",
    "from", "with", "as", "and", "or", "is", "are", "was", "were", "be",
    "been", "being", "do", "does", "did", "has", "have", "had", "it", "its",
    "this", "that", "these", "those", "there",
}  # fmt: skip
_STEM_CHARS = 4
"""What is shorter is no stem: "c" and "c++", "car" and "care"."""
_WORD = re.compile(r"\w+(?:[.,]\d+)*")


def find_duplicates(
    questions: Sequence[str], scores: Sequence[float], method: DedupeMethod, near_threshold: float
) -> dict[int, str]:
    """Indices of the questions to drop, each with its reason: ``duplicate`` or ``near_duplicate``.

    Questions are taken from the best score to the worst, the first one on a tie, and
    dropped when one that is kept is equal (same key) or near: both keys differ by ``d``
    insertions and deletions with ``1 - d / (len + len) >= near_threshold``, both have the
    same numbers and names, and no word differs but function words and endings
    (:func:`differ_in_meaning`). Takes linear time, but for questions of the very same
    content words.
    """
    if method == "none":
        return {}
    dropped: dict[int, str] = {}
    seen: set[str] = set()
    kept: defaultdict[bytes, list[str]] = defaultdict(list)
    for index in sorted(range(len(questions)), key=lambda i: (-scores[i], i)):
        key = question_key(questions[index])
        if key in seen:
            dropped[index] = "duplicate"
            continue
        if method == "near":
            rivals = kept[_near_key(questions[index], key)]
            if rivals and _is_near(key, rivals, near_threshold):
                dropped[index] = "near_duplicate"
                continue
            rivals.append(key)
        seen.add(key)
    return dropped


def _is_near(key: str, rivals: Sequence[str], threshold: float) -> bool:
    alike = process.extract(key, rivals, scorer=fuzz.ratio, score_cutoff=100 * threshold, limit=None)
    return any(not differ_in_meaning(key, rival) for rival, _, _ in alike)


def question_key(question: str) -> str:
    """What exact duplicates share: casefolded, NFKC, single spaces, no punctuation.

    Marks that make another word (``C#``, ``and/or``, ``50 %``) are no punctuation here.

    >>> question_key("Who  wrote “Faust”?") == question_key("who wrote Faust ?")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", question).casefold())
    return " ".join(folded.translate(_KEY_CHARS).split())


class _KeyChars(dict[int, str]):
    """What a character becomes in a key, found out when it is first seen; for ``str.translate``."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        is_punctuation = unicodedata.category(char).startswith("P") and char not in _MEANINGFUL
        self[code] = " " if is_punctuation else char
        return self[code]


_KEY_CHARS = _KeyChars()


def numbers_and_names(question: str) -> tuple[str, ...]:
    """What questions that read alike may yet differ in: words with a digit or a capital.

    The first word always has a capital, so it does not count.

    >>> numbers_and_names("When did James Cook reach Tahiti in 1769?")
    ('1769', 'cook', 'james', 'tahiti')
    """
    words = _WORD.findall(question)
    naming = [w for i, w in enumerate(words) if (i and w[0].isupper()) or _has_digit(w)]
    return tuple(sorted(word.casefold() for word in naming))


def _has_digit(word: str) -> bool:
    return not word.isalpha() and any(map(str.isdigit, word))


def differ_in_meaning(key: str, other: str) -> bool:
    """Whether two keys differ in more than function words and endings.

    >>> differ_in_meaning("what year was the tower built in", "in what year was the tower built")
    False
    >>> differ_in_meaning("when was the tower built", "where was the tower built")
    True
    """
    words, others = set(key.split()), set(other.split())
    ours, theirs = words - others - _FUNCTION_WORDS, others - words - _FUNCTION_WORDS
    return any(not _has_inflection(word, theirs) for word in ours) or any(
        not _has_inflection(word, ours) for word in theirs
    )


def _has_inflection(word: str, others: set[str]) -> bool:
    """Whether one is the other with an ending: ``tower`` and ``towers``, but not ``c`` and ``c++``."""
    return any(
        min(len(word), len(other)) >= _STEM_CHARS and (word.startswith(other) or other.startswith(word))
        for other in others
    )


def _near_key(question: str, key: str) -> bytes:
    """What all near duplicates share: numbers, names and the beginnings of content words.

    A content word that only one of two has must be the other's with an ending, so both
    begin alike. Hashed, as there is one in memory for each question.
    """
    stems = {word[:_STEM_CHARS] for word in key.split() if word not in _FUNCTION_WORDS}
    shared = "\0".join([*numbers_and_names(question), "", *sorted(stems)])
    return blake2b(shared.encode(), digest_size=16).digest()
