"""``--no-chunking``, ``--keep-columns`` and ``--passages``: people's own chunks, with their own ids."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import qgbatch
from qgbatch import CacheSettings, FileSettings, RunReport, Settings
from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import OutputError, SettingsError
from qgbatch.output.run_facts import RunFacts
from qgbatch.questions.retrieval.passage_index import PassageIndex

TEXT = "Bees live in hives that one queen rules."
LONG = " ".join(f"In the year {1500 + number} ten bees built a hive." for number in range(40))
ROWS: list[dict[str, Any]] = [
    {"id": "a/1", "text": TEXT, "lang": "en", "n": 7, "title": "Bees"},
    {
        "id": "a/2",
        "text": "Rivers carry sand to all seas of this world.",
        "lang": None,
        "n": None,
        "title": None,
    },
]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(rows: list[dict[str, Any]], settings: dict[str, Any] | None = None, **files: Any) -> RunReport:
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {"id_column": "id", "with_context": True, **files}
    return qgbatch.run(
        ["t.jsonl"],
        "q.jsonl",
        Settings(engine="ctranslate2", **{"chunking": False, **(settings or {})}),
        FileSettings(**files),
        CacheSettings(cache=False),
        load_engine=FakeEngine().load,
    )


def read(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_a_row_is_a_passage_with_its_own_id_and_text() -> None:
    run(ROWS)
    rows = read("q.jsonl")
    assert {row["passage_id"] for row in rows} == {"a/1", "a/2"}
    assert {row["context"] for row in rows} == {row["text"] for row in ROWS}
    first = rows[0]
    assert first["source"] == "t.jsonl#a/1"
    assert (first["start_char"], first["end_char"]) == (len("Bees\n\n"), len("Bees\n\n") + len(TEXT))


def test_the_title_is_read_above_the_row() -> None:
    run(ROWS)
    assert read("q.jsonl")[0]["question"].startswith("What of Bees Bees live in")


def test_without_ids_a_passage_has_a_hash() -> None:
    run(ROWS, id_column=None)
    for row in read("q.jsonl"):
        assert row["passage_id"] == "p" + row["question_id"][1:17]


def test_a_file_can_be_one_passage() -> None:
    Path("a.txt").write_text(f"\n{TEXT}\n\n{TEXT}\n")
    settings = Settings(engine="ctranslate2", chunking=False, target_tokens=None)
    qgbatch.run(
        ["a.txt"], "q.jsonl", settings, FileSettings(with_context=True), load_engine=FakeEngine().load
    )
    assert {row["context"] for row in read("q.jsonl")} == {f"{TEXT}\n\n{TEXT}"}


def test_a_row_above_the_token_limit_fails_and_is_named() -> None:
    report = run([*ROWS, {"id": "long", "text": LONG}], {"max_tokens": 64})
    [failure] = report.failures
    assert failure.source == "t.jsonl#long"
    assert failure.message.startswith("t.jsonl#long: it has ")
    assert "on_long_row='split'" in failure.message
    assert {row["passage_id"] for row in read("q.jsonl")} == {"a/1", "a/2"}


def test_a_long_row_can_be_split_and_stays_one_passage() -> None:
    settings = {"max_tokens": 64, "on_long_row": "split"}
    report = run([{"id": "long", "text": LONG}], settings, passages="p.jsonl")
    rows = read("q.jsonl")
    assert report.n_chunks == len({row["chunk_index"] for row in rows}) > 1
    assert {(row["passage_id"], row["context"]) for row in rows} == {("long", LONG)}
    assert [(row["passage_id"], row["text"]) for row in read("p.jsonl")] == [("long", LONG)]


def test_chunks_of_a_split_row_are_reused_from_the_cache() -> None:
    Path("t.jsonl").write_text(json.dumps({"id": "long", "text": LONG}) + "\n")
    settings = Settings(engine="ctranslate2", chunking=False, max_tokens=64, on_long_row="split")
    files = FileSettings(id_column="id", with_context=True)
    outputs = []
    for _ in range(2):
        cache = CacheSettings(cache_dir="cache")
        report = qgbatch.run(["t.jsonl"], "q.jsonl", settings, files, cache, load_engine=FakeEngine().load)
        outputs.append(Path("q.jsonl").read_bytes())
    assert report.n_generated == 0
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("row_id", "message"),
    [
        ("a/1", "another row has the id 'a/1' too"),
        ("a\tb", "holds a tab or a line break"),
        ("", "has no id"),
    ],
)
def test_an_id_that_is_no_passage_id_is_refused(row_id: str, message: str) -> None:
    report = run([*ROWS, {"id": row_id, "text": TEXT}])
    [failure] = report.failures
    assert message in failure.message
    assert len({row["passage_id"] for row in read("q.jsonl")}) == 2


def test_ids_may_repeat_if_rows_are_chunked() -> None:
    assert not run(
        [*ROWS, {"id": "a/1", "text": "Trout live in lakes of the north."}], {"chunking": True}
    ).failures


def test_kept_columns_are_in_the_output_and_with_the_passages() -> None:
    run(ROWS, keep_columns="lang, n", passages="p.jsonl")
    assert [(row["lang"], row["n"]) for row in read("p.jsonl")] == [("en", "7"), (None, None)]
    assert {(row["passage_id"], row["lang"], row["n"]) for row in read("q.jsonl")} == {
        ("a/1", "en", "7"),
        ("a/2", None, None),
    }


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_passages_have_the_documented_columns(name: str) -> None:
    run(ROWS, keep_columns="lang", passages=name)
    if name == "p.csv":
        with open(name, newline="", encoding="utf-8") as stream:
            rows: list[Any] = [*csv.DictReader(stream)]
    else:
        rows = pq.read_table(name).to_pylist()
    assert [*rows[0]] == [
        "passage_id", "text", "title", "source", "document_sha256", "chunk_index", "start_char", "end_char",
        "page", "lang",
    ]  # fmt: skip
    assert rows[0]["title"] == "Bees"


def test_passages_without_a_question_are_written_too() -> None:
    rows = [*ROWS, {**ROWS[0], "id": "3"}]
    report = run(rows, {"dedupe_scope": "corpus"}, passages="p.jsonl")
    assert report.n_passages == 3
    ids = [row["passage_id"] for row in read("p.jsonl")]
    assert ids == ["a/1", "a/2", "3"]
    assert "3" not in {row["passage_id"] for row in read("q.jsonl")}


def test_a_passage_that_occurs_twice_in_a_document_is_written_once() -> None:
    Path("a.txt").write_text(f"{TEXT}\n\n" * 40)
    settings = Settings(engine="ctranslate2", target_tokens=32)
    files = FileSettings(passages="p.jsonl")
    qgbatch.run(["a.txt"], "q.jsonl", settings, files, load_engine=FakeEngine().load)
    passages = [row["text"] for row in read("p.jsonl")]
    assert 1 <= len(passages) == len(set(passages)) < 20


def test_the_title_of_a_file_is_its_first_line_if_it_is_a_heading() -> None:
    Path("a.txt").write_text(f"On bees\n\n{TEXT}")
    Path("b.txt").write_text(f"{TEXT}\n\n{TEXT}")
    files = FileSettings(passages="p.jsonl")
    settings = Settings(engine="ctranslate2")
    qgbatch.run(["a.txt", "b.txt"], "q.jsonl", settings, files, load_engine=FakeEngine().load)
    assert [row["title"] for row in read("p.jsonl")] == ["On bees", None]


@pytest.mark.parametrize(
    "files",
    [
        {"keep_columns": "score"},
        {"keep_columns": "lang,,n"},
        {"keep_columns": "lang,lang"},
        {"passages": "p.txt"},
        {"passages": "-"},
        {"styles": "poem"},
    ],
)
def test_wrong_settings_are_refused_before_the_run(files: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(files))):
        run(ROWS, **files)
    assert not Path("q.jsonl").exists()


def test_without_fts5_passages_have_no_ranks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PassageIndex, "is_available", lambda: False)
    report = run(ROWS, passages="p.jsonl")
    assert "SQLite was built without FTS5" in caplog.text
    assert {row["bm25_rank"] for row in read("q.jsonl")} == {None}
    assert (report.n_passages, report.ranks) == (2, {})


def test_the_report_counts_passages_and_ranks() -> None:
    report = run(ROWS, passages="p.jsonl")
    assert report.n_passages == 2
    assert report.ranks == {"1": report.n_written}
    assert RunFacts.from_json(report.facts().to_json()).ranks == report.ranks


def test_a_missing_kept_column_fails_the_table() -> None:
    report = run(ROWS, keep_columns="color")
    [failure] = report.failures
    assert "there is no column 'color'" in failure.message


def test_passages_may_not_overwrite_an_input() -> None:
    with pytest.raises(OutputError, match="is an input"):
        run(ROWS, passages="t.jsonl")


def test_nothing_is_replaced_if_no_document_can_be_used() -> None:
    Path("p.jsonl").write_text("old")
    run([{"id": "a", "text": ""}], passages="p.jsonl")
    assert Path("p.jsonl").read_text() == "old"


def test_the_number_of_questions_is_exact_and_does_not_depend_on_the_order_of_the_inputs() -> None:
    names = [f"d{number}.txt" for number in range(20)]
    for number, name in enumerate(names):
        hives = range(6 + number)
        sentences = (f"In {number} of {10 * n} hives, {n} bees dance {n + number} times." for n in hives)
        Path(name).write_text("\n\n".join(sentences))
    found = []
    for files in ({"passages": "all.jsonl"}, {"passages": "p.jsonl", "questions": 500}):
        for inputs in (names, names[::-1]):
            settings = Settings(engine="ctranslate2", target_tokens=24, dedupe="none")
            qgbatch.run(inputs, "q.jsonl", settings, FileSettings(**files), load_engine=FakeEngine().load)
            found.append(read("q.jsonl"))
    available, _, chosen, _ = (Counter(row["source"] for row in rows) for rows in found)
    assert chosen.total() == 500 < available.total()
    assert all(chosen[name] >= min(20, available[name]) for name in names)
    assert {row["question_id"] for row in found[2]} == {row["question_id"] for row in found[3]}


def test_a_target_size_needs_chunks() -> None:
    with pytest.raises(SettingsError, match="target_tokens"):
        Settings(chunking=False, target_tokens=64)
