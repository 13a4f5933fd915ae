"""Filters questions by score, form, independence of their text, and grounding in it.

The rules for form and independence are written for English. They look at the question as a
reader who has not seen the text, and keep a question in case of doubt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Protocol, TypeVar

from qgbatch.records import Question
from qgbatch.settings import Settings

_QUESTION_WORDS = {"who", "whom", "whose", "what", "which", "when", "where", "why", "how"}
_AUXILIARIES = {
    "is", "are", "was", "were", "am", "do", "does", "did", "has", "have", "had", "can",
    "could", "will", "would", "shall", "should", "may", "might", "must",
}  # fmt: skip
_FUNCTION_WORDS = {
    *_QUESTION_WORDS, *_AUXILIARIES,
    "a", "an", "the", "this", "that", "these", "those", "there", "it", "its", "he", "she",
    "they", "his", "her", "their", "him", "them", "in", "on", "at", "of", "to", "by", "for",
    "from", "with", "as", "and", "or", "not", "than", "into", "about", "be", "been", "being",
    "name", "type", "kind", "many", "much", "long", "year", "date", "term", "called", "used",
}  # fmt: skip
"""Words that occur in any question and say nothing about its topic."""
_PROSE_WORDS = {
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be",
    "by", "on", "not", "he", "his", "but", "at", "are", "this", "have", "from", "or", "had",
    "an", "they", "which", "one", "were", "all", "her", "she", "there", "would", "their", "we",
    "him", "been", "has", "when", "who", "will", "no", "more", "if", "out", "so", "its",
    "into", "than", "them", "can", "only", "other", "some", "these", "do", "any",
}  # fmt: skip
"""The most frequent words of English."""
_MIN_PROSE_WORDS = 10
_MIN_PROSE_SHARE = 0.15
_MIN_WORDS = 3
_REPEATED_WORDS = 4
"""Number of words in a row whose repetition makes a question malformed.

People repeat three words in long questions ("the demand for"), but hardly ever four.
"""
_WORD = re.compile(r"\w+(?:['\u2019.,-]\w+)*")
_BRACKETS = (("(", ")"), ("[", "]"), ("\u201c", "\u201d"))

_MENTIONS_TEXT = re.compile(
    r"\bthe (?:\w+ )?(?:passage|text|article|paper|paragraph|document|excerpt|authors?|writer)\b(?! of\b)"
    r"|\b(?:this|these)\b|\bthose\b(?! (?:who|that|with|of|in)\b)"
    r"|\baccording to the\b|\b(?:mentioned|described|listed|stated|shown|discussed|above|below) ?\?"
    r"|\b(?:mentioned|described|listed|stated|shown|discussed) (?:above|below|here)\b"
    r"|\bthe (?:following|former|latter|above|aforementioned)\b",
    re.IGNORECASE,
)
_AUXILIARY = "|".join(sorted(_AUXILIARIES))
_SUBJECT_PRONOUN = re.compile(
    rf"\b(?:{_AUXILIARY})(?:n['\u2019]t)? (?:he|she|it|they|we|i|you)\b", re.IGNORECASE
)
_IMPERSONAL = re.compile(
    r"\bit (?:take|cost|mean|rain|snow|possible|impossible|important|necessary|difficult|hard|easy|common"
    r"|better|best|worth|true|safe|legal|illegal|called when|clear|likely|unlikely|said|believed|known"
    r"|thought)\b|\b(?:can|do|should|could|would|may|must|will|did) (?:we|you|i)\b",
    re.IGNORECASE,
)
"""Phrases in which a pronoun refers to nobody, such as "it takes" and "can you"."""
_POSSESSIVE = re.compile(r"\b(?:his|her|their|its|my|our|your)\b", re.IGNORECASE)


def filter_questions(
    questions: Iterable[Question], settings: Settings, min_score: float | None, dropped: Counter[str]
) -> list[Question]:
    """Return the questions that pass all filters, in order, and count the others by reason.

    The reasons are ``low_score``, ``unanswered``, ``malformed``, ``not_standalone`` and ``not_grounded``.

    Args:
        questions: The questions to filter.
        settings: The thresholds, and which filters are on.
        min_score: Minimum score, from the settings or the model; ``None`` for no limit.
        dropped: Counts by reason, which are increased here.
    """
    kept = []
    for question in questions:
        if reason := _reason_to_drop(question, settings, min_score):
            dropped[reason] += 1
        else:
            kept.append(question)
    return kept


class ScoredQuestion(Protocol):
    """What decides which questions of a chunk are kept: a :class:`Question`, or a row of an output."""

    @property
    def chunk(self) -> Hashable:
        """Stands for the chunk; equal for the questions of one chunk."""

    @property
    def score(self) -> float:
        """Higher is better."""

    @property
    def answer(self) -> str | None:
        """The answer, if the question has one."""

    @property
    def answer_start_char(self) -> int | None:
        """Offset of the answer in the document's text, if it is there."""


AnyQuestion = TypeVar("AnyQuestion", bound=ScoredQuestion)


def limit_per_chunk(
    questions: Sequence[AnyQuestion], maximum: int | None, dropped: Counter[str]
) -> list[AnyQuestion]:
    """Return the best ``maximum`` questions of each chunk, in order; count the others as ``too_many``.

    On a tie, the first ones are kept.
    """
    if maximum is None:
        return list(questions)
    n_kept: Counter[Hashable] = Counter()
    kept = set()
    for question in sorted(questions, key=lambda question: -question.score):
        n_kept[question.chunk] += 1
        if n_kept[question.chunk] <= maximum:
            kept.add(id(question))
    dropped["too_many"] += len(questions) - len(kept)
    return [question for question in questions if id(question) in kept]


