"""``qgbatch export --to triples``: hard negatives are near the question, and never right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from qgbatch.errors import InputError, ModelError, SettingsError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.exports.triples import MARGIN
from qgbatch.output.rows import Row
from qgbatch.questions.retrieval.passage_index import PassageIndex
from tests.support.tables import PROVENANCE, ask_chunk, chunk, write, write_rows

QUESTION = "Which drink do monks brew in winter?"
RIGHT = chunk("Monks brew strong beer in winter.", "monks.md")
RELATED = chunk("Monks brew a lot in the cold months and read many books then.", "monks.md")
FURTHER = chunk("In summer and in winter people drive on this road from the north to the south.", "road.md")
OTHERS = [chunk(f"Text {number} is about something else, such as sand.", "sand.md") for number in range(8)]
ROW = ask_chunk(RIGHT, QUESTION, answer="beer")


def triples(home: Path, passages: list[Row], rows: list[Row] | None = None, **options: Any) -> list[Any]:
    """Export rows with a file of passages, and return the rows of the Parquet file."""
    table = QuestionTable(write_rows(home / "q.jsonl", rows or [ROW]))
    path = write_rows(home / "passages.jsonl", [*passages, *OTHERS])
    export(table, FORMATS["triples"], home / "out", ExportOptions(passages=path, **options))
    rows_written: list[Any] = pq.read_table(home / "out" / "data").to_pylist()
    return rows_written


def test_the_negatives_are_the_best_other_passages(tmp_path: Path) -> None:
    assert triples(tmp_path, [FURTHER, RIGHT, RELATED], negatives=2) == [
        {
            "anchor": QUESTION,
            "positive": RIGHT["text"],
            "negative_1": RELATED["text"],
            "negative_2": FURTHER["text"],
        }
    ]


def test_the_file_loads_with_its_columns_in_order(tmp_path: Path) -> None:
    triples(tmp_path, [RIGHT, RELATED])
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    assert loaded["train"].column_names == ["anchor", "positive", "negative_1"]


@pytest.mark.parametrize(
    "wrong",
    [
        chunk("Monks in the south know a beer of their own and drink it in the evening.", "south.md"),
        chunk("The monks brew strong beer in winter!", "copy.md"),
        chunk("Which drink do monks brew? Which drink do monks brew in winter?", "faq.md"),
    ],
    ids=["has the answer", "near identical", "too near"],
)
def test_a_passage_that_may_be_right_is_no_negative(wrong: Row, tmp_path: Path) -> None:
    answer = "beer" if "beer of their own" in str(wrong["text"]) else None
    [row] = triples(tmp_path, [wrong, RIGHT, RELATED], [ask_chunk(RIGHT, QUESTION, answer=answer)])
    assert row["negative_1"] == RELATED["text"]


def test_another_right_passage_is_no_negative(tmp_path: Path) -> None:
    row = ask_chunk(RIGHT, QUESTION, RELATED, answer="beer")
    [triple] = triples(tmp_path, [RIGHT, RELATED, FURTHER], [row])
    assert (triple["positive"], triple["negative_1"]) == (RIGHT["text"], FURTHER["text"])


def test_the_score_of_a_negative_is_below_that_of_the_positive_by_the_margin(tmp_path: Path) -> None:
    passages = [
        chunk(f"Monks brew {word} in winter" + " now" * n, f"{word}.md")
        for word, n in (("ale", 2), ("tea", 4), ("rum", 40))
    ]
    [triple] = triples(tmp_path, [*passages, RIGHT])
    with PassageIndex() as index:
        index.add(_to_record(each) for each in [*passages, RIGHT, *OTHERS])
        index.finish()
        scores = dict(index.search(QUESTION, 100))
    best = scores[str(RIGHT["passage_id"])]
    limit = (1 - MARGIN) * best
    score_of = {each["text"]: scores[str(each["passage_id"])] for each in passages}
    assert any(limit < score < best for score in score_of.values())
    assert score_of[triple["negative_1"]] == max(score for score in score_of.values() if score <= limit)


def _to_record(passage: Row) -> Any:
    from qgbatch.records import Passage

    return Passage(*(passage[name] for name in ("passage_id", "text", "source", "start_char", "end_char")))  # type: ignore[arg-type]


def test_the_same_text_is_one_negative(tmp_path: Path) -> None:
    copy = chunk(str(RELATED["text"]), "copy.md")
    [row] = triples(tmp_path, [RIGHT, RELATED, copy, FURTHER], negatives=2)
    assert [row["negative_1"], row["negative_2"]] == [RELATED["text"], FURTHER["text"]]


def test_a_question_with_too_few_negatives_is_left_out_and_counted(tmp_path: Path) -> None:
    sand = chunk("Glass consists of sand.", "glass.md")
    rows = [ROW, ask_chunk(sand, "What does glass consist of?", answer="sand")]
    table = QuestionTable(write_rows(tmp_path / "q.jsonl", rows))
    path = write_rows(tmp_path / "passages.jsonl", [RIGHT, RELATED, sand])
    summary = dict(export(table, FORMATS["triples"], tmp_path / "out", ExportOptions(passages=path)))
    assert summary["questions"] == "1"
    assert "1 questions with fewer hard negatives than 1" in summary["left out"]


def test_no_question_with_enough_negatives_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no question has enough hard negatives \(3\)") as error:
        triples(tmp_path, [RIGHT, RELATED, FURTHER], negatives=3)
    assert "Lower negatives" in error.value.hint
    assert not (tmp_path / "out").exists()


def test_a_passage_that_shares_no_word_with_its_question_has_no_negatives(tmp_path: Path) -> None:
    rows = [ROW, ask_chunk(OTHERS[0], "Do monks brew?", answer=None)]
    assert len(triples(tmp_path, [RIGHT, RELATED], rows)) == 1


def test_the_file_of_passages_is_needed(tmp_path: Path) -> None:
    table = QuestionTable(write_rows(tmp_path / "q.jsonl", [ROW]))
    with pytest.raises(SettingsError, match="--to triples needs passages"):
        export(table, FORMATS["triples"], tmp_path / "out", ExportOptions())
    assert not (tmp_path / "out").exists()


def test_sqlite_without_fts5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PassageIndex, "is_available", lambda: False)
    with pytest.raises(ModelError, match="needs FTS5"):
        triples(tmp_path, [RIGHT, RELATED])
    assert not (tmp_path / "out").exists()


def test_the_language_of_the_run_decides_about_stems(tmp_path: Path) -> None:
    """In English "monk" and "monks" are one word for the search."""
    passages = [RIGHT, chunk("A monk has some books, a bed, a table and a lot of time.", "monk.md")]
    path = write_rows(tmp_path / "passages.jsonl", [*passages, *OTHERS])
    n_found = []
    for language in ("english", "german"):
        provenance = replace(PROVENANCE, settings={"language": language})
        rows: list[Row] = [ask_chunk(RIGHT, QUESTION), ask_chunk(RIGHT, "Who brews in winter?")]
        table = QuestionTable(write(tmp_path / f"{language}.parquet", rows, provenance=provenance))
        try:
            summary = export(table, FORMATS["triples"], tmp_path / language, ExportOptions(passages=path))
            n_found.append(dict(summary)["questions"])
        except InputError:
            n_found.append("0")
    assert n_found == ["1", "0"]
