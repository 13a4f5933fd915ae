"""Metrics that compare generated questions with those that people asked about the same paragraphs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer
from sacrebleu import corpus_bleu
from scipy.optimize import linear_sum_assignment

METRICS = {
    "validation_loss": "cross-entropy per target token, in nats, over all tokens; lower is better",
    "validation_loss_per_character": "the same per character, to compare different vocabularies",
    "rouge1": "ROUGE-1 F1 of the joined questions of a paragraph, mean over paragraphs, 0 to 1",
    "rouge2": "ROUGE-2 F1, likewise",
    "rougeL": "ROUGE-L F1, likewise",
    "bleu4": "corpus BLEU-4 of the joined questions, 0 to 100",
    "set_precision": "ROUGE-L F1 of the best one-to-one pairing with the references, per question",
    "set_recall": "the same, per reference",
    "set_f1": "harmonic mean of the two per paragraph; all three are means over paragraphs",
    "questions_per_paragraph": "number of questions after filters and dedupe",
    "references_per_paragraph": "number of questions that people asked",
    "well_formed": "share of the outputs (or rows of a file) that have the form of a whole question",
    "duplicated": "share of the outputs that dedupe removes; in a file, exact duplicates only",
    "truncated": "share of the outputs that the length limit cut off",
    "distinct_2": "share of distinct word pairs among all word pairs of the questions",
    "answered": "share of the questions that have an answer",
    "answer_in_text": "share of the answers that occur in the paragraph",
    "answer_exact": "share of the answers that equal the reference's, for questions that are paired as for "
    "set_f1 with ROUGE-L of at least 0.5; a missing answer counts as wrong",
    "answer_f1": "F1 of the words of these answers, 0 to 1; both ignore case, articles and punctuation",
}
"""The metrics and their meaning, in display order."""

Asked = Sequence[Sequence[str]]
"""The questions of each paragraph."""


class _CachedTokenizer:
    """The tokenizer and stemmer of rouge_score with a cache, because a question occurs in many pairs."""

    def __init__(self) -> None:
        self.tokenize = lru_cache(maxsize=1 << 16)(DefaultTokenizer(use_stemmer=True).tokenize)


def make_scorer(*kinds: str) -> RougeScorer:
    """Create a scorer of these kinds of ROUGE, with stems."""
    return RougeScorer(list(kinds), tokenizer=_CachedTokenizer())


def score_overlap(asked: Asked, references: Asked) -> dict[str, float]:
    """Compute ROUGE and BLEU-4 of the questions of each paragraph, joined to one text."""
    scorer = make_scorer("rouge1", "rouge2", "rougeL")
    ours, theirs = [" ".join(some) for some in asked], [" ".join(some) for some in references]
    scores = [scorer.score(target, text) for text, target in zip(ours, theirs, strict=True)]
    figures = {kind: _mean([score[kind].fmeasure for score in scores]) for kind in scorer.rouge_types}
    return {**figures, "bleu4": float(corpus_bleu(ours, [theirs]).score)}


def pair_up(ours: Sequence[str], theirs: Sequence[str], scorer: RougeScorer) -> tuple[Any, Any]:
    """Pair questions with references one to one, so that the sum of their ROUGE-L F1 is largest.

    Returns:
        The F1 of each question and reference, an array of shape (questions, references) and type
        float64, and the indices of the pairs in it.
    """
    similarity = np.array([[scorer.score(b, a)["rougeL"].fmeasure for b in theirs] for a in ours])
    return similarity, linear_sum_assignment(similarity, maximize=True)


def score_sets(asked: Asked, references: Asked) -> dict[str, float]:
    """Compute how well the questions of each paragraph match the references, paired one to one."""
    scorer = make_scorer("rougeL")
    rows = []
    for ours, theirs in zip(asked, references, strict=True):
        matched = 0.0
        if ours:
            similarity, pairs = pair_up(ours, theirs, scorer)
            matched = similarity[pairs].sum()
        precision, recall = matched / max(1, len(ours)), matched / len(theirs)
        rows.append((precision, recall, 2 * matched / (len(ours) + len(theirs))))
    precision, recall, f1 = np.mean(rows, axis=0).tolist()
    return {"set_precision": precision, "set_recall": recall, "set_f1": f1}


def score_variety(asked: Asked, references: Asked) -> dict[str, float]:
    """Compute the number of questions, and how varied their words are."""
    pairs: list[tuple[str, str]] = []
    for question in (question for questions in asked for question in questions):
        words = question.casefold().split()
        pairs += pairwise(words)
    return {
        "questions_per_paragraph": _mean([len(questions) for questions in asked]),
        "references_per_paragraph": _mean([len(questions) for questions in references]),
        "distinct_2": len(set(pairs)) / max(1, len(pairs)),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
