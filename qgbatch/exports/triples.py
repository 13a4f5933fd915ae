"""Export format ``triples``: questions with their passage and hard negatives, to train an embedding model.

The columns ``anchor``, ``positive``, ``negative_1`` and so on are in the order in which the losses of
sentence-transformers, such as MultipleNegativesRankingLoss, expect them.

A hard negative is a passage that a word search (BM25) finds for the question, but that does not answer it:
it is no right passage, has other words than each of them, and does not contain the answer. Its score is
below that of the positive by :data:`MARGIN`. A passage with nearly the same score is often right too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qgbatch.errors import InputError, ModelError, name_setting
from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.parquet_parts import PART_FILE, SINGLE_PART, open_part_writers
from qgbatch.exports.passages import PassageCollection, PassageQuestion
from qgbatch.records import Passage

if TYPE_CHECKING:
    from qgbatch.questions.retrieval.passage_index import PassageIndex

MARGIN = 0.05
"""The share of the positive's score by which a negative is below it, as in the examples of
``mine_hard_negatives`` of sentence-transformers."""
_MAX_CANDIDATES = 100
"""Passages that are looked at for a question, the best first."""
_TOO_FEW = "questions with fewer hard negatives than {}"
_DESCRIPTION = """Questions with their passage and hard negatives, to train an embedding model.

| column | meaning |
|---|---|
| `anchor` | the question |
| `positive` | its passage |
| `negative_1`, ... | passages that share words with the question but do not answer it |

The order of the columns is that of the losses of sentence-transformers."""


def _write(given: ExportInput, files: Files) -> Summary:
    n_negatives = given.options.negatives
    names = ["anchor", "positive", *(f"negative_{number + 1}" for number in range(n_negatives))]
    too_few = _TOO_FEW.format(n_negatives)
    given.left_out[too_few] = 0
    n_by_part: Counter[str] = Counter()
    collection, part_of = given.collect(), given.assign_parts(SINGLE_PART)
    with (
        _index(collection, given) as index,
        open_part_writers(given, files, dict.fromkeys(names, "string")) as writers,
    ):
        for query, right in collection.queries():
            negatives = hard_negatives(index, query, right, n_negatives)
            if len(negatives) < n_negatives:
                given.left_out[too_few] += 1
                continue
            part = part_of(right[0].source)
            writers[part].write(dict(zip(names, (query.text, right[0].text, *negatives), strict=True)))
            n_by_part[part] += 1
    if not n_by_part:
        raise InputError(
            f"{given.table.path}: no question has enough hard negatives ({n_negatives}).",
            f"Lower {name_setting('negatives')}, or run over more documents.",
        )
    return [
        ("questions", f"{n_by_part.total():,}"),
        ("negatives", f"{n_negatives} for each question"),
        *given.describe_parts(n_by_part),
    ]


def _index(collection: PassageCollection, given: ExportInput) -> PassageIndex:
    """Return an index of all passages."""
    from qgbatch.questions.retrieval.passage_index import PassageIndex

    if not PassageIndex.is_available():
        raise ModelError(
            "--to triples needs FTS5, which this build of SQLite lacks.", "Use a Python with a full SQLite."
        )
    index = PassageIndex(given.language)
    index.add(passage for passage, _ in collection.passages())
    index.finish()
    return index


def hard_negatives(
    index: PassageIndex, query: PassageQuestion, right: Sequence[Passage], n: int
) -> list[str]:
    """Return the texts of the hard negatives of a question, the hardest first.

    Args:
        index: All passages.
        query: The question.
        right: Its right passages; the first one is the positive.
        n: How many to return at most.
    """
    from qgbatch.questions.grounding import find_answer

    found = index.search(query.text, _MAX_CANDIDATES)
    max_score = (1 - MARGIN) * dict(found).get(right[0].passage_id, 0.0)
    excluded = {each.passage_id for each in right}
    for each in right:
        excluded.update(same.passage_id for same in index.near_identical(each.passage_id))
    negatives: list[str] = []
    for passage_id, score in found:
        if len(negatives) == n:
            break
        if score > max_score or passage_id in excluded:
            continue
        passage = index.get(passage_id)
        assert passage is not None
        has_answer = query.answer and find_answer(query.answer, query.text, passage.text)
        if not has_answer and passage.text not in negatives:
            negatives.append(passage.text)
    return negatives


FORMAT = ExportFormat(
    "triples",
    (),
    "questions with hard negatives, to train embeddings: Parquet",
    _DESCRIPTION,
    needs_context=True,
    write=_write,
    part_file=PART_FILE,
    single_part=SINGLE_PART,
    needs_judgments=True,
    needs_passages=True,
)
