"""Finds exact and near duplicates among questions and keeps the one with the best score.

Near duplicates have the same words in the same order, except that one may be in the plural, have an
article, or begin with a phrase that the other ends with. All other differences, such as a swapped
subject and object, a tense, a preposition or a negation, can change the answer
(``python benchmarks/near_duplicates.py`` measures this on labelled pairs). Only questions with equal
words are compared, so a million questions take seconds (``python benchmarks/dedupe.py``).
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

_DASH = re.compile("[\u2010-\u2013\u2212]")
_RAISED = re.compile(r"[\u00b2\u00b3\u00b9\u2070-\u209c\u00bc-\u00be\u2150-\u215e](?<=\d.)")
"""A raised or lowered character or a fraction after a digit, which NFKC would join to the number."""
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
_MARK = re.compile(r"[^\w\s]")
_MEANINGFUL_MARK = re.compile(
    rf"""[#%&@*/\\\u2030\u2031\u2032\u00a7]                # C#, 50 %, 5 permille, 5', and/or
    | (?<=\d)[^\w\s](?=\d)                             # 3.5, 10:30, 2019-2020
    | (?<![\w.-])(?:--?|\.)(?=\w)                       # -5, --all, .5, .NET
    | (?<=\w)-(?![\w-])                                # A-
    | (?<=\d)!                                         # 5!
    | [!:-](?=[=>]) | (?<=<)-                           # !=, :=, ->, <-
    | (?<=[{_QUOTES}])[^\w\s{_QUOTES}](?=[{_QUOTES}])   # ";"
    """,
    re.VERBOSE,
)

_ARTICLES = {"a", "an", "the"}
_QUESTION_WORDS = {"who", "what", "whose", "when", "where", "why", "how"}
_FORMS = {
    "which": "what", "whom": "who", "are": "is", "were": "was", "does": "do", "have": "has", "their": "its",
}  # fmt: skip
"""Words that differ in number or case only."""
_MIN_SINGULAR = 4
"""Minimum length of a singular, which keeps "new" and "news" apart."""


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
    question is dropped if a question that was kept has the same key, or is a near duplicate: both
    have the same words in :func:`near_form`, and their texts in it differ by ``d`` insertions and
    deletions, with ``1 - d / (sum of their lengths) >= near_threshold``.

    The time grows linearly with the number of questions, and quadratically within a group of the
    same words.

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
    groups: defaultdict[bytes, tuple[list[str], list[int]]] = defaultdict(lambda: ([], []))
    for index in sorted(range(len(questions)), key=lambda i: (-scores[i], i)):
        key = question_key(questions[index])
        if key in kept:
            dropped[index] = Duplicate("duplicate", kept[key])
            continue
        if method == "near":
            text, words = near_form(questions[index])
            texts, indices = groups[blake2b("\0".join(words).encode(), digest_size=16).digest()]
            found = process.extractOne(text, texts, scorer=fuzz.ratio, score_cutoff=100 * near_threshold)
            if found:
                dropped[index] = Duplicate("near_duplicate", indices[found[2]])
                continue
            texts.append(text)
            indices.append(index)
        kept[key] = index
    return dropped


def group_duplicates(duplicates: Mapping[int, Duplicate]) -> dict[int, list[int]]:
    """Return the indices of the dropped questions, in order, by the index of the question that is kept."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in sorted(duplicates):
        groups[duplicates[index].kept].append(index)
    return groups


def question_key(question: str) -> str:
    """Return the key of a question, which is equal for exact duplicates.

    The key is casefolded and NFKC-normalized, without punctuation and extra spaces. Signs and marks
    that change the meaning (``-5``, ``.5``, ``C#``, ``__init__``, ``50 %``) stay.

    >>> question_key("Who  wrote “Faust”?") == question_key("who wrote Faust ?")
    True
    """
    return unicodedata.normalize("NFKC", _plain(question).casefold())


def _plain(question: str) -> str:
    """Return a question in NFKC, without extra spaces and without marks that do not change the meaning."""
    raised = _RAISED.sub(lambda match: f"{unicodedata.decomposition(match[0])} ", question)
    text = _DASH.sub("-", unicodedata.normalize("NFKC", raised))
    return " ".join(_MARK.sub(_blank_mark, text).split())


def _blank_mark(match: re.Match[str]) -> str:
    """Return a space for punctuation that does not change the meaning; symbols and combining marks stay."""
    is_punctuation = unicodedata.category(match[0]).startswith("P")
    is_meaningful = not is_punctuation or _MEANINGFUL_MARK.match(match.string, match.start())
    return match[0] if is_meaningful else " "


def near_form(question: str) -> tuple[str, tuple[str, ...]]:
    """Return a question in one order, and its words in one form, which are equal for near duplicates.

    It begins with its question word, and what was before that is at the end. The words are in the singular
    and have no articles. Names keep their ending, and a capital letter in a question is no article.

    >>> near_form("In which years were the towers built?")
    ('what years was the towers built in', ('what', 'year', 'was', 'tower', 'built', 'in'))
    """
    plain = _plain(question).split()
    words = [(_in_one_form(word), index > 0 and word[0].isupper()) for index, word in enumerate(plain)]
    start = next((i for i, (word, _) in enumerate(words) if word in _QUESTION_WORDS), 0)
    words = words[start:] + words[:start]
    content = (
        word if is_name else _singular(word) for word, is_name in words if is_name or word not in _ARTICLES
    )
    return " ".join(word for word, _ in words), tuple(content)


def _in_one_form(word: str) -> str:
    folded = word.casefold()
    return _FORMS.get(folded, folded)


def _singular(word: str) -> str:
    """Return the singular of a regular plural, or the verb of one in the third person."""
    for ending, singular in (("ies", "y"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(ending):
            return word.removesuffix(ending) + singular
    is_plural = word.endswith("s") and not word.endswith(("ss", "us", "is")) and word.isalpha()
    return word[:-1] if is_plural and len(word) > _MIN_SINGULAR else word
