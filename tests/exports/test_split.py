"""``qgbatch export --split``: the near-duplicate documents are in one part."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from qgbatch.errors import InputError, OutputError, SettingsError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.tables import ask_chunk, chunk, write_rows

SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}
PASSAGES = [
    chunk(f"Lake {n} is deep because ice of age {n} dug the valley {n} out.", f"lakes/{n}.md")
    for n in range(30)
]
"""Each even document has a near duplicate, which no question is about."""
COPIES = [chunk(f"{each['text']} See there.", f"copies/{n}.md") for n, each in enumerate(PASSAGES[::2])]
ROWS = [ask_chunk(each, f"Why is lake {n} deep?") for n, each in enumerate(PASSAGES)]


def exported(
    export_format: str, home: Path, *, rows: list[Row] = ROWS, with_file: bool = True, **options: Any
) -> dict[str, str]:
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    if with_file:
        options["passages"] = write_rows(home / "passages.jsonl", [*PASSAGES, *COPIES])
    given = ExportOptions(**{"split": SHARES, **options})
    return dict(export(table, FORMATS[export_format], home / "out", given))


def questions_by_part(export_format: str, home: Path) -> dict[str, set[str]]:
    """The texts of the questions in each part of an export."""
    if export_format != "beir":
        column = "question" if export_format == "hf" else "anchor"
        return {
            part: set(
                pq.read_table(home / "out" / "data" / f"{part}-00000-of-00001.parquet")[column].to_pylist()
            )
            for part in SHARES
        }
    lines = (home / "out" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    texts = {query["_id"]: query["text"] for query in map(json.loads, lines)}
    found = {}
    for part in SHARES:
        with (home / "out" / "qrels" / f"{part}.tsv").open(encoding="utf-8", newline="") as file:
            _, *judgments = csv.reader(file, delimiter="\t")
        found[part] = {texts[query_id] for query_id, *_ in judgments}
    return found


@pytest.mark.parametrize("export_format", ["beir", "triples", "hf"])
def test_each_question_is_in_one_part(export_format: str, tmp_path: Path) -> None:
    summary = exported(export_format, tmp_path)
    found = questions_by_part(export_format, tmp_path)
    assert sorted(text for part in found.values() for text in part) == sorted(
        str(row["question"]) for row in ROWS
    )
    assert all(found.values())
    assert summary["parts"] == ", ".join(f"{part}: {len(found[part])}" for part in SHARES)


def test_all_formats_have_the_same_parts_in_any_order_of_rows(tmp_path: Path) -> None:
    found = []
    for export_format in ("beir", "triples", "hf"):
        home = tmp_path / export_format
        home.mkdir()
        exported(export_format, home, rows=ROWS[::-1])
        found.append(questions_by_part(export_format, home))
    assert found[0] == found[1] == found[2]


def test_near_duplicate_documents_are_in_one_part(tmp_path: Path) -> None:
    rows = [*ROWS, *(ask_chunk(each, f"Where is {each['source']}?") for each in COPIES)]
    exported("hf", tmp_path, rows=rows)
    for part in SHARES:
        path = tmp_path / "out" / "data" / f"{part}-00000-of-00001.parquet"
        sources = {*pq.read_table(path)["source"].to_pylist()}
        for number in range(0, len(PASSAGES), 2):
            assert (f"lakes/{number}.md" in sources) == (f"copies/{number // 2}.md" in sources)


def test_the_corpus_of_beir_has_the_passages_of_all_parts(tmp_path: Path) -> None:
    exported("beir", tmp_path)
    lines = (tmp_path / "out" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(PASSAGES) + len(COPIES)


def test_all_judgments_of_a_query_are_in_its_part(tmp_path: Path) -> None:
    rows = [
        ask_chunk(each, str(row["question"]), PASSAGES[0]) for each, row in zip(PASSAGES, ROWS, strict=True)
    ]
    exported("beir", tmp_path, rows=rows)
    n_judgments: list[int] = []
    for part in SHARES:
        with (tmp_path / "out" / "qrels" / f"{part}.tsv").open(encoding="utf-8", newline="") as file:
            _, *judgments = csv.reader(file, delimiter="\t")
        n_judgments += Counter(query_id for query_id, *_ in judgments).values()
    assert sorted(n_judgments) == [1] + 29 * [2]


@pytest.mark.parametrize("export_format", ["beir", "hf"])
def test_without_the_file_the_passages_of_the_table_decide(export_format: str, tmp_path: Path) -> None:
    exported(export_format, tmp_path, with_file=False)
    found = questions_by_part(export_format, tmp_path)
    assert sum(map(len, found.values())) == len(ROWS)


def test_the_card_of_hf_names_the_parts_and_they_load(tmp_path: Path) -> None:
    exported("hf", tmp_path)
    [config] = DatasetCard.load(tmp_path / "out" / "README.md").data.configs
    assert [file["split"] for file in config["data_files"]] == [*SHARES]
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {part: len(rows) for part, rows in loaded.items()} == {
        part: len(texts) for part, texts in questions_by_part("hf", tmp_path).items()
    }


def test_the_parts_of_triples_load(tmp_path: Path) -> None:
    exported("triples", tmp_path)
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == set(SHARES)


@pytest.mark.parametrize("export_format", [name for name in FORMATS if not FORMATS[name].part_file])
def test_other_formats_cannot_be_split(export_format: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"split cannot be combined with --to {export_format}") as error:
        exported(export_format, tmp_path)
    assert error.value.hint == "Use --to beir or triples or hf."
    assert not (tmp_path / "out").exists()


def test_a_part_without_documents_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the part 'dev' is empty"):
        exported("beir", tmp_path, split={"train": 1 - 1e-9, "dev": 1e-9})
    assert not (tmp_path / "out").exists()


def test_a_part_without_questions_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no question is in the part '\w+' of split"):
        exported("hf", tmp_path, rows=ROWS[:1])
    assert not (tmp_path / "out").exists()


def test_the_texts_of_passages_are_needed(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "context"} for row in ROWS]
    with pytest.raises(InputError, match="no column 'context', and split needs the text of each passage"):
        exported("hf", tmp_path, rows=rows, with_file=False)


@pytest.mark.parametrize("export_format", ["beir", "hf"])
def test_parts_of_an_earlier_export_are_not_mixed_with_new_ones(export_format: str, tmp_path: Path) -> None:
    exported(export_format, tmp_path)
    exported(export_format, tmp_path)  # the same parts again
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(
        OutputError, match="is a part of an earlier export, and this export has no such part"
    ):
        exported(export_format, tmp_path, split={})
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
