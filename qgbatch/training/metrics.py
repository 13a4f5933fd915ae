"""How good questions are: figures over paragraphs, from what was asked and what people asked."""

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
    "validation_loss_per_character": "the same per character, to compare models of other vocabularies",
    "rouge1": "ROUGE-1 F1 of all questions of a paragraph as one text, mean over paragraphs, 0 to 1",
    "rouge2": "the same of word pairs",
    "rougeL": "the same of the longest common subsequence",
    "bleu4": "corpus BLEU-4 of the same texts, 0 to 100",
    "set_precision": "ROUGE-L F1 over the best one-to-one pairing with the references, a question kept",
    "set_recall": "the same, a reference question",
    "set_f1": "harmonic mean of the two of a paragraph; all three are means over paragraphs",
    "questions_per_paragraph": "questions kept",
    "references_per_paragraph": "questions that people asked",
    "well_formed": "share of the pieces (of outputs, rows of a file) that are whole questions in form",
    "duplicated": "share of the pieces that are duplicates, as dedupe finds them; exact ones in a file",
    "truncated": "share of the pieces that the length limit cut off",
    "distinct_2": "share of word pairs in all questions that are different",
}
"""What each figure is, in the order in which they are shown."""

Asked = Sequence[Sequence[str]]
"""Questions of each paragraph, in order."""


class _Words:
    """rouge_score's own words and stems, remembered: a question comes up in many pairs."""

    def __init__(self) -> None:
        self.tokenize = lru_cache(maxsize=1 << 16)(DefaultTokenizer(use_stemmer=True).tokenize)


def score_overlap(asked: Asked, references: Asked) -> dict[str, float]:
    """ROUGE and BLEU-4 of the questions of each paragraph joined to one text."""
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Words())
    ours, theirs = [" ".join(some) for some in asked], [" ".join(some) for some in references]
    scores = [scorer.score(target, text) for text, target in zip(ours, theirs, strict=True)]
    figures = {kind: _mean([score[kind].fmeasure for score in scores]) for kind in scorer.rouge_types}
    return {**figures, "bleu4": float(corpus_bleu(ours, [theirs]).score)}


def score_sets(asked: Asked, references: Asked) -> dict[str, float]:
    """How well the questions of each paragraph cover the references, one to one."""
    scorer = RougeScorer(["rougeL"], tokenizer=_Words())
    rows = []
    for ours, theirs in zip(asked, references, strict=True):
        # (questions, references), float64: similarity of each with each
        similarity = np.array([[scorer.score(b, a)["rougeL"].fmeasure for b in theirs] for a in ours])
        matched = similarity[linear_sum_assignment(similarity, maximize=True)].sum() if ours else 0.0
        precision, recall = matched / max(1, len(ours)), matched / len(theirs)
        rows.append((precision, recall, 2 * matched / (len(ours) + len(theirs))))
    precision, recall, f1 = np.mean(rows, axis=0).tolist()
    return {"set_precision": precision, "set_recall": recall, "set_f1": f1}


def score_variety(asked: Asked, references: Asked) -> dict[str, float]:
    """How many questions there are, and how much they repeat each other's words."""
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
