"""Estimates how likely a reader finds a question and its answer good.

The ranker is a logistic regression over a few features. It was fitted on questions that readers
marked (``models/recipe``), and a checkpoint carries its weights in ``ranker.json``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import RANKER
from qgbatch.models.validation import read_json, short_repr
from qgbatch.questions.copying import WORD, longest_run
from qgbatch.questions.form import is_well_formed_english
from qgbatch.questions.standalone import is_standalone
from qgbatch.questions.words import content_words
from qgbatch.records import SCORE_DECIMALS, Question

_MIN_LOG_PROBABILITY = -8.0
"""Questions and answers that are less likely than this are all bad."""
_MIN_SUM = -30.0
_MAX_NAMES = 3
_CHARS_BEFORE = 500
"""Names may come from so many characters before the chunk, about what the model reads of them."""
_NAME_OR_NUMBER = re.compile(r"[A-Za-z][\w'\u2019.-]*|\d[\d,.]*")
_POSSESSIVE = re.compile(r"['\u2019]s$")
_SENTENCE_END = re.compile(r"[.!?][\"'\u201d\u2019)]*\s+|\n\s*\n")
_PRONOUN = re.compile(
    r"\b(?:he|she|they|it|him|her|his|their|its|them|this|these|those|we|i|you|my|our|your)\b",
    re.IGNORECASE,
)
_QUESTION_WORDS = ("how many", "how", "what", "when", "where", "which", "who", "why")


def _log_probability(name: str) -> Callable[[Question], float]:
    """Return the feature for a field of :class:`PairScore`."""

    def feature(question: Question) -> float:
        value: float = getattr(question.pair_score, name) if question.pair_score else -math.inf
        return max(value, _MIN_LOG_PROBABILITY)

    return feature


def _copied_share(question: Question) -> float:
    """Return the longest run of words copied from the chunk, as a share of the question's words."""
    words = WORD.findall(question.question.casefold())
    return longest_run(words, question.chunk.text) / len(words) if words else 0.0


def _known_share(question: Question) -> float:
    """Return the share of the question's content words that occur in the chunk."""
    asked = content_words(question.question)
    known = {word[:_STEM_CHARS] for word in content_words(question.chunk.text)}
    return sum(word[:_STEM_CHARS] in known for word in asked) / len(asked) if asked else 0.0


def _repeated_share(question: Question) -> float:
    """Return the share of the answer's content words that occur in the question."""
    told, asked = content_words(question.answer or ""), set(content_words(question.question))
    return sum(word in asked for word in told) / len(told) if told else 1.0


_STEM_CHARS = 6
"""Words with the same first letters count as forms of one word."""


def _names(question: Question) -> list[str]:
    """Return the names and numbers of the question after its first word, in lower case."""
    words = _NAME_OR_NUMBER.findall(question.question)[1:]
    return [
        _POSSESSIVE.sub("", word).strip(".,").casefold()
        for word in words
        if word[0].isupper() or word[0].isdigit()
    ]


def _names_not_in_chunk(question: Question) -> float:
    text = question.chunk.text.casefold()
    return float(min(sum(name not in text for name in _names(question)), _MAX_NAMES))


def _unknown_names(question: Question) -> float:
    """Return the number of names that are neither in the chunk nor just before it."""
    chunk = question.chunk
    start = max(0, chunk.start_char - _CHARS_BEFORE)
    text = chunk.document.text[start : chunk.end_char].casefold()
    return float(min(sum(name not in text for name in _names(question)), _MAX_NAMES))


def _sentence_share(question: Question) -> float:
    """Return the share of the question's content words that the sentence of the answer contains."""
    text = question.chunk.text
    place = max(0, text.find(question.answer or ""))
    start = max((match.end() for match in _SENTENCE_END.finditer(text, 0, place)), default=0)
    end = _SENTENCE_END.search(text, place + len(question.answer or ""))
    told = {word[:_STEM_CHARS] for word in content_words(text[start : end.start() if end else len(text)])}
    asked = {word[:_STEM_CHARS] for word in content_words(question.question)}
    return len(asked & told) / len(asked) if asked else 0.0


