"""Finds exact and near duplicates among questions; of two duplicates the better-scored one stays.

Everything that two near duplicates must have in common forms a key, and only questions with
the same key are compared. This misses no pair, and a million questions take seconds
(``python benchmarks/dedupe.py``).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from rapidfuzz import fuzz, process

from qgbatch.settings import DedupeMethod

# These marks change the meaning of a word ("C#", "C++", "50 %"), so they stay in keys.
_MEANINGFUL = frozenset("#%&@*/\\")
# Adding or changing these words does not change what a question asks. Question words and "not" do.
_FUNCTION_WORDS = {
    "a", "an", "the", "in", "on", "at", "of", "to", "by", "for",
    "from", "with", "as", "and", "or", "is", "are", "was", "were", "be",
    "been", "being", "do", "does", "did", "has", "have", "had", "it", "its",
    "this", "that", "these", "those", "there",
}  # fmt: skip
_STEM_CHARS = 4
"""Minimum length of a stem. Shorter words may differ: "c" and "c++", "car" and "care"."""
_WORD = re.compile(r"\w+(?:[.,]\d+)*")


def find_duplicates(
    questions: Sequence[str], scores: Sequence[float], method: DedupeMethod, near_threshold: float
) -> dict[int, str]:
    """Find the questions to drop, best score first; of equal scores the first question stays.

    A question is a duplicate if a kept question has the same key. It is a near duplicate if a
    kept question has the same numbers and names, differs only in function words and endings
    (:func:`differ_in_meaning`), and both keys differ by ``d`` insertions and deletions with
    ``1 - d / (len + len) >= near_threshold``. The time is linear, except among questions with
    the same content words.

    Returns:
        The index of each question to drop, with ``duplicate`` or ``near_duplicate``.
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
    """Return the key that exact duplicates share: casefolded, NFKC, single spaces, no punctuation.

    Marks that change the meaning of a word (``C#``, ``and/or``, ``50 %``) stay.

    >>> question_key("Who  wrote “Faust”?") == question_key("who wrote Faust ?")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", question).casefold())
    return " ".join(folded.translate(_KEY_CHARS).split())


class _KeyChars(dict[int, str]):
    """The replacement of each character in a key, computed when it is first seen; for ``str.translate``."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        is_punctuation = unicodedata.category(char).startswith("P") and char not in _MEANINGFUL
        self[code] = " " if is_punctuation else char
        return self[code]


_KEY_CHARS = _KeyChars()


def numbers_and_names(question: str) -> tuple[str, ...]:
    """Return the words with a digit or a capital letter, in which similar questions may differ.

    The first word of a question always has a capital letter, so it only counts with a digit.

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
    """Whether one word is another with an ending: ``tower`` and ``towers``, but not ``c`` and ``c++``."""
    return any(
        min(len(word), len(other)) >= _STEM_CHARS and (word.startswith(other) or other.startswith(word))
        for other in others
    )


def _near_key(question: str, key: str) -> bytes:
    """Return the key that near duplicates share: numbers, names and the stems of content words.

    Near duplicates have the same content words except for endings, so their stems are equal.
    The key is hashed because memory holds one per question.
    """
    stems = {word[:_STEM_CHARS] for word in key.split() if word not in _FUNCTION_WORDS}
    shared = "\0".join([*numbers_and_names(question), "", *sorted(stems)])
    return blake2b(shared.encode(), digest_size=16).digest()
