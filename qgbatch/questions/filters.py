"""Filters that users can choose: minimum score, well formed, standalone, and grounded in the chunk.

The rules for well-formed and standalone questions are for English. In doubt they keep a question.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from qgbatch.records import Chunk, Question
from qgbatch.settings import Settings

_ASKING = {"who", "whom", "whose", "what", "which", "when", "where", "why", "how"}
_AUXILIARIES = {
    "is", "are", "was", "were", "am", "do", "does", "did", "has", "have", "had", "can",
    "could", "will", "would", "shall", "should", "may", "might", "must",
}  # fmt: skip
_FUNCTION_WORDS = {
    *_ASKING, *_AUXILIARIES,
    "a", "an", "the", "this", "that", "these", "those", "there", "it", "its", "he", "she",
    "they", "his", "her", "their", "him", "them", "in", "on", "at", "of", "to", "by", "for",
    "from", "with", "as", "and", "or", "not", "than", "into", "about", "be", "been", "being",
    "name", "type", "kind", "many", "much", "long", "year", "date", "term", "called", "used",
}  # fmt: skip
"""Words that say nothing about the subject of a question."""
_MIN_WORDS = 3
_REPEATED_WORDS = 4
"""Length of a repeated run of words that counts as a stutter. People repeat runs of three words in long
questions ("the demand for"), but hardly ever of four."""
_WORD = re.compile(r"\w+(?:['\u2019.,-]\w+)*")
_PAIRS = (("(", ")"), ("[", "]"), ("\u201c", "\u201d"))

_THE_TEXT = re.compile(
    r"\bthe (?:\w+ )?(?:passage|text|article|paper|paragraph|document|excerpt|authors?|writer)\b(?! of\b)"
    r"|\b(?:this|these)\b|\bthose\b(?! (?:who|that|with|of|in)\b)"
    r"|\baccording to the\b|\b(?:mentioned|described|listed|stated|shown|discussed|above|below) ?\?"
    r"|\b(?:mentioned|described|listed|stated|shown|discussed) (?:above|below|here)\b"
    r"|\bthe (?:following|former|latter|above|aforementioned)\b",
    re.IGNORECASE,
)
_AUXILIARY = "|".join(sorted(_AUXILIARIES))
_SUBJECT = re.compile(rf"\b(?:{_AUXILIARY})(?:n['\u2019]t)? (?:he|she|it|they|we|i|you)\b", re.IGNORECASE)
_NOBODY = re.compile(
    r"\bit (?:take|cost|mean|rain|snow|possible|impossible|important|necessary|difficult|hard|easy|common"
    r"|better|best|worth|true|safe|legal|illegal|called when|clear|likely|unlikely|said|believed|known"
    r"|thought)\b|\b(?:can|do|should|could|would|may|must|will|did) (?:we|you|i)\b",
    re.IGNORECASE,
)
"""Pronouns that refer to nobody, such as in "does it rain" or "can you"."""
_POSSESSIVE = re.compile(r"\b(?:his|her|their|its|my|our|your)\b", re.IGNORECASE)


def filter_questions(
    questions: Iterable[Question], settings: Settings, dropped: Counter[str]
) -> list[Question]:
    """Return the questions that pass, in order, and count the others by reason.

    The reasons are ``low_score``, ``malformed``, ``not_standalone`` and ``not_grounded``.
    """
    kept = []
    for question in questions:
        if reason := _reason_to_drop(question, settings):
            dropped[reason] += 1
        else:
            kept.append(question)
    return kept


def limit_per_chunk(
    questions: Sequence[Question], limit: int | None, dropped: Counter[str]
) -> list[Question]:
    """Return the first ``limit`` questions of each chunk, and count the others as ``too_many``."""
    if limit is None:
        return list(questions)
    seen: Counter[Chunk] = Counter()
    kept = []
    for question in questions:
        seen[question.chunk] += 1
        if seen[question.chunk] <= limit:
            kept.append(question)
    dropped["too_many"] += len(questions) - len(kept)
    return kept


def _reason_to_drop(question: Question, settings: Settings) -> str | None:
    if settings.min_score is not None and question.score < settings.min_score:
        return "low_score"
    if settings.well_formed and not is_well_formed_english(question.question):
        return "malformed"
    if settings.standalone and not is_standalone(question.question):
        return "not_standalone"
    minimum = settings.min_grounding
    if (
        minimum is not None
        and grounding(question.question, question.chunk.text, settings.language) < minimum
    ):
        return "not_grounded"
    return None


def is_well_formed_english(question: str) -> bool:
    """Whether a text has the form of one English question.

    It must have at least three words, a question word anywhere or an auxiliary at the beginning,
    exactly one question mark, at the end, and balanced brackets and quotes. It must not repeat a
    word directly, or a run of four words.

    >>> is_well_formed_english("In what year was the tower built?")
    True
    >>> is_well_formed_english("The tower of the tower of the tower of?")
    False
    """
    words = [word.casefold() for word in _WORD.findall(question)]
    if len(words) < _MIN_WORDS or not question.endswith("?") or question.count("?") > 1:
        return False
    asks = any(word.partition("'")[0].partition("\u2019")[0] in _ASKING for word in words)
    if words[0] not in _AUXILIARIES and not asks:
        return False
    if question.count('"') % 2 or any(question.count(a) != question.count(b) for a, b in _PAIRS):
        return False
    runs = [tuple(words[i : i + _REPEATED_WORDS]) for i in range(len(words) - _REPEATED_WORDS + 1)]
    return len(set(runs)) == len(runs) and not any(a == b for a, b in pairwise(words))


def is_standalone(question: str) -> bool:
    """Whether a question can be understood without the text that it asks about.

    It cannot if it refers to the text ("the passage", "this paper"), or if it contains a pronoun
    for someone or something that it does not name.

    >>> is_standalone("When was Marie Curie born?"), is_standalone("When was she born?")
    (True, False)
    """
    if _THE_TEXT.search(question):
        return False
    subject = _SUBJECT.search(question)
    if subject and not _NOBODY.search(question[subject.start() :]):
        return _names_someone(question[: subject.start()])
    possessive = _POSSESSIVE.search(question)
    return not possessive or bool(_content_words(question[: possessive.start()]))


def _names_someone(text: str) -> bool:
    """Whether any word after the first has a capital letter."""
    return any(word[0].isupper() for word in _WORD.findall(text)[1:])


def grounding(question: str, text: str, language: str) -> float:
    """Return the share of a question's content words, names and numbers that the text contains, 0 to 1.

    Words are compared by their stems if nltk has a stemmer for the language. A question without
    content words has the share 0.

    >>> grounding("Who built the towers of Rome?", "The tower was built in Paris.", "english")
    0.6666666666666666
    """
    stem = _stemmer(language)
    asked = [stem(word) for word in _content_words(question)]
    there = {stem(word.casefold()) for word in _WORD.findall(text)}
    return sum(word in there for word in asked) / len(asked) if asked else 0.0


def _content_words(text: str) -> list[str]:
    words = (word.casefold() for word in _WORD.findall(text))
    return [word for word in words if word not in _FUNCTION_WORDS]


@lru_cache(maxsize=1)
def _stemmer(language: str) -> Callable[[str], str]:
    from nltk.stem.snowball import SnowballStemmer  # nltk takes seconds

    if language not in SnowballStemmer.languages:
        return str
    stem = SnowballStemmer(language).stem
    irregular = str.maketrans("", "", "\u2019'")
    return lru_cache(maxsize=1 << 16)(lambda word: str(stem(word.removesuffix("'s").translate(irregular))))
