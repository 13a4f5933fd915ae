"""``--dedupe-scope corpus``: what happens to the questions of a chunk and to the passages of duplicates."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import qgbatch
from qgbatch import CacheSettings, FileSettings, RunReport, Settings
from qgbatch.engines.fake import FakeEngine
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output import rows as output_rows
from qgbatch.output.rows import Row, output_columns, to_row
from qgbatch.pipeline.corpus import unique_rows
from qgbatch.records import Chunk, Document, Question, make_passage_id

SHARED = "Bees live in hives"
"""Four words, which the fake engine makes a question of."""
TEXTS = {
    "a.txt": f"{SHARED} that one queen rules.",
    "b.txt": f"{SHARED} which workers have built.",
    "c.txt": "Rivers carry sand to all seas of this world.",
}
COLUMNS = output_columns(FileSettings(with_context=True), with_answers=True)


def run(directory: Path, output: Path, texts: dict[str, str], **settings: Any) -> RunReport:
    for name, text in texts.items():
        (directory / name).write_text(text)
    return qgbatch.run(
        [directory / name for name in texts],
        output,
        Settings(engine="ctranslate2", **settings),
        FileSettings(with_context=True),
        CacheSettings(cache=False),
        load_engine=FakeEngine().load,
    )


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def judgments(directory: Path) -> dict[str, list[str]]:
    """The texts of the right passages of each question of a BEIR export, by the question's text."""
    queries = {line["_id"]: line["text"] for line in read_jsonl(directory / "queries.jsonl")}
    corpus = {line["_id"]: line["text"] for line in read_jsonl(directory / "corpus.jsonl")}
    with (directory / "qrels" / "test.tsv").open(newline="") as file:
        qrels = list(csv.reader(file, delimiter="\t"))[1:]
    right: dict[str, list[str]] = {text: [] for text in queries.values()}
    for query, passage, _ in qrels:
        right[queries[query]].append(corpus[passage])
    return right


@pytest.mark.parametrize("name", ["q.jsonl", "q.csv", "q.parquet"])
@pytest.mark.parametrize("dedupe", ["exact", "near"])
def test_every_passage_that_a_question_was_asked_of_is_right(
    tmp_path: Path, name: str, dedupe: Any
) -> None:
    report = run(tmp_path, tmp_path / name, TEXTS, dedupe=dedupe, dedupe_scope="corpus")
    assert report.dropped["duplicate"] > 1
    export(QuestionTable(str(tmp_path / name)), FORMATS["beir"], tmp_path / "beir", ExportOptions())
    right = judgments(tmp_path / "beir")
    assert right.pop(f"What of {SHARED}?") == [TEXTS["a.txt"], TEXTS["b.txt"]]
    assert {len(passages) for passages in right.values()} == {1}


def test_a_passage_that_lost_all_of_its_questions_is_in_the_test_set(tmp_path: Path) -> None:
    texts = {"a.txt": TEXTS["a.txt"], "copy.txt": TEXTS["a.txt"]}
    run(tmp_path, tmp_path / "q.jsonl", texts, dedupe_scope="corpus")
    export(QuestionTable(str(tmp_path / "q.jsonl")), FORMATS["beir"], tmp_path / "beir", ExportOptions())
    sources = [line["metadata"]["source"] for line in read_jsonl(tmp_path / "beir" / "corpus.jsonl")]
    assert sources == [str(tmp_path / name) for name in texts]
    assert all(len(passages) == 2 for passages in judgments(tmp_path / "beir").values())


def test_duplicates_within_a_document_are_right_passages_too(tmp_path: Path) -> None:
    text = f"{TEXTS['a.txt']}\n\n{TEXTS['b.txt']}\n"
    run(tmp_path, tmp_path / "q.jsonl", {"a.txt": text}, target_tokens=16)
    export(QuestionTable(str(tmp_path / "q.jsonl")), FORMATS["beir"], tmp_path / "beir", ExportOptions())
    assert judgments(tmp_path / "beir")[f"What of {SHARED}?"] == [TEXTS["a.txt"], TEXTS["b.txt"]]


@pytest.mark.parametrize("settings", [{"dedupe": "none"}, {"dedupe_scope": "chunk"}])
def test_without_dropped_duplicates_each_row_has_one_passage(tmp_path: Path, settings: Any) -> None:
    run(tmp_path, tmp_path / "q.jsonl", TEXTS, **settings)
    assert {row["other_passages"] for row in read_jsonl(tmp_path / "q.jsonl")} == {"[]"}


def test_the_limit_per_chunk_acts_after_duplicates_are_dropped(tmp_path: Path) -> None:
    report = run(tmp_path, tmp_path / "q.jsonl", TEXTS, dedupe_scope="corpus", max_questions_per_chunk=1)
    rows = read_jsonl(tmp_path / "q.jsonl")
    assert [Path(row["source"]).name for row in rows] == list(TEXTS)
    assert len({row["question"] for row in rows}) == 3
    assert report.dropped["too_many"] > 0
    assert report.n_raw == report.n_written + report.dropped.total()


def asked(source: str, question: str, score: float) -> Row:
    text = "Ann left in May."
    chunk = Chunk(Document.from_text(text, source), 0, 0, len(text), (1,), hard_split=False)
    return to_row(Question(question, 0, score, chunk, "May", 12), "small", COLUMNS)


@pytest.mark.parametrize(
    ("has_ranker", "expected"),
    [
        (True, ["When did Ann leave?", "In which month did she leave?"]),
        (False, ["When did Ann leave?", "When did she go?", "In which month did she leave?"]),
    ],
)
def test_an_answer_keeps_its_other_question_if_the_best_one_is_a_duplicate(
    has_ranker: bool, expected: list[str]
) -> None:
    rows = [
        asked("a.txt", "When did Ann leave?", 0.9),
        asked("a.txt", "When did she go?", 0.3),
        asked("b.txt", "When did Ann leave?", 0.8),
        asked("b.txt", "In which month did she leave?", 0.5),
    ]
    report = RunReport()
    kept = unique_rows(rows, Settings(dedupe_scope="corpus"), has_ranker=has_ranker, report=report)
    assert [row["question"] for row in kept] == expected
    assert +report.dropped == Counter(duplicate=1, same_answer=1 if has_ranker else 0) + Counter()


def test_the_passages_of_duplicates_are_listed_once_and_in_input_order() -> None:
    rows = [
        asked(source, "When did Ann leave?", score)
        for source, score in zip("abcca", (1, 2, 3, 4, 5), strict=True)
    ]
    [row] = unique_rows(rows, Settings(dedupe_scope="corpus"), has_ranker=False, report=RunReport())
    assert row["source"] == "a"
    passages = json.loads(str(row["other_passages"]))
    assert [passage["source"] for passage in passages] == ["b", "c"]
    assert passages[0] == {
        "passage_id": make_passage_id("b", "Ann left in May."),
        "source": "b",
        "start_char": 0,
        "end_char": 16,
        "context": "Ann left in May.",
    }


def test_a_question_of_very_many_passages_is_no_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_rows, "MAX_OTHER_PASSAGES", 2)
    texts = TEXTS | {f"{number}.txt": f"{SHARED} in all of the {number} gardens." for number in range(2)}
    for name in ("q.jsonl", "q.csv", "q.parquet"):
        run(tmp_path, tmp_path / name, texts, dedupe_scope="corpus")
        summary = dict(
            export(QuestionTable(str(tmp_path / name)), FORMATS["beir"], tmp_path / "beir", ExportOptions())
        )
        assert f"What of {SHARED}?" not in judgments(tmp_path / "beir")
        assert ", 1 questions about more than" in summary["left out"]
