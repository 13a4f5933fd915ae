"""Metrics that compare generated questions with those that people asked about the same paragraphs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

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
}
"""The metrics and their meaning, in display order."""

Asked = Sequence[Sequence[str]]
"""The questions of each paragraph."""


class _CachedTokenizer:
    """The tokenizer and stemmer of rouge_score with a cache, because a question occurs in many pairs."""

    def __init__(self) -> None:
        self.tokenize = lru_cache(maxsize=1 << 16)(DefaultTokenizer(use_stemmer=True).tokenize)


def score_overlap(asked: Asked, references: Asked) -> dict[str, float]:
    """Compute ROUGE and BLEU-4 of the questions of each paragraph, joined to one text."""
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_CachedTokenizer())
    ours, theirs = [" ".join(some) for some in asked], [" ".join(some) for some in references]
    scores = [scorer.score(target, text) for text, target in zip(ours, theirs, strict=True)]
    figures = {kind: _mean([score[kind].fmeasure for score in scores]) for kind in scorer.rouge_types}
    return {**figures, "bleu4": float(corpus_bleu(ours, [theirs]).score)}


def score_sets(asked: Asked, references: Asked) -> dict[str, float]:
    """Compute how well the questions of each paragraph match the references, paired one to one."""
    scorer = RougeScorer(["rougeL"], tokenizer=_CachedTokenizer())
    rows = []
    for ours, theirs in zip(asked, references, strict=True):
        # shape (questions, references), float64
        similarity = np.array([[scorer.score(b, a)["rougeL"].fmeasure for b in theirs] for a in ours])
        matched = similarity[linear_sum_assignment(similarity, maximize=True)].sum() if ours else 0.0
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
