"""Fit the ranker on questions that readers marked.

    python fit_ranker.py --marks data/marks.jsonl --out ../small/ranker.json

Each line of the marks is {"text", "question", "answer", "question_log_probability", "answer_log_probability", "marks"},
where "marks" has one of good, weak and bad per reader. The ranker is a logistic regression for the share of readers who
said good; a weak mark counts as --weak of a good one. Cross-validation, by text, tells what each score is worth.
"""

from __future__ import annotations

import argparse
import json
import math
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgbatch.questions.ranker import FEATURES
from qgbatch.records import Chunk, Document, Question

Array = NDArray[np.float64]
N_FOLDS = 8
SHARES = (0.1, 0.2, 0.3, 0.5, 1.0)


def make_question(row: dict[str, Any]) -> Question:
    """Return the question of a line as the pipeline would make it."""
    text = row["text"]
    chunk = Chunk(Document.from_text(text, "marks"), 0, 0, len(text), (0,), False)
    answer_score = math.exp(row["answer_log_probability"])
    return Question(
        row["question"], 0, 0.0, chunk, row["answer"], None, answer_score, row["question_log_probability"]
    )


def fit(features: Array, targets: Array, penalty: float) -> Array:
    """Return the intercept and the weights of a logistic regression, by Newton's method."""
    rows = np.c_[np.ones(len(features)), features]
    weights = np.zeros(rows.shape[1])
    ridge = np.eye(len(weights)) * penalty
    ridge[0, 0] = 1e-6
    for _ in range(30):
        p = 1 / (1 + np.exp(-rows @ weights))
        gradient = rows.T @ (p - targets) + ridge @ weights
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows + ridge
        weights -= np.linalg.solve(hessian, gradient)
    return weights


def predict(weights: Array, features: Array) -> Array:
    return 1 / (1 + np.exp(-(weights[0] + features @ weights[1:])))


def cross_validate(features: Array, targets: Array, folds: NDArray[np.int64], penalty: float) -> Array:
    """Return the score of each line by a fit without the lines of its fold."""
    scores = np.zeros(len(targets))
    for fold in range(N_FOLDS):
        inside = folds == fold
        scores[inside] = predict(fit(features[~inside], targets[~inside], penalty), features[inside])
    return scores


def area_under_curve(scores: Array, good: Array) -> float:
    """Return the probability that a good line has a higher score than another one."""
    ranks = scores.argsort().argsort()
    n_good = int(good.sum())
    return float((ranks[good > 0].mean() - (n_good - 1) / 2) / (len(good) - n_good))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--marks", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weak", type=float, default=0.0, help="what a weak mark counts")
    parser.add_argument("--penalty", type=float, default=10.0, help="ridge penalty on standardised features")
    parser.add_argument("--min-score", type=float, required=True, help="the default minimum of the score")
    args = parser.parse_args()

    rows = [json.loads(line) for path in args.marks for line in path.read_text().splitlines()]
    names = list(FEATURES)
    questions = [make_question(row) for row in rows]
    raw = np.array([[FEATURES[name](question) for name in names] for question in questions])
    mean, scale = raw.mean(0), raw.std(0) + 1e-9
    used = scale > 1e-6
    features = ((raw - mean) / scale)[:, used]
    worth = {"good": 1.0, "weak": args.weak, "bad": 0.0}
    targets = np.array([np.mean([worth[mark] for mark in row["marks"]]) for row in rows])
    good = np.array([np.mean([mark == "good" for mark in row["marks"]]) for row in rows])
    bad = np.array([np.mean([mark == "bad" for mark in row["marks"]]) for row in rows])
    folds = np.array([sha256(row["text"].encode()).digest()[0] % N_FOLDS for row in rows])

    scores = cross_validate(features, targets, folds, args.penalty)
    print(f"{len(rows)} questions, {good.mean():.3f} good, {bad.mean():.3f} bad; "
          f"area under curve {area_under_curve(scores, (good >= 0.5).astype(float)):.3f}")  # fmt: skip
    order = np.argsort(-scores)
    for share in SHARES:
        best = order[: int(share * len(order))]
        print(f"best {share:4.0%}: score >= {scores[best].min():.2f}, {good[best].mean():.2f} good, {bad[best].mean():.2f} bad")
    for low in np.arange(0, 1, 0.1):
        inside = (scores >= low) & (scores < low + 0.1)
        if inside.any():
            print(f"score {low:.1f} to {low + 0.1:.1f}: {inside.sum():4d} questions, {good[inside].mean():.2f} good, {bad[inside].mean():.2f} bad")

    weights = fit(features, targets, args.penalty)
    unscaled = weights[1:] / scale[used]
    intercept = float(weights[0] - unscaled @ mean[used])
    kept = [name for name, use in zip(names, used, strict=True) if use]
    values = {
        "intercept": round(intercept, 4),
        "min_score": args.min_score,
        "weights": {name: round(float(weight), 4) for name, weight in zip(kept, unscaled, strict=True)},
    }
    args.out.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
