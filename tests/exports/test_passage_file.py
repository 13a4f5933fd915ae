"""``qgbatch export --passages``: the corpus is the file of all passages that the run wrote."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from qgbatch.errors import InputError, OutputError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.anki_package import unpacked
from tests.support.tables import ask_chunk, chunk, write_rows

BEES = chunk("Bees live in hives.", "farm.pdf", 40, title="Bees", page=3, shelf="A")
SAND = chunk("'=sand is not a formula.", "farm.pdf", 60, shelf=None)
COPY = chunk("Bees live in hives.", "copy.md", shelf="")
PASSAGES = [SAND, BEES, COPY]
QUESTIONS = [ask_chunk(BEES, "Where do bees live?", COPY)]


def read_jsonl(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def exported(
    export_format: str,
    home: Path,
    *,
    rows: list[Row] = QUESTIONS,
    passages: list[Row] = PASSAGES,
    name: str = "passages.jsonl",
) -> Path:
    """Export rows with a file of passages, and return the directory."""
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    options = ExportOptions(passages=write_rows(home / name, passages))
    export(table, FORMATS[export_format], home / "out", options)
    return home / "out"


@pytest.mark.parametrize("name", ["passages.parquet", "passages.csv", "passages.jsonl"])
def test_the_corpus_of_beir_is_the_file(name: str, tmp_path: Path) -> None:
    corpus = read_jsonl(exported("beir", tmp_path, name=name) / "corpus.jsonl")
    assert [(line["_id"], line["title"], line["text"]) for line in corpus] == [
        (SAND["passage_id"], "", SAND["text"]),
        (BEES["passage_id"], "Bees", BEES["text"]),
        (COPY["passage_id"], "", COPY["text"]),
    ]
    assert [line["metadata"] for line in corpus] == [
        {"source": "farm.pdf", "start_char": 60, "end_char": 84},
        {"page": 3, "shelf": "A", "source": "farm.pdf", "start_char": 40, "end_char": 59},
        {"source": "copy.md", "start_char": 0, "end_char": 19},
    ]
    with (tmp_path / "out" / "qrels" / "test.tsv").open(encoding="utf-8") as lines:
        assert [line.split("\t")[1] for line in lines][1:] == [BEES["passage_id"], COPY["passage_id"]]


def test_doc2query_has_all_passages_and_squad_those_with_questions(tmp_path: Path) -> None:
    documents = read_jsonl(exported("doc2query", tmp_path) / "documents.jsonl")
    assert [line["text"] for line in documents] == [line["text"] for line in PASSAGES]
    assert documents[0]["contents"] == SAND["text"]
    (tmp_path / "more").mkdir()
    squad = json.loads((exported("squad", tmp_path / "more") / "squad.json").read_text())
    assert [paragraph["context"] for article in squad["data"] for paragraph in article["paragraphs"]] == [
        BEES["text"]
    ]


@pytest.mark.parametrize("export_format", ["beir", "squad", "hf", "anki", "doc2query"])
def test_a_table_without_context_gets_it_from_the_file(export_format: str, tmp_path: Path) -> None:
    rows = [
        {name: value for name, value in row.items() if name not in ("context", "other_passages")}
        for row in QUESTIONS
    ]
    directory = exported(export_format, tmp_path, rows=rows)
    assert any(b"Bees live in hives." in unpacked(path) for path in directory.rglob("*") if path.is_file())


def test_an_id_with_quotes_can_be_read_from_the_judgments(tmp_path: Path) -> None:
    passage = chunk("Bees live in hives.", passage_id='"the\\" first', shelf="A")
    rows = [ask_chunk(passage, "Where do bees live?")]
    directory = exported("beir", tmp_path, rows=rows, passages=[passage])
    with (directory / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as lines:
        judgments = [*csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_MINIMAL)]  # as BEIR's loader
    assert [line[1] for line in judgments] == ["corpus-id", '"the\\" first']


def test_a_passage_with_two_texts_is_refused(tmp_path: Path) -> None:
    rows = [
        ask_chunk(chunk("Bees live in hives.", passage_id="insects"), "Where do bees live?"),
        ask_chunk(chunk("Ants live in nests.", passage_id="insects"), "Where do ants live?"),
    ]
    table = QuestionTable(write_rows(tmp_path / "q.jsonl", rows))
    with pytest.raises(InputError, match="passage insects has another text than in an earlier row"):
        export(table, FORMATS["beir"], tmp_path / "out", ExportOptions())
    assert not (tmp_path / "out").exists()


OTHER_RUN = "it belongs to another run"


@pytest.mark.parametrize(
    ("passages", "message"),
    [
        ([SAND, COPY], f"no passage {BEES['passage_id']}, which question q"),
        ([SAND, BEES], f"no passage {COPY['passage_id']}, which question q"),
        ([{**BEES, "text": "Bees, they live."}, COPY], OTHER_RUN),
        ([BEES, {**COPY, "text": "Bees, they live."}], OTHER_RUN),
        ([BEES, {**COPY, "source": "other.md"}], OTHER_RUN),
        ([{**BEES, "document_sha256": "1" * 64}, COPY], OTHER_RUN),
    ],
)
@pytest.mark.parametrize("export_format", ["beir", "hf"])
def test_a_file_of_another_run_is_refused(
    export_format: str, passages: list[Row], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as error:
        exported(export_format, tmp_path, passages=passages)
    assert OTHER_RUN in error.value.message
    assert "passages.jsonl" in error.value.message
    assert "this run wrote with --passages" in error.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"passage_id": BEES["passage_id"]}, "line 3: passage_id 'p.*' is that of an earlier passage"),
        ({"passage_id": ""}, "line 3: passage_id is ''"),
        ({"passage_id": "a\tb"}, r"line 3: passage_id is 'a\\tb'"),
        ({"passage_id": "a\nb"}, r"line 3: passage_id is 'a\\nb'"),
        ({"passage_id": "a" * 1001}, "line 3: passage_id is 'aaa"),
        ({"passage_id": None}, "line 3: passage_id is missing, not text"),
        ({"passage_id": 7}, "line 3: passage_id is a number, not text"),
        ({"text": None}, "line 3: text is missing, not text"),
        ({"start_char": 99}, "line 3: end_char is before start_char"),
        ({"page": "x"}, "line 3: page is text, not a whole number"),
        ({"shelf": ["A"]}, "line 3: shelf is a list, not text"),
    ],
)
def test_an_invalid_passage_is_reported_with_its_line(
    change: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    passages = [SAND, BEES, {**COPY, **change}]
    with pytest.raises(InputError, match=message) as error:
        exported("beir", tmp_path, passages=passages)
    assert error.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.jsonl", None, "no.jsonl: no such file"),
        ("p.txt", b"", "p.txt: not a known kind of table"),
        ("p.jsonl", b"", "p.jsonl: contains no passage"),
        ("p.csv", b"", "p.csv: contains no passage"),
        ("p.jsonl", b'{"text": ""}\n', "p.jsonl: no column 'passage_id'"),
        ("p.csv", b"passage_id,text\n", "p.csv: no column 'title'"),
        ("p.parquet", b"PAR1", "p.parquet: damaged, or not a Parquet file"),
        ("p.jsonl", b"[" * 100_000, "line 1: not JSON"),
    ],
)
def test_a_damaged_file_is_refused(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    table = QuestionTable(write_rows(tmp_path / "q.jsonl", QUESTIONS))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        export(table, FORMATS["beir"], tmp_path / "out", ExportOptions(passages=str(tmp_path / name)))
    assert not (tmp_path / "out").exists()


def test_an_export_cannot_overwrite_the_file_of_passages(tmp_path: Path) -> None:
    directory = exported("beir", tmp_path)
    table = QuestionTable(str(tmp_path / "q.jsonl"))
    with pytest.raises(OutputError, match="is an input and would be overwritten"):
        export(table, FORMATS["beir"], directory, ExportOptions(passages=str(directory / "corpus.jsonl")))
