r"""Step 7: fit the ranker on questions that readers marked.

    python models/recipe/fit_ranker.py --marks models/recipe/data/marks.jsonl.xz --min-score 0.5 \
        --out models/small/ranker.json

Each line of the marks is ``{"text_before", "text", "question", "answer", "question_log_probability",
"answer_log_probability", "question_low", "answer_low", "marks"}``, where "marks" has one of good, weak and
bad per reader, and the numbers are those of ``PairScore``. The ranker is a logistic regression for the
share of readers who said good; a weak mark counts as --weak of a good one. Cross-validation by text shows
what a score means.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from common import read_jsonl, write_json
from numpy.typing import NDArray

from qgbatch.questions.ranker import FEATURES
from qgbatch.records import Chunk, Document, PairScore, Question

Array = NDArray[np.float64]

PAIR_SCORE = ("question_log_probability", "answer_log_probability", "question_low", "answer_low")
"""The fields of a line that make its ``PairScore``, in order."""
N_FOLDS = 8
PENALTY = 10.0
"""Ridge penalty on the weights of standardised features. Cross-validation prefers none of 1 to 30."""
INTERCEPT_PENALTY = 1e-6
N_ITERATIONS = 30
"""Newton's method needs fewer than ten."""
MIN_SCALE = 1e-6
"""A feature with a lower standard deviation is constant, and left out."""
SHARES = (0.1, 0.2, 0.3, 0.5, 1.0)
DECIMALS = 4


def main() -> None:
    """Fit the ranker, print what its scores mean, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--marks", type=Path, nargs="+", required=True, help="JSONL (.xz)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--min-score", type=float, required=True, help="the default minimum of the score")
    parser.add_argument(
        "--weak", type=float, default=0.0, help="what a weak mark counts, 0 to 1 (default: 0)"
    )
    arguments = parser.parse_args()
    rows = [row for path in arguments.marks for row in read_jsonl(path)]
    questions = [make_question(row) for row in rows]
    raw = np.array([[feature(question) for feature in FEATURES.values()] for question in questions])
    scale = raw.std(0)
    used = scale > MIN_SCALE
    mean, scale = raw[:, used].mean(0), scale[used]
    features = (raw[:, used] - mean) / scale
    good, weak, bad = (share_of_mark(rows, mark) for mark in ("good", "weak", "bad"))
    targets = good + arguments.weak * weak
    folds = np.array([sha256(row["text"].encode()).digest()[0] % N_FOLDS for row in rows])
    print_calibration(cross_validate(features, targets, folds), good, bad)

    intercept, *weights = fit(features, targets)
    unscaled = np.array(weights) / scale
    names = [name for name, is_used in zip(FEATURES, used, strict=True) if is_used]
    values = {
        "intercept": round(float(intercept - unscaled @ mean), DECIMALS),
        "min_score": arguments.min_score,
        "weights": {
            name: round(float(weight), DECIMALS) for name, weight in zip(names, unscaled, strict=True)
        },
    }
    write_json(arguments.out, values)


def make_question(row: dict[str, Any]) -> Question:
    """Return the question of a line as the pipeline would make it."""
    before = row["text_before"]
    document = Document.from_text(before + row["text"], "marks")
    return Question(
        question=row["question"],
        question_index=0,
        score=0.0,
        chunk=Chunk(document, 0, len(before), len(document.text), (), hard_split=False),
        answer=row["answer"],
        pair_score=PairScore(*(row[name] for name in PAIR_SCORE)),
    )


def share_of_mark(rows: Sequence[dict[str, Any]], mark: str) -> Array:
    """Return the share of readers, 0 to 1, who gave each question a mark."""
    return np.array([row["marks"].count(mark) / len(row["marks"]) for row in rows])


def cross_validate(features: Array, targets: Array, folds: NDArray[np.int64]) -> Array:
    """Return the score of each question by a fit without the questions of its fold."""
    scores = np.zeros(len(targets))
    for fold in np.unique(folds):
        inside = folds == fold
        intercept, *weights = fit(features[~inside], targets[~inside])
        scores[inside] = logistic(intercept + features[inside] @ np.array(weights))
    return scores


def fit(features: Array, targets: Array) -> Array:
    """Return the intercept and the weights of a logistic regression, by Newton's method."""
    rows = np.column_stack([np.ones(len(features)), features])
    weights = np.zeros(rows.shape[1])
    ridge = np.diag([INTERCEPT_PENALTY, *[PENALTY] * features.shape[1]])
    for _ in range(N_ITERATIONS):
        scores = logistic(rows @ weights)
        gradient = rows.T @ (scores - targets) + ridge @ weights
        hessian = (rows.T * (scores * (1 - scores))) @ rows + ridge
        weights -= np.linalg.solve(hessian, gradient)
    return weights


def logistic(values: Array) -> Array:
    """Return the probability for each log-odds."""
    return np.asarray(1 / (1 + np.exp(-values)))


def print_calibration(scores: Array, good: Array, bad: Array) -> None:
    """Print the shares of good and bad questions by score."""
    area = area_under_curve(scores, good >= 0.5)
    print(f"{len(scores)} questions, {good.mean():.2f} good, {bad.mean():.2f} bad, AUC {area:.3f}")
    order = np.argsort(-scores)
    for share in SHARES:
        best = order[: max(1, int(share * len(order)))]
        lowest = scores[best].min()
        means = f"{good[best].mean():.2f} good, {bad[best].mean():.2f} bad"
        print(f"best {share:4.0%}, score >= {lowest:.2f}: {means}")
    for low in np.arange(10) / 10:
        inside = (scores >= low) & (scores < low + 0.1)
        if inside.any():
            print(
                f"score {low:.1f} to {low + 0.1:.1f}: {inside.sum()} questions, "
                f"{good[inside].mean():.2f} good, {bad[inside].mean():.2f} bad"
            )


def area_under_curve(scores: Array, good: NDArray[np.bool_]) -> float:
    """Return the probability that a good question has a higher score than another one."""
    n_good = int(good.sum())
    ranks = scores.argsort().argsort()
    return float((ranks[good].mean() - (n_good - 1) / 2) / (len(good) - n_good))


if __name__ == "__main__":
    main()
