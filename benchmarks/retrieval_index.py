"""Measures time and memory to index passages and to rank questions by BM25, beside ``bm25s``.

    pip install bm25s
    python benchmarks/retrieval_index.py [--passages 20000 200000] [--questions 2000] [--squad SQUAD.json]

The passages have 80 synthetic words each, whose frequencies follow Zipf's law. A question has six words
of its passage and four of the 50 most frequent words. Both contenders add all passages and then find the
rank of each question's passage among all passages. ``bm25s`` keeps the index in memory and scores by all
words; qgbatch keeps it on disk and scores by the rarest words. Each run is a new process, whose peak memory
includes the interpreter, the imported modules and the 300,000 words that the text is made of.
"total time, ratio" is the wall time divided by that of qgbatch in the same round.

With ``--squad``, it also compares the ranks by the rarest words with the ranks by all words, for several
values of ``MAX_POSTINGS``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Usage, interleave, run_python, show, spread

from qgbatch.questions.retrieval import passage_index
from qgbatch.questions.retrieval.passage_index import PassageIndex
from qgbatch.records import Passage

_N_WORDS = 300_000
_WORDS_PER_PASSAGE = 80
_PER_BATCH = 1000
_LIMITS = (10_000, 5_000, 3_000, 2_000, 1_000)


class Corpus:
    """Synthetic passages and questions, the same for the same size."""

    def __init__(self, n_passages: int, n_questions: int) -> None:
        self.n_passages = n_passages
        letters = np.random.default_rng(1).integers(0, 26, (_N_WORDS, 8))
        words = ["".join(chr(97 + letter) for letter in word) for word in letters]
        self._words = [word[: 3 + number % 6] + str(number) for number, word in enumerate(words)]
        self._frequencies = np.cumsum(1 / (np.arange(_N_WORDS) + 2.7))
        self._asked = {int(each) for each in np.linspace(0, n_passages - 1, n_questions)}
        self.questions: list[tuple[str, int]] = []

    def passages(self) -> Iterator[str]:
        """Yield the texts, and add to ``questions`` pairs of a question and the number of its passage."""
        rng = np.random.default_rng(2)
        for first in range(0, self.n_passages, _PER_BATCH):
            drawn = rng.random((_PER_BATCH, _WORDS_PER_PASSAGE)) * self._frequencies[-1]
            for number, ranks in enumerate(np.searchsorted(self._frequencies, drawn), first):
                if number in self._asked:
                    asked = [*ranks[:6], *rng.integers(0, 50, 4)]
                    self.questions.append((" ".join(self._words[rank] for rank in asked), number))
                yield " ".join(self._words[rank] for rank in ranks)


def measure_qgbatch(corpus: Corpus) -> list[float]:
    """Return the times before and after indexing and after ranking, and the share in the first ten."""
    times = [*_now()]
    with PassageIndex() as index:
        texts = enumerate(corpus.passages())
        index.add(Passage(str(number), text, "a.txt", 0, len(text)) for number, text in texts)
        index.finish()
        times += _now()
        ranks = list(index.rank_all((question, [str(number)]) for question, number in corpus.questions))
        times += _now()
    return [*times, statistics.mean(rank in range(1, 11) for rank in ranks)]


def measure_bm25s(corpus: Corpus) -> list[float]:
    """The same with ``bm25s``."""
    bm25s = import_module("bm25s")
    times = [*_now()]
    tokens = bm25s.tokenize(list(corpus.passages()), stopwords=None, show_progress=False)
    index = bm25s.BM25(k1=1.2, b=0.75)
    index.index(tokens, show_progress=False)
    del tokens
    times += _now()
    n_in_first_ten = 0
    for question, number in corpus.questions:
        scores = index.get_scores(question.split())
        n_in_first_ten += int((scores > scores[number]).sum()) < 10
    return [*times, *_now(), n_in_first_ten / len(corpus.questions)]


def _now() -> tuple[float, float]:
    """Return the wall time and the CPU time of this process in seconds."""
    return time.perf_counter(), time.process_time()


_MEASURES = {"qgbatch": measure_qgbatch, "bm25s": measure_bm25s}


def measure_limits(path: Path) -> None:
    """Print how ranks by the rarest words differ from ranks by all words."""
    rows = []
    with PassageIndex() as index:
        questions = []
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for number, paragraph in enumerate(article["paragraphs"]):
                passage_id = f"{article['title']} {number}"
                index.add([Passage(passage_id, paragraph["context"], "", 0, len(paragraph["context"]))])
                questions += [(each["question"], [passage_id]) for each in paragraph["qas"]]
        index.finish()
        by_all: list[int] = []
        for limit in (sys.maxsize, *_LIMITS):
            passage_index.MAX_POSTINGS = limit
            start = time.process_time()
            ranks = [rank or sys.maxsize for rank in index.rank_all(questions)]
            took = time.process_time() - start
            by_all = by_all or ranks
            pairs = list(zip(ranks, by_all, strict=True))
            rows.append(
                {
                    "limit": "none" if limit == sys.maxsize else f"{limit:,}",
                    "same rank": _share(a == b for a, b in pairs),
                    "both or none first": _share((a == 1) == (b == 1) for a, b in pairs),
                    "both or none in the first 10": _share((a <= 10) == (b <= 10) for a, b in pairs),
                    "in the first 10": _share(a <= 10 for a in ranks),
                    "CPU ms per question": f"{1000 * took / len(ranks):.2f}",
                }
            )
    show("Ranks by the rarest words, compared with ranks by all words", rows, questions=len(questions))


def _share(outcomes: Iterable[bool]) -> str:
    return f"{statistics.mean(outcomes):.2%}"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--squad", type=Path, metavar="SQUAD.json")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # for the processes that it starts
    arguments = parser.parse_args()
    if arguments.one:
        name, n_passages, path = arguments.one
        result = _MEASURES[name](Corpus(int(n_passages), arguments.questions))
        Path(path).write_text(json.dumps(result), encoding="utf-8")
        return
    names = [name for name in _MEASURES if name == "qgbatch" or find_spec(name)]
    if len(names) < len(_MEASURES):
        print("bm25s is not installed and is left out: pip install bm25s", file=sys.stderr)
    rows = []
    for n_passages in arguments.passages:
        rows += measure_size(n_passages, arguments.questions, names, arguments.rounds)
    show("Ranking questions", rows, questions=arguments.questions, rounds=arguments.rounds)
    if arguments.squad:
        measure_limits(arguments.squad)


def measure_size(
    n_passages: int, n_questions: int, names: list[str], n_rounds: int
) -> list[dict[str, Any]]:
    """Return one row per contender."""
    usages: dict[str, list[Usage]] = {name: [] for name in names}
    results: dict[str, list[list[float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "result.json"

        def run(name: str) -> float:
            words = (
                sys.argv[0],
                "--questions",
                str(n_questions),
                "--one",
                name,
                str(n_passages),
                str(result),
            )
            usages[name].append(run_python(*words))
            results[name].append(json.loads(result.read_text(encoding="utf-8")))
            return results[name][-1][4] - results[name][-1][0]

        totals = interleave({name: partial(run, name) for name in names}, n_rounds)
    rows = []
    for name in names:
        start, cpu_start, indexed, cpu_indexed, ranked, cpu_ranked, in_first_ten = np.transpose(
            results[name]
        )
        ratios = [a / b for a, b in zip(totals[name], totals[names[0]], strict=True)]
        per_question = 1000 / n_questions
        rows.append(
            {
                "passages": f"{n_passages:,}",
                "contender": name,
                "s to index": spread(indexed - start, 1),
                "CPU s to index": spread(cpu_indexed - cpu_start, 1),
                "ms per question": spread((ranked - indexed) * per_question),
                "CPU ms per question": spread((cpu_ranked - cpu_indexed) * per_question),
                "total time, ratio": spread(ratios),
                "peak MiB": round(max(each.peak_mib for each in usages[name])),
                "in the first 10": f"{in_first_ten[0]:.1%}",
            }
        )
    return rows


if __name__ == "__main__":
    main()
