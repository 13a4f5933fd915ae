"""Filters questions by score, form, independence of their text, and grounding in it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from itertools import filterfalse
from typing import Protocol, TypeVar

from qgbatch.questions.copying import count_copied_words
from qgbatch.questions.form import is_well_formed_english
from qgbatch.questions.review import is_kept, priority
from qgbatch.questions.standalone import is_standalone
from qgbatch.questions.words import WORD, content_words
from qgbatch.records import Question, Review
from qgbatch.settings import Settings


def filter_questions(
    questions: Iterable[Question], settings: Settings, min_score: float | None, dropped: Counter[str]
) -> list[Question]:
    """Return the questions that pass all filters, in order, and count the others by reason.

    The reasons are ``low_score``, ``unanswered``, ``malformed``, ``not_standalone``, ``copied`` and
    ``not_grounded``.

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
    def review(self) -> Review | None:
        """What a reader decided about it."""

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

    On a tie, the first ones are kept. What a reader kept stays, also beyond the maximum.
    """
    if maximum is None:
        return list(questions)
    n_kept: Counter[Hashable] = Counter()
    kept = set()
    for question in sorted(questions, key=lambda question: -priority(question.score, question.review)):
        n_kept[question.chunk] += 1
        if n_kept[question.chunk] <= maximum or is_kept(question.review):
            kept.add(id(question))
    dropped["too_many"] += len(questions) - len(kept)
    return [question for question in questions if id(question) in kept]


def drop_alternatives(questions: Iterable[AnyQuestion], dropped: Counter[str]) -> list[AnyQuestion]:
    """Return the best question per answer of each chunk; count the others as ``same_answer``.

    A model that writes several outputs per chunk asks for the same fact in several ways. Two
    questions have the same answer if the places of their answers overlap. What a reader kept stays.
    """
    taken: dict[Hashable, list[tuple[int, int]]] = {}
    kept = set()
    questions = list(questions)
    for question in sorted(questions, key=lambda question: -priority(question.score, question.review)):
        start = question.answer_start_char
        if start is not None and question.answer is not None:
            end = start + len(question.answer)
            spans = taken.setdefault(question.chunk, [])
            overlaps = any(start < other_end and other_start < end for other_start, other_end in spans)
            if overlaps and not is_kept(question.review):
                dropped["same_answer"] += 1
                continue
            spans.append((start, end))
        kept.add(id(question))
    return [question for question in questions if id(question) in kept]


def _reason_to_drop(question: Question, settings: Settings, min_score: float | None) -> str | None:
    """Return why a question is dropped, or ``None`` to keep it, as if a reader has decided about it."""
    if question.review:
        return None
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
    if settings.max_copied_words is not None:
        n_copied = count_copied_words(question.question, question.chunk.text)
        if n_copied > settings.max_copied_words:
            return "copied"
    if settings.min_grounding is not None:
        share = grounding(question.question, question.chunk.text, settings.language)
        if share < settings.min_grounding:
            return "not_grounded"
    return None


def grounding(question: str, text: str, language: str) -> float:
    """Return the share of a question's content words, names and numbers that occur in the text.

    Words are compared by their stems if nltk has a stemmer for the language, without accents, soft
    hyphens and differences between Unicode's forms of a character. A compound is found in parts, and
    "textbook" as "text-book". The share is from 0 to 1, and 0 for a question without content words.

    >>> grounding("Who built the towers of Rome?", "The tower was built in Paris.", "english")
    0.6666666666666666
    """
    stem = _stemmer(language)
    known = {stem(form) for word in WORD.findall(_fold(text)) for form in [_joined(word), *_parts(word)]}
    asked = content_words(_fold(question))
    n_found = sum(
        stem(_joined(word)) in known or all(stem(part) in known for part in _parts(word)) for word in asked
    )
    return n_found / len(asked) if asked else 0.0


_SOFT_HYPHEN = re.compile("\u00ad\\s*")
_IGNORED = dict.fromkeys(map(ord, "\u200c\u200d\u200e\u200f\u2060\ufeff"))
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_JOINT = re.compile(r"-|(?<!\d)[.,]|[.,](?!\d)")


def _fold(text: str) -> str:
    """Return a text with one form for what Unicode writes in several ways."""
    text = _SOFT_HYPHEN.sub("", text).translate(_IGNORED).translate(_HYPHENS)
    return _THOUSANDS.sub("", unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def _joined(word: str) -> str:
    return _JOINT.sub("", word)


def _parts(word: str) -> list[str]:
    return _JOINT.split(word)


@lru_cache(maxsize=1)
def _stemmer(language: str) -> Callable[[str], str]:
    """Return a function that stems casefolded words; without a stemmer it only removes accents."""
    from nltk.stem.snowball import SnowballStemmer  # importing nltk takes seconds

    def without_accents(word: str) -> str:
        return "".join(filterfalse(unicodedata.combining, unicodedata.normalize("NFKD", word)))

    if language not in SnowballStemmer.languages:
        return lru_cache(maxsize=1 << 16)(without_accents)
    stem = SnowballStemmer(language).stem
    apostrophes = str.maketrans("", "", "\u2019'")
    return lru_cache(maxsize=1 << 16)(
        lambda word: without_accents(stem(word.removesuffix("'s").translate(apostrophes)))
    )