def drop_alternatives(questions: Iterable[AnyQuestion], dropped: Counter[str]) -> list[AnyQuestion]:
    """Return the best question per answer of each chunk; count the others as ``same_answer``.

    A model that writes several outputs per chunk asks for the same fact in several ways. Two
    questions have the same answer if the places of their answers overlap.
    """
    taken: dict[Hashable, list[tuple[int, int]]] = {}
    kept = set()
    questions = list(questions)
    for question in sorted(questions, key=lambda question: -question.score):
        start = question.answer_start_char
        if start is not None and question.answer is not None:
            end = start + len(question.answer)
            spans = taken.setdefault(question.chunk, [])
            if any(start < other_end and other_start < end for other_start, other_end in spans):
                dropped["same_answer"] += 1
                continue
            spans.append((start, end))
        kept.add(id(question))
    return [question for question in questions if id(question) in kept]


def is_english_prose(text: str) -> bool:
    """Return whether a text has the share of function words that English sentences have.

    Code, tables and other languages have few of them. Text of fewer than ten words is kept.
    """
    words = [word.casefold() for word in _WORD.findall(text)]
    if len(words) < _MIN_PROSE_WORDS:
        return True
    return sum(word in _PROSE_WORDS for word in words) >= _MIN_PROSE_SHARE * len(words)


def _reason_to_drop(question: Question, settings: Settings, min_score: float | None) -> str | None:
    """Return why a question is dropped, or ``None`` to keep it."""
    if min_score is not None and question.score < min_score:
        return "low_score"
    # The answers of an extractive model come later, and are checked then.
    min_answer_score = (not settings.answers and settings.min_answer_score) or 0.0
    if question.answer_score is not None and question.answer_score < min_answer_score:
        return "unanswered"
    if settings.well_formed and not is_well_formed_english(question.question):
        return "malformed"
    if settings.standalone and not is_standalone(question.question):
        return "not_standalone"
    if settings.min_grounding is not None:
        share = grounding(question.question, question.chunk.text, settings.language)
        if share < settings.min_grounding:
            return "not_grounded"
    return None


def is_well_formed_english(question: str) -> bool:
    """Return whether a text has the form of one English question.

    It must have at least three words, a question word anywhere or an auxiliary at its beginning, exactly
    one question mark, at its end, and closed brackets and quotes. It must not contain the same
    word twice in a row, or the same four words twice.

    >>> is_well_formed_english("In what year was the tower built?")
    True
    >>> is_well_formed_english("The tower of the tower of the tower of?")
    False
    """
    words = [word.casefold() for word in _WORD.findall(question)]
    if len(words) < _MIN_WORDS or not question.endswith("?") or question.count("?") > 1:
        return False
    asks = any(word.partition("'")[0].partition("\u2019")[0] in _QUESTION_WORDS for word in words)
    if words[0] not in _AUXILIARIES and not asks:
        return False
    if question.count('"') % 2 or any(question.count(a) != question.count(b) for a, b in _BRACKETS):
        return False
    runs = [tuple(words[i : i + _REPEATED_WORDS]) for i in range(len(words) - _REPEATED_WORDS + 1)]
    return len(set(runs)) == len(runs) and not any(a == b for a, b in pairwise(words))


def is_standalone(question: str) -> bool:
    """Return whether a question can be understood without its text.

    It cannot if it mentions the text ("the passage", "this paper"), or if a pronoun refers to
    someone or something that the question does not name.

    >>> is_standalone("When was Marie Curie born?"), is_standalone("When was she born?")
    (True, False)
    """
    if _MENTIONS_TEXT.search(question):
        return False
    subject = _SUBJECT_PRONOUN.search(question)
    if subject and not _IMPERSONAL.search(question[subject.start() :]):
        return _names_someone(question[: subject.start()])
    possessive = _POSSESSIVE.search(question)
    return not possessive or bool(content_words(question[: possessive.start()]))


def _names_someone(text: str) -> bool:
    """Return whether a word other than the first one starts with a capital letter."""
    return any(word[0].isupper() for word in _WORD.findall(text)[1:])


def grounding(question: str, text: str, language: str) -> float:
    """Return the share of a question's content words, names and numbers that occur in the text.

    Words are compared by their stems if nltk has a stemmer for the language. The share is from
    0 to 1, and 0 for a question without content words.

    >>> grounding("Who built the towers of Rome?", "The tower was built in Paris.", "english")
    0.6666666666666666
    """
    stem = _stemmer(language)
    question_stems = [stem(word) for word in content_words(question)]
    text_stems = {stem(word.casefold()) for word in _WORD.findall(text)}
    n_found = sum(word in text_stems for word in question_stems)
    return n_found / len(question_stems) if question_stems else 0.0


def content_words(text: str) -> list[str]:
    """Return the casefolded words of a text that are not function words, in order."""
    words = (word.casefold() for word in _WORD.findall(text))
    return [word for word in words if word not in _FUNCTION_WORDS]


@lru_cache(maxsize=1)
def _stemmer(language: str) -> Callable[[str], str]:
    """Return a function that stems casefolded words; it returns them unchanged without a stemmer."""
    from nltk.stem.snowball import SnowballStemmer  # importing nltk takes seconds

    if language not in SnowballStemmer.languages:
        return str
    stem = SnowballStemmer(language).stem
    apostrophes = str.maketrans("", "", "\u2019'")
    return lru_cache(maxsize=1 << 16)(
        lambda word: str(stem(word.removesuffix("'s").translate(apostrophes)))
    )
