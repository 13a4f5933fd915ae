"""Export formats, checked with the tools that read them."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from qgbatch.errors import InputError, OutputError
from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.hf import size_category
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import COLUMNS, CONTEXT_COLUMNS, Row
from qgbatch.output.writers import json_line
from qgbatch.pipeline.distributed.parts import write_part
from qgbatch.records import make_passage_id
from qgbatch.training.data import read_split
from tests.support.anki_package import unpacked
from tests.support.tables import PROVENANCE, WITH_CONTEXT, ask, passages_of, write, write_rows

BEES = "Bees live in hives.\nThey make honey. '=' is a sign.\n\n-40 is cold. [latex]x[/latex]\t<b>#1</b>"
SAND = "'-ness' is an ending. Rivers carry \"sand\"."


def some_rows() -> list[Row]:
    """Rows of two documents with characters that each format has to escape; one question occurs twice."""
    bees = (0, 36, ["Where do bees live?", "What do bees make?"]), (37, 51, ["'=' means what?"])
    more = (53, len(BEES), ["-40 is what?", "=1+1?", "What do bees make?"])
    sand = (0, len(SAND), ["What do rivers carry?"])
    return [*ask(BEES, "texts/bees, 1.txt", *bees, more), *ask(SAND, "-sand.md", sand)]


def answered_rows() -> list[Row]:
    """The same rows with an answer, which some formats need."""
    return [{**row, "answer": "an answer"} for row in some_rows()]


def write_lines(path: Path, rows: Sequence[Row]) -> str:
    path.write_bytes(b"".join(map(json_line, rows)))
    return str(path)


def exported(export_format: str, path: str, directory: Path, **options: Any) -> dict[str, str]:
    """Export a table and return the summary; a format that needs all passages gets them."""
    if FORMATS[export_format].needs_passages:
        passages = [*passages_of(QuestionTable(path).rows())]
        options["passages"] = write_rows(directory.parent / "passages.jsonl", passages)
    return dict(export(QuestionTable(path), FORMATS[export_format], directory, ExportOptions(**options)))


def read_jsonl(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def load(path: Path, cache: Path, **options: Any) -> Any:
    """The rows of a file or directory as ``datasets`` loads it."""
    datasets.disable_progress_bars()
    given = {"path": "json", "data_files": str(path)} if path.suffix else {"path": str(path)}
    return datasets.load_dataset(**given, split="train", cache_dir=str(cache), **options)


@pytest.mark.parametrize("name", ["q.parquet", "q.csv", "q.jsonl"])
def test_a_table_returns_the_rows_that_were_written(name: str, tmp_path: Path) -> None:
    table = QuestionTable(write(tmp_path / name, some_rows()))
    assert list(table.rows()) == some_rows()
    assert (table.n_rows, table.models) == (7, ["small"])
    assert table.provenance == (PROVENANCE if name == "q.parquet" else None)


def test_the_apostrophes_of_csv_safe_are_removed(tmp_path: Path) -> None:
    path = write(tmp_path / "q.csv", some_rows(), csv_safe=True)
    assert "'-40" in Path(path).read_text()
    assert "''=' means" in Path(path).read_text()
    assert list(QuestionTable(path).rows()) == some_rows()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_that_pandas_saved_again_has_the_same_rows(suffix: str, tmp_path: Path) -> None:
    rows: list[Row] = [{**row, "page": 12} if index else row for index, row in enumerate(some_rows())]
    path = tmp_path / f"q.{suffix}"
    frame = pd.DataFrame(rows)
    assert frame["page"].dtype == "float64"
    if suffix == "csv":
        frame.to_csv(path)
        assert ",12.0\n" in path.read_text()
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    assert list(QuestionTable(str(path)).rows()) == rows


def test_a_fraction_is_not_a_page(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    pd.DataFrame([{**row, "page": 1.5} for row in some_rows()]).to_csv(path)
    with pytest.raises(InputError, match=r"line \d+: page is '1\.5', not a number"):
        list(QuestionTable(str(path)).rows())


def test_a_directory_of_parts_is_read_as_one_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = some_rows()
    for name, some in (("a", rows[:4]), ("b", rows[4:])):
        write_part(tmp_path, name, some, PROVENANCE, WITH_CONTEXT, documents={"/home/ann/a": (1, 2)})
    table = QuestionTable(str(tmp_path))
    assert sorted(table.rows(), key=str) == sorted(rows, key=str)
    assert table.provenance == PROVENANCE  # without the documents' paths and times
    assert "_SUCCESS is missing" in caplog.text
    write_part(tmp_path, "c", [without(rows[0], "context")], PROVENANCE, COLUMNS)
    with pytest.raises(InputError, match=r"part-\w+\.parquet: other columns than .*part-"):
        QuestionTable(str(tmp_path))


def test_answers_may_be_missing_in_a_row(tmp_path: Path) -> None:
    first, second = some_rows()[:2]
    answer: Row = {"answer": "hives", "answer_start_char": 13, "answer_score": 0.5, "page": 1}
    empty = dict.fromkeys(answer)
    lines: list[dict[str, Any]] = [{**first, **answer}, {**second, **empty}]
    (tmp_path / "q.jsonl").write_bytes(b"".join(map(json_line, lines)))
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "q.parquet")
    with (tmp_path / "q.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    for name in ("q.jsonl", "q.parquet", "q.csv"):
        assert list(QuestionTable(str(tmp_path / name)).rows()) == [{**first, **answer}, second]


def without(row: Row, *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "high"}, "line 2: score is text, not a number"),
        ({"score": float("nan")}, "line 2: score is not a finite number"),
        ({"start_char": True}, "line 2: start_char is a boolean, not a whole number"),
        ({"start_char": -1}, "line 2: start_char is out of range"),
        ({"end_char": 1 << 63}, "line 2: end_char is out of range"),
        ({"start_char": 9, "end_char": 8}, "line 2: end_char is before start_char"),
        ({"question": None}, "line 2: question is missing, not text"),
        ({"context": None}, "line 2: context is missing, not text"),
        ({"question": "\ud800?"}, "line 2: question is a lone surrogate at offset 0"),
        ({"question_id": "q1\tx"}, "line 2: question_id is 'q1\\tx', which qgbatch does not write"),
        ({"document_sha256": "../../etc"}, "line 2: document_sha256 is '../../etc', which"),
        ({"answer": "hives"}, "line 2: has 'answer', unlike line 1"),
    ],
)
def test_an_invalid_value_is_reported_with_its_line(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    rows = some_rows()[:3]
    lines = [rows[0], {**rows[1], **change}, rows[2]]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError) as error:
        list(QuestionTable(str(tmp_path / "q.jsonl")).rows())
    assert message in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.csv", b"question,source\n", "q.csv: no column 'question_id'"),
        ("q.csv", b'"a\xff"\n', "line 1: the bytes are not valid utf-8 (byte 2)"),
        ("q.csv", b'"a\n', "line 1: not CSV (unexpected end of data)"),
        ("q.jsonl", b"[1]\n", "line 1: not a JSON object"),
        ("q.jsonl", b"[" * 100_000, "line 1: not JSON"),
        ("q.jsonl", b"", "q.jsonl: contains no question"),
        ("q.csv", b"", "q.csv: contains no question"),
        ("q.jsonl", b"{" * 200, "line 1: the row is larger than"),
        ("q.csv", b"x" * 200, "line 1: the row is larger than"),
        ("q.parquet", b"PAR1", "q.parquet: damaged, or not a Parquet file"),
        ("q.txt", b"", "q.txt: not a known kind of table"),
    ],
)
def test_a_damaged_file_is_reported_with_its_line(
    name: str, content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(content) == 200:
        monkeypatch.setattr("qgbatch.readers.lines.MAX_ROW_BYTES", 100)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        QuestionTable(str(tmp_path / name))
    assert message in error.value.message


def test_csv_errors_name_the_line_of_the_file(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "q.csv", some_rows()))  # with line ends in contexts
    lines = path.read_bytes().split(b"\n")
    for old, new, message in (
        (b"-0.25", b"-x", f"line {len(lines) - 1}: score is '-x', not a number"),
        (b",-0.25", b"", f"line {len(lines) - 1}: 13 values for 14 columns"),
    ):
        damaged = tmp_path / "damaged.csv"
        damaged.write_bytes(b"\n".join([*lines[:-2], lines[-2].replace(old, new), b""]))
        with pytest.raises(InputError, match=r"damaged\.csv, ") as error:
            list(QuestionTable(str(damaged)).rows())
        assert message in error.value.message


def test_damage_inside_parquet_is_an_input_error(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "q.parquet", some_rows()))
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"q\.parquet: damaged"):
        list(QuestionTable(str(path)).rows())


def test_beir_files_agree_with_each_other_and_with_the_rows(tmp_path: Path) -> None:
    counts = exported("beir", write(tmp_path / "q.parquet", some_rows()), tmp_path / "out")
    assert (counts["passages"], counts["queries"]) == ("4", "6")
    corpus = {row["_id"]: row for row in load(tmp_path / "out" / "corpus.jsonl", tmp_path / "cache")}
    queries = {
        row["_id"]: row["text"] for row in load(tmp_path / "out" / "queries.jsonl", tmp_path / "cache")
    }
    passage = corpus[make_passage_id("texts/bees, 1.txt", BEES[:36])]
    assert (passage["text"], passage["title"]) == (BEES[:36], "")
    assert passage["metadata"] == {"source": "texts/bees, 1.txt", "start_char": 0, "end_char": 36}
    with (tmp_path / "out" / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        header, *qrels = csv.reader(file, delimiter="\t")
    assert header == ["query-id", "corpus-id", "score"]
    assert {query for query, _, _ in qrels} == queries.keys()
    assert {passage for _, passage, _ in qrels} == corpus.keys()
    asked = [(queries[query], corpus[passage]["text"], score) for query, passage, score in qrels]
    assert sorted(asked) == sorted((row["question"], row["context"], "1") for row in some_rows())


def test_a_question_about_two_passages_is_one_query(tmp_path: Path) -> None:
    exported("beir", write(tmp_path / "q.parquet", some_rows()), tmp_path / "out")
    (shared,) = (q for q in read_jsonl(tmp_path / "out" / "queries.jsonl") if q["text"].endswith("make?"))
    qrels = (tmp_path / "out" / "qrels" / "test.tsv").read_text().splitlines()
    assert sum(line.startswith(shared["_id"]) for line in qrels) == 2


@pytest.mark.parametrize("export_format", ["beir", "squad", "doc2query"])
def test_passages_do_not_depend_on_row_order_or_on_repeated_rows(
    export_format: str, tmp_path: Path
) -> None:
    rows = some_rows()
    again: list[Row] = [{**row, "question_id": f"{row['question_id']}-2"} for row in rows]
    mixed = rows + again
    random.Random(1).shuffle(mixed)
    first = exported(export_format, write(tmp_path / "a.parquet", rows), tmp_path / "a")
    second = exported(export_format, write(tmp_path / "b.parquet", mixed), tmp_path / "b")
    assert first["left out"].startswith("0 repetitions of a question about the same passage")
    assert second["left out"].startswith("7 repetitions of a question about the same passage")
    assert first["passages"] == second["passages"] == "4"
    for name in FORMATS[export_format].file_names():
        one, other = ((tmp_path / side / name).read_text(encoding="utf-8") for side in "ab")
        assert one.count("\n") == other.count("\n") or export_format == "squad"
    if export_format == "squad":
        contexts = [{p.context: set(p.questions) for p in read(tmp_path / side)} for side in "ab"]
        assert contexts[0] == contexts[1]


def test_an_output_without_the_passages_of_duplicates_causes_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [without(row, "other_passages") for row in some_rows()]
    counts = exported("beir", write_lines(tmp_path / "q.jsonl", rows), tmp_path / "out")
    assert (counts["passages"], counts["queries"]) == ("4", "6")
    assert "no column 'other_passages', so the passages of dropped duplicates count as wrong" in caplog.text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[", "other_passages is not JSON"),
        ("[" * 100_000, "other_passages is not JSON"),
        ("{}", "other_passages is not an array of objects"),
        ("[[]]", "other_passages is not an array of objects"),
        ('[{"passage_id": "p", "source": 1}]', "other_passages: source is a number, not text"),
        (
            '[{"passage_id": "p", "source": "a", "start_char": 2, "end_char": 1, "context": ""}]',
            "end_char is before start_char",
        ),
    ],
)
def test_invalid_passages_of_duplicates_are_reported(value: str, message: str, tmp_path: Path) -> None:
    rows = [{**row, "other_passages": value} for row in some_rows()]
    with pytest.raises(InputError, match=message):
        exported("beir", write_lines(tmp_path / "q.jsonl", rows), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_text_under_two_names_is_two_right_passages(tmp_path: Path) -> None:
    rows = [*some_rows(), *ask(SAND, "copy.md", (0, len(SAND), ["What do rivers carry?"]))]
    counts = exported("beir", write(tmp_path / "q.jsonl", rows), tmp_path / "out")
    assert (counts["passages"], counts["queries"]) == ("5", "6")
    [query] = [
        q for q in read_jsonl(tmp_path / "out" / "queries.jsonl") if q["text"].startswith("What do r")
    ]
    qrels = (tmp_path / "out" / "qrels" / "test.tsv").read_text().splitlines()
    right = [line.split("\t")[1] for line in qrels if line.startswith(query["_id"])]
    assert right == [make_passage_id(name, SAND) for name in ("-sand.md", "copy.md")]


def read(directory: Path) -> Any:
    return read_split(str(directory / "squad.json")).paragraphs


def test_training_reads_the_squad_export(tmp_path: Path) -> None:
    counts = exported("squad", write(tmp_path / "q.csv", some_rows()), tmp_path / "out")
    assert counts["answers"] == "0, because the table has no column answer"
    split = read_split(str(tmp_path / "out" / "squad.json"))
    assert split.n_questions == 7
    assert split.paragraphs[0].context == BEES[:36]
    assert split.paragraphs[0].questions == ("Where do bees live?", "What do bees make?")
    squad = json.loads((tmp_path / "out" / "squad.json").read_text(encoding="utf-8"))
    assert [article["title"] for article in squad["data"]] == ["texts/bees, 1.txt", "-sand.md"]
    loaded = load(tmp_path / "out" / "squad.json", tmp_path / "cache", field="data")
    assert [paragraph["context"] for paragraph in loaded[1]["paragraphs"]] == [SAND]


def test_squad_answers_are_at_their_offsets(tmp_path: Path) -> None:
    rows = some_rows()[2:6]
    rows[0] |= {"answer": "a sign", "answer_start_char": 44}
    rows[1] |= {"answer": "cold", "answer_start_char": BEES.index("cold")}
    rows[2] |= {"answer": "hives", "answer_start_char": BEES.index("hives")}  # of another passage
    rows[3] |= {"answer": "honey", "answer_start_char": BEES.index("cold")}
    lines = [{"answer": None, "answer_start_char": None, **row} for row in (*rows, some_rows()[-1])]
    path = write_lines(tmp_path / "q.jsonl", lines)
    counts = exported("squad", path, tmp_path / "out")
    assert counts["answers"] == "2; 2 left out because they are not at their offset in the passage"
    squad = json.loads((tmp_path / "out" / "squad.json").read_text(encoding="utf-8"))
    paragraphs = [p for article in squad["data"] for p in article["paragraphs"]]
    found = [(p["context"], answer) for p in paragraphs for qa in p["qas"] for answer in qa["answers"]]
    assert [answer["text"] for _, answer in found] == ["a sign", "cold"]
    for context, answer in found:
        start = answer["answer_start"]
        assert context[start : start + len(answer["text"])] == answer["text"]
    assert sum(len(p["qas"]) for p in paragraphs) == 5


@pytest.mark.parametrize("with_context", [True, False])
def test_the_hf_export_loads_and_has_a_card(with_context: bool, tmp_path: Path) -> None:
    rows = some_rows()
    if not with_context:
        rows = [without(row, *CONTEXT_COLUMNS) for row in rows]
    table = QuestionTable(write(tmp_path / "q.parquet", rows))
    export(table, FORMATS["hf"], tmp_path / "asked", ExportOptions(license_name="cc-by-sa-4.0"))
    assert load(tmp_path / "asked", tmp_path / "cache").to_list() == [{**row, "page": None} for row in rows]
    card = DatasetCard.load(tmp_path / "asked" / "README.md")
    assert card.data.license == "cc-by-sa-4.0"
    assert card.data.size_categories == ["n<1K"]
    assert card.data.task_categories == (["text-retrieval"] if with_context else ["other"])
    assert "# asked" in card.text
    assert "| questions | 7 |" in card.text
    assert '"num_beams": 4' in card.text
    assert "whose own licences apply" in card.text
    again = QuestionTable(str(tmp_path / "asked" / "data"))
    assert (list(again.rows()), again.provenance) == (rows, PROVENANCE)


def test_the_hf_export_has_nulls_for_missing_answers(tmp_path: Path) -> None:
    answers: list[dict[str, Any]] = [{"answer": "hives", "page": 2}, {"answer": None, "page": None}]
    rows = [{**row, **answer} for row, answer in zip(some_rows(), answers, strict=False)]
    (tmp_path / "q.jsonl").write_bytes(b"".join(json_line(row) for row in rows))
    exported("hf", str(tmp_path / "q.jsonl"), tmp_path / "out")
    assert load(tmp_path / "out", tmp_path / "cache").to_list() == rows


def test_the_hf_export_has_the_kept_columns(tmp_path: Path) -> None:
    rows = [{**row, "a|\n<b>": str(index)} for index, row in enumerate(some_rows())]
    exported("hf", write(tmp_path / "q.parquet", rows), tmp_path / "out")
    (part,) = FORMATS["hf"].file_names()
    table = pq.read_table(tmp_path / "out" / part)
    assert table.column("a|\n<b>").to_pylist() == [str(index) for index in range(len(rows))]
    assert "a\\| &lt;b&gt; |" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("n_read", "sentence"),
    [
        (0, "A model wrote the questions. Nobody has read all of them."),
        (2, "A reader has kept or edited 2 of these 7."),
        (7, "A reader has kept or edited all of them."),
    ],
)
def test_the_card_says_how_many_questions_a_reader_has_read(
    n_read: int, sentence: str, tmp_path: Path
) -> None:
    rows = [{**row, "review": "kept" if index < n_read else None} for index, row in enumerate(some_rows())]
    exported("beir", write(tmp_path / "q.jsonl", rows), tmp_path / "out")
    assert sentence in (tmp_path / "out" / "README.md").read_text()


def test_no_value_can_end_the_code_block_of_the_card(tmp_path: Path) -> None:
    rows = [{**row, "model": "x\n```\n# <script>"} for row in some_rows()]
    exported("hf", write(tmp_path / "q.jsonl", rows), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert [line for line in card.split("\n") if line.startswith("```")] == ["```json", "```"]
    assert "\n# <script>" not in card


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [
        (1, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (999_999, "100K<n<1M"),
        (10**6, "1M<n<10M"),
        (10**12, "n>1T"),
    ],
)
def test_size_categories_are_those_of_the_hub(n_rows: int, expected: str) -> None:
    assert size_category(n_rows) == expected


def test_doc2query_keeps_the_passage_separate_from_its_questions(tmp_path: Path) -> None:
    exported("doc2query", write(tmp_path / "q.parquet", some_rows()), tmp_path / "out")
    documents = read_jsonl(tmp_path / "out" / "documents.jsonl")
    assert len({document["id"] for document in documents}) == 4
    assert documents[0]["text"] == BEES[:36]
    assert documents[0]["contents"] == f"{BEES[:36]}\nWhere do bees live?\nWhat do bees make?"


@pytest.mark.parametrize("export_format", FORMATS)
def test_the_same_table_gives_the_same_bytes(export_format: str, tmp_path: Path) -> None:
    path = write(tmp_path / "q.parquet", answered_rows())
    (tmp_path / "1").mkdir()
    for directory in (tmp_path / "out", tmp_path / "1" / "out", tmp_path / "out"):  # the last one again
        exported(export_format, path, directory)
    names = (*FORMATS[export_format].file_names(), "README.md")
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "1" / "out" / name).read_bytes()
    assert {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()} == {
        *names
    }


@pytest.mark.parametrize("name", ["q.parquet", "q.csv"])
@pytest.mark.parametrize("export_format", FORMATS)
def test_no_export_has_the_places_of_models(export_format: str, name: str, tmp_path: Path) -> None:
    model = "/home/ann/models/asker"
    settings = {"model": model, "tokenizer": "/home/ann/own", "answers": "ann/answerer"}
    rows = [{**row, "model": model} for row in answered_rows()]
    provenance = replace(PROVENANCE, model=model, settings=settings)
    exported(export_format, write(tmp_path / name, rows, provenance=provenance), tmp_path / "out")
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path.name for path in written if b"/home/ann" in unpacked(path)]
    assert "asker" in (tmp_path / "out" / "README.md").read_text()
    if export_format == "hf":
        table = pq.read_table(tmp_path / "out" / FORMATS["hf"].file_names()[0])
        assert b"/home/ann" not in b"".join((table.schema.metadata or {}).values())
        assert set(table["model"].to_pylist()) == {"asker"}
    if name == "q.parquet":
        assert "ann/answerer" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("export_format", FORMATS)
def test_foreign_files_are_not_replaced(export_format: str, tmp_path: Path) -> None:
    path = write(tmp_path / "q.parquet", answered_rows())
    for name in (*FORMATS[export_format].file_names(), "README.md"):
        place = tmp_path / name.replace("/", "-") / name
        place.parent.mkdir(parents=True)
        place.write_text("Ann's own.")
        with pytest.raises(OutputError, match="did not write this directory"):
            exported(export_format, path, tmp_path / name.replace("/", "-"))
        assert place.read_text() == "Ann's own."
    another = next(name for name in FORMATS if name != export_format)
    exported(another, path, tmp_path / "another")
    with pytest.raises(OutputError, match="did not write this directory"):
        exported(export_format, path, tmp_path / "another")


@pytest.mark.parametrize("export_format", FORMATS)
def test_a_damaged_table_changes_nothing_in_the_output_directory(
    export_format: str, tmp_path: Path
) -> None:
    good = write(tmp_path / "q.jsonl", answered_rows())
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(Path(good).read_bytes() + b"{")
    with pytest.raises(InputError, match="line 8: not JSON"):
        exported(export_format, str(bad), tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()
    exported(export_format, good, tmp_path / "old")
    before = {path: path.read_bytes() for path in (tmp_path / "old").rglob("*") if path.is_file()}
    with pytest.raises(InputError):
        exported(export_format, str(bad), tmp_path / "old")
    assert {path: path.read_bytes() for path in (tmp_path / "old").rglob("*") if path.is_file()} == before


def test_an_export_cannot_overwrite_its_own_input(tmp_path: Path) -> None:
    exported("hf", write(tmp_path / "q.parquet", some_rows()), tmp_path / "out")
    with pytest.raises(OutputError, match="is an input and would be overwritten"):
        exported("hf", str(tmp_path / "out" / "data"), tmp_path / "out")


def test_a_full_temporary_directory_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qgbatch.exports import passages

    pages = "PRAGMA max_page_count = 8;"
    monkeypatch.setattr(passages, "_SCHEMA", passages._SCHEMA + pages)
    text = "Long. " * 20_000
    path = write(tmp_path / "q.jsonl", ask(text, "a.txt", (0, len(text), ["How long?"])))
    with pytest.raises(OutputError, match="No space for temporary files"):
        exported("beir", path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