def _log_probability_sum(question: Question) -> float:
    """Return the log-probability of the whole question, estimated from its words."""
    mean = _log_probability("question")(question)
    return max(mean * len(question.question.split()), _MIN_SUM) / 10


def _begins_with(word: str) -> Callable[[Question], float]:
    others = [other for other in _QUESTION_WORDS if other.startswith(word) and other != word]

    def feature(question: Question) -> float:
        text = question.question.casefold()
        return float(text.startswith(word) and not any(map(text.startswith, others)))

    return feature


FEATURES: Mapping[str, Callable[[Question], float]] = {
    "question_log_probability": _log_probability("question"),
    "answer_log_probability": _log_probability("answer"),
    "question_low": _log_probability("question_low"),
    "answer_low": _log_probability("answer_low"),
    "log_probability_sum": _log_probability_sum,
    "question_words": lambda q: min(len(q.question.split()), 20) / 10,
    "answer_words": lambda q: min(len((q.answer or "").split()), 15) / 10,
    "content_words": lambda q: min(len(content_words(q.question)), 10) / 10,
    "copied_share": _copied_share,
    "known_share": _known_share,
    "sentence_share": _sentence_share,
    "names_not_in_chunk": _names_not_in_chunk,
    "unknown_names": _unknown_names,
    "repeated_share": _repeated_share,
    "has_pronoun": lambda q: float(bool(_PRONOUN.search(q.question))),
    "has_name": lambda q: float(any(word[0].isupper() for word in q.question.split()[1:])),
    "answer_has_digit": lambda q: float(any(map(str.isdigit, q.answer or ""))),
    "answer_has_name": lambda q: float(any(map(str.isupper, q.answer or ""))),
    "is_standalone": lambda q: float(is_standalone(q.question)),
    "is_well_formed": lambda q: float(is_well_formed_english(q.question)),
    "asks_for_name_of": lambda q: float("name of" in q.question),
    "starts_what_is_the": lambda q: float(q.question.startswith("What is the")),
    **{f"starts_{word.replace(' ', '_')}": _begins_with(word) for word in _QUESTION_WORDS},
}
"""The features by name, each roughly from 0 to 1 except the log-probabilities."""


@dataclass(frozen=True, slots=True)
class Ranker:
    """The weights of a ranker."""

    weights: Mapping[str, float]
    """By names of :data:`FEATURES`."""
    intercept: float
    min_score: float
    """The default minimum of the score."""

    def score(self, question: Question) -> float:
        """Return the probability, 0 to 1, that a reader finds a question and its answer good."""
        total = self.intercept + sum(
            weight * FEATURES[name](question) for name, weight in self.weights.items()
        )
        return round(1 / (1 + math.exp(min(-total, _MAX_EXPONENT))), SCORE_DECIMALS)


def load_ranker(directory: Path) -> Ranker | None:
    """Return the ranker of a checkpoint, or ``None`` if it has none.

    Raises:
        ModelError: The file is damaged, or names a feature that does not exist.
    """
    path = directory / RANKER
    if not path.exists():
        return None
    values = read_json(path)
    weights = values.pop("weights", None)
    if not isinstance(weights, dict) or set(values) != {"intercept", "min_score"}:
        raise ModelError(f"{path}: needs weights, intercept and min_score.", "Get the checkpoint again.")
    for name, value in {**weights, **values}.items():
        if type(value) not in (int, float) or not abs(value) <= _MAX_WEIGHT:
            raise ModelError(f"{path}: {name} is {short_repr(value)}.", "Get the checkpoint again.")
    if unknown := sorted(set(weights) - set(FEATURES)):
        raise ModelError(f"{path}: unknown feature {short_repr(unknown[0])}.", "Install a newer qgbatch.")
    return Ranker(weights, values["intercept"], values["min_score"])


_MAX_EXPONENT = 700.0
"""The exponential of more than 709 overflows."""
_MAX_WEIGHT = 1_000.0
"""Far above any weight of a fit; keeps the score finite."""
