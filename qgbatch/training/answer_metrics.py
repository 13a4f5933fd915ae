"""Metrics of the answers that come with generated questions."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence

from qgbatch.training.metrics import make_scorer, pair_up
from qgbatch.training.paragraphs import Paragraph, QuestionAnswer

_MIN_SIMILARITY = 0.5
"""Minimum ROUGE-L F1 of two questions whose answers are compared."""
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")

Pairs = Sequence[QuestionAnswer]


def score_answers(
    asked: Sequence[Pairs], paragraphs: Sequence[Paragraph], n_dropped: int
) -> dict[str, float]:
    """Compute how many questions have an answer, and how good the answers are.

    Args:
        asked: The generated questions of each paragraph, with their answers.
        paragraphs: The paragraphs, with the questions and answers of people.
        n_dropped: Number of further questions that were dropped because they had no answer.

    Returns:
        The metrics that can be measured: ``answer_in_text`` needs an answer, ``answer_exact`` and
        ``answer_f1`` need a question that resembles one that people asked and answered.
    """
    by_paragraph = list(zip(asked, paragraphs, strict=True))
    in_text = [found for pairs, paragraph in by_paragraph for found in _are_in_text(pairs, paragraph)]
    compared = [both for pairs, paragraph in by_paragraph for both in _matching_answers(pairs, paragraph)]
    metrics = {"answered": len(in_text) / max(1, n_dropped + sum(map(len, asked)))}
    if in_text:
        metrics["answer_in_text"] = sum(in_text) / len(in_text)
    if compared:
        n_equal = sum(_words(answer) == _words(expected) for answer, expected in compared)
        metrics["answer_exact"] = n_equal / len(compared)
        metrics["answer_f1"] = sum(_f1(*both) for both in compared) / len(compared)
    return metrics


def _are_in_text(pairs: Pairs, paragraph: Paragraph) -> list[bool]:
    """Whether each answer occurs in the paragraph, ignoring the kind of white space."""
    text = " ".join(paragraph.context.split())
    return [" ".join(pair.answer.split()) in text for pair in pairs if pair.answer]


def _matching_answers(pairs: Pairs, paragraph: Paragraph) -> Iterator[tuple[str, str]]:
    """Yield the answer and the expected answer of each question that matches an answered reference."""
    if not pairs:
        return
    questions = [pair.question for pair in pairs]
    similarity, matches = pair_up(questions, paragraph.questions, make_scorer("rougeL"))
    for ours, theirs in zip(*matches, strict=True):
        expected = paragraph.pairs[theirs].answer
        if expected and similarity[ours, theirs] >= _MIN_SIMILARITY:
            yield pairs[ours].answer or "", expected


def _f1(answer: str, expected: str) -> float:
    """The F1 of the words of two answers, as SQuAD defines it."""
    ours, theirs = _words(answer), _words(expected)
    n_common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * n_common / (len(ours) + len(theirs)) if ours and theirs else float(ours == theirs)


def _words(answer: str) -> list[str]:
    """The words of an answer after SQuAD's normalization: lower case, no punctuation, no articles."""
    return _ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split()
