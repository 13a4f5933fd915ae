"""``qgbatch export --min-rank`` and ``--max-share-easy``: questions by the rank in BM25."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from qgbatch.errors import InputError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.anki_package import unpacked
from tests.support.tables import ask_chunk, chunk, passages_of, write_rows

RANKS = (1, 1, 1, 1, 2, 5, 12, None)


def some_rows(ranks: Sequence[int | None] = RANKS) -> list[Row]:
    """A question for each rank; those of the same rank have rising scores."""
    return [
        ask_chunk(
            chunk(f"Bee {index} lives in hive {index}."),
            f"Where does bee {index} live?",
            bm25_rank=rank,
            score=(1 + index) / 100,
            answer=f"hive {index}",
        )
        for index, rank in enumerate(ranks)
    ]


def exported(
    export_format: str, home: Path, rows: list[Row], **options: Any
) -> tuple[dict[str, str], set[str]]:
    """Export rows; return the summary and the numbers of the bees that are in the files."""
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    if FORMATS[export_format].needs_passages:
        options["passages"] = write_rows(home / "passages.jsonl", passages_of(rows))
    summary = export(table, FORMATS[export_format], home / "out", ExportOptions(**options))
    texts = [unpacked(path) for path in (home / "out").rglob("*") if path.is_file()]
    if (home / "out" / "data").exists():
        texts = [str(pq.read_table(home / "out" / "data").to_pylist()).encode()]
    found = {str(number) for number in range(99) if any(b"bee %d " % number in text for text in texts)}
    return dict(summary), found


@pytest.mark.parametrize("export_format", FORMATS)
def test_questions_below_the_rank_are_left_out(export_format: str, tmp_path: Path) -> None:
    summary, bees = exported(export_format, tmp_path, some_rows(), min_rank=5)
    assert bees == {"5", "6", "7"}
    assert "5 questions with a bm25_rank below 5" in summary["left out"]
    assert summary["bm25_rank"] == "1: 0, 2-3: 0, 4-10: 1, 11 and more: 1, not found: 1"


@pytest.mark.parametrize("export_format", FORMATS)
def test_the_easy_questions_with_the_best_scores_are_kept(export_format: str, tmp_path: Path) -> None:
    summary, bees = exported(export_format, tmp_path, some_rows(), max_share_easy=0.2)
    assert bees == {"3", "4", "5", "6", "7"}
    assert "3 questions with bm25_rank 1 above their share" in summary["left out"]
    assert summary["bm25_rank"] == "1: 1, 2-3: 1, 4-10: 1, 11 and more: 1, not found: 1"


@pytest.mark.parametrize(
    ("share", "n_easy"),
    [(0, 0), (0.19, 0), (0.2, 1), (0.33, 1), (1 / 3, 2), (0.43, 3), (0.5, 4), (0.9, 4), (1, 4)],
)
def test_the_share_is_never_exceeded_and_used_up(share: float, n_easy: int, tmp_path: Path) -> None:
    summary, bees = exported("anki", tmp_path, some_rows(), max_share_easy=share)
    assert len(bees) == 4 + n_easy
    assert summary["cards"] == str(4 + n_easy)


@pytest.mark.parametrize("share", [0.1, 0.6, 0.7])
def test_decimal_shares_are_exact(share: float, tmp_path: Path) -> None:
    n_hard = round(100 * (1 - share))
    rows = some_rows([1] * 99 + [2] * n_hard)
    summary, _ = exported("anki", tmp_path, rows, max_share_easy=share)
    assert summary["bm25_rank"].startswith(f"1: {100 - n_hard}, 2-3: {n_hard},")


def test_the_order_of_the_rows_does_not_decide(tmp_path: Path) -> None:
    rows = [{**row, "score": 0.5} for row in some_rows()]
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found.append(exported("beir", tmp_path / name, rows, max_share_easy=0.4)[1])
        random.Random(2).shuffle(rows)
    assert found[0] == found[1]
    assert len(found[0]) == 6


def test_both_options_together(tmp_path: Path) -> None:
    _, bees = exported("beir", tmp_path, some_rows(), min_rank=1, max_share_easy=0)
    assert bees == {"4", "5", "6", "7"}


def test_without_options_the_summary_has_the_ranks(tmp_path: Path) -> None:
    summary, bees = exported("anki", tmp_path, some_rows())
    assert summary["bm25_rank"] == "1: 4, 2-3: 1, 4-10: 1, 11 and more: 1, not found: 1"
    assert "left out" not in summary
    assert len(bees) == 8


def test_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no question is left; left out are .*4 questions with bm25_rank 1"
    ):
        exported("anki", tmp_path, some_rows([1, 1, 1, 1]), max_share_easy=0.5)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [{"min_rank": 2}, {"max_share_easy": 0.5}])
def test_the_column_is_needed(option: dict[str, Any], tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "bm25_rank"} for row in some_rows()]
    with pytest.raises(InputError, match="no column 'bm25_rank', which") as error:
        exported("beir", tmp_path, rows, **option)
    assert "again with --passages" in error.value.hint
    assert not (tmp_path / "out").exists()


def test_a_rank_of_zero_is_no_rank(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: bm25_rank is '0', which qgbatch does not write"):
        exported("beir", tmp_path, some_rows([0]))


def test_the_queries_of_beir_have_what_is_known_of_them(tmp_path: Path) -> None:
    passage = chunk("Bees live in hives.")
    rows = [
        ask_chunk(passage, "Where do bees live?", style="question", bm25_rank=4, answer="hives"),
        ask_chunk(passage, "bees live", style="keyword", bm25_rank=None, answer=None),
    ]
    exported("beir", tmp_path, rows)
    lines = (tmp_path / "out" / "queries.jsonl").read_text().splitlines()
    assert [json.loads(line)["metadata"] for line in lines] == [
        {"answer": "hives", "style": "question", "bm25_rank": 4},
        {"answer": None, "style": "keyword", "bm25_rank": None},
    ]
