"""Question data in each form it may have, and the strings that a model is trained on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from qgbatch.errors import InputError
from qgbatch.models.known_models import ModelMetadata
from qgbatch.models.tokenizer import PromptTokenizer, load_new_tokenizer, target_text
from qgbatch.training.data import load_splits, read_split
from qgbatch.training.examples import encode_paragraphs, make_examples
from qgbatch.training.paragraphs import Paragraph, QuestionAnswer
from tests.conftest import MINI, ROOT
from tests.support.tables import ask, write_rows

SQUAD_DEV = ROOT.parent / "shared" / "data" / "squad-dev-v1.1.json"


def plain(context: str, *questions: str) -> Paragraph:
    """A paragraph whose questions have no answers."""
    return Paragraph(context, tuple(map(QuestionAnswer, questions)))


BEES = plain("Bees live in hives. They make honey.", "Where do bees live?", "What do bees make?")
SAND = plain("Rivers carry sand.", "What do rivers carry?")
ROWS: list[dict[str, Any]] = [
    {"context": BEES.context, "questions": list(BEES.questions)},
    {"context": SAND.context, "questions": list(SAND.questions)},
]
ANSWERS = ("hives", None)
ANSWERED = Paragraph(BEES.context, tuple(map(QuestionAnswer, BEES.questions, ANSWERS)))


def squad(*articles: Sequence[Any]) -> dict[str, Any]:
    """An object in SQuAD's form, an article of paragraphs each."""
    return {"version": "1.1", "data": [{"title": "A", "paragraphs": list(some)} for some in articles]}


def asked(paragraph: Paragraph) -> dict[str, Any]:
    """A paragraph as SQuAD v1.1 has it, with two annotators' answers to each question that has one."""
    qas = [
        {
            "id": f"{n}",
            "question": pair.question,
            "answers": [
                {"text": text, "answer_start": 0} for text in (pair.answer, "other") if pair.answer
            ],
        }
        for n, pair in enumerate(paragraph.pairs)
    ]
    return {"context": paragraph.context, "qas": qas}


def write_json(path: Path, value: object) -> str:
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def write_lines(path: Path, rows: Sequence[object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> str:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def pack(path: str) -> str:
    packed = Path(f"{path}.gz")
    packed.write_bytes(gzip.compress(Path(path).read_bytes()))
    return str(packed)


WRITERS: dict[str, Callable[[Path], str]] = {
    "squad": lambda home: write_json(home / "a.json", squad([asked(BEES)], [asked(SAND)])),
    "squad-gz": lambda home: pack(write_json(home / "a.json", squad([asked(BEES), asked(SAND)]))),
    "jsonl": lambda home: write_lines(home / "a.jsonl", ROWS),
    "jsonl-gz": lambda home: pack(write_lines(home / "a.jsonl", ROWS)),
    "parquet": lambda home: write_parquet(home / "a.parquet", ROWS),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
def test_each_form_gives_the_same_paragraphs_in_order(write: Callable[[Path], str], tmp_path: Path) -> None:
    path = write(tmp_path)
    split = read_split(path)
    assert split.paragraphs == (BEES, SAND)
    assert split.facts() == {
        "name": path,
        "sha256": sha256(Path(path).read_bytes()).hexdigest(),
        "paragraphs": 2,
        "questions": 3,
    }
    assert not split.skipped


@pytest.mark.parametrize("separator", ["<sep>", "{sep_token}"])
def test_joined_questions_and_prefixed_contexts_are_the_notebooks_columns(
    separator: str, tmp_path: Path
) -> None:
    joined = "".join(f"{question} {separator} " for question in BEES.questions)
    row = {"context": f"generate questions: {BEES.context}", "questions": joined}
    assert read_split(write_lines(tmp_path / "a.jsonl", [row])).paragraphs == (BEES,)
    assert read_split(write_parquet(tmp_path / "a.parquet", [row])).paragraphs == (BEES,)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_an_output_of_a_run_is_data(suffix: str, tmp_path: Path) -> None:
    text = "Tea is old. Ships sail."
    rows = ask(text, "a.txt", (0, 11, ["Is tea old?", "What is old?"]), (12, 23, ["What sails?"]))
    rows = [{**row, "answer": answer} for row, answer in zip(rows, ("yes", "tea", "ships"), strict=True)]
    split = read_split(write_rows(tmp_path / f"q{suffix}", rows), with_answers=True)
    assert [(paragraph.context, paragraph.questions) for paragraph in split.paragraphs] == [
        ("Tea is old.", ("Is tea old?", "What is old?")),
        ("Ships sail.", ("What sails?",)),
    ]
    assert split.paragraphs[0].answers == ("yes", "tea")


@pytest.mark.parametrize("keep", [False, True])
def test_unanswerable_questions_are_left_out_and_counted_unless_kept(keep: bool, tmp_path: Path) -> None:
    qas = [
        {"question": "Where do bees live?", "is_impossible": False},
        {"question": "Who counts the bees?", "is_impossible": True},
    ]
    alone = {"context": SAND.context, "qas": [qas[1]]}
    path = write_json(tmp_path / "a.json", squad([{"context": BEES.context, "qas": qas}, alone]))
    split = read_split(path, keep_unanswerable=keep)
    if keep:
        assert [len(paragraph.questions) for paragraph in split.paragraphs] == [2, 1]
        assert not split.skipped
    else:
        assert split.paragraphs == (plain(BEES.context, "Where do bees live?"),)
        assert split.skipped == {"unanswerable questions": 2, "paragraphs without questions": 1}


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [*ROWS, {"context": "Nobody asks.", "questions": []}, {"context": "Nor here.", "questions": " "}]
    rows.append({"context": "Once.", "questions": [" ", " How often? ", ""]})
    split = read_split(write_lines(tmp_path / "a.jsonl", rows))
    assert split.paragraphs == (BEES, SAND, plain("Once.", "How often?"))
    assert split.skipped == {"paragraphs without questions": 2, "empty questions": 2}


def test_blank_lines_and_a_byte_order_mark_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n\n".join(json.dumps(row) for row in ROWS).encode())
    assert read_split(str(path)).paragraphs == (BEES, SAND)


OBJECTS = [{"question": BEES.questions[0], "answer": "hives"}, {"question": BEES.questions[1]}]
OBJECT_ROWS = [{"context": BEES.context, "questions": OBJECTS}, ROWS[1]]
ANSWER_WRITERS: dict[str, Callable[[Path], str]] = {
    "squad": lambda home: write_json(home / "a.json", squad([asked(ANSWERED), asked(SAND)])),
    "jsonl": lambda home: write_lines(home / "a.jsonl", OBJECT_ROWS),
    "parquet": lambda home: write_parquet(home / "a.parquet", OBJECT_ROWS[:1]),
}


@pytest.mark.parametrize("write", ANSWER_WRITERS.values(), ids=list(ANSWER_WRITERS))
def test_answers_are_kept_with_their_questions(write: Callable[[Path], str], tmp_path: Path) -> None:
    split = read_split(write(tmp_path))
    assert split.paragraphs[0] == ANSWERED
    assert not split.skipped


def test_questions_without_an_answer_are_skipped_and_counted_on_request(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", OBJECT_ROWS)
    split = read_split(path, with_answers=True)
    assert split.paragraphs == (ANSWERED.only_answered(),)
    assert split.skipped == {"questions without an answer": 2, "paragraphs without questions": 1}
    assert split.sha256 == read_split(path).sha256


def test_data_without_any_answer_is_an_error_that_says_what_is_needed(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [*ROWS, {"context": "x", "questions": [{"question": "y"}]}])
    with pytest.raises(InputError, match=r"a\.jsonl: no question has an answer") as caught:
        read_split(path, with_answers=True)
    assert '{"question": "Who came?", "answer": "Ann"}' in str(caught.value.hint)


def with_object(**fields: object) -> bytes:
    """A line of JSONL with one question that has these fields."""
    return json.dumps({"context": "x", "questions": [{"question": "y", **fields}]}).encode()


GOOD_LINE = json.dumps(ROWS[0]).encode()
HALF = json.dumps({"context": "a \ud800", "questions": ["b"]}).encode()
MALFORMED: dict[str, tuple[str, bytes, str]] = {
    "cut-json": ("a.json", json.dumps(squad([asked(BEES)])).encode()[:-9], "a.json: not JSON"),
    "deep-json": ("a.json", b"[" * 100_000, "a.json: not JSON"),
    "no-utf-8": ("a.json", b'{"data": "\xe9"}', "a.json: not JSON"),
    "cut-gzip": ("a.json.gz", gzip.compress(b"{}" * 99)[:-9], "a.json.gz: the gzip file is damaged"),
    "no-gzip": ("a.json.gz", b"{}", "a.json.gz: the gzip file is damaged"),
    "no-object": ("a.json", b"[]", "a.json: list, not an object"),
    "no-data": ("a.json", b"{}", "a.json: no 'data'"),
    "data-null": ("a.json", b'{"data": null}', "a.json: data is null"),
    "article-text": ("a.json", b'{"data": ["x"]}', r"a.json: data\[0\]: text, not an object"),
    "no-paragraphs": ("a.json", b'{"data": [{}]}', r"data\[0\]: no 'paragraphs'"),
    "no-qas": ("a.json", json.dumps(squad([asked(BEES), {"context": "x"}])).encode(),
        r"data\[0\].paragraphs\[1\]: no 'qas'"),
    "no-context": ("a.json", json.dumps(squad([], [{"qas": []}])).encode(),
        r"data\[1\].paragraphs\[0\]: no 'context'"),
    "no-question": ("a.json", json.dumps(squad([{"context": "x", "qas": [{}]}])).encode(),
        r"paragraphs\[0\].questions\[0\]: no 'question'"),
    "question-number": ("a.json", json.dumps(squad([{"context": "x", "qas": [{"question": 7}]}])).encode(),
        r"questions\[0\]: question is number"),
    "empty-split": ("a.json", json.dumps(squad([])).encode(), "a.json: no paragraph with a question"),
    "cut-line": ("a.jsonl", GOOD_LINE + b"\n" + GOOD_LINE[:-5], "a.jsonl, line 2: not JSON"),
    "line-list": ("a.jsonl", GOOD_LINE + b"\n\n[]", "a.jsonl, line 3: not a JSON object"),
    "line-no-context": ("a.jsonl", b'{"questions": ["x"]}', "a.jsonl, line 1: no 'context'"),
    "line-no-questions": ("a.jsonl", b'{"context": "x"}', "a.jsonl, line 1: questions is null"),
    "line-empty-context": ("a.jsonl", b'{"context": " ", "questions": ["x"]}', "1: the context is empty"),
    "half-character": ("a.jsonl", HALF, "line 1.context: a lone surrogate at offset 2"),
    "half-question": ("a.jsonl", b'{"context": "x", "questions": ["\\ud800"]}',
        r"line 1.questions\[0\]: a lone surrogate at offset 0"),
    "answer-number": ("a.jsonl", with_object(answer=7), r"line 1.questions\[0\]: answer is number"),
    "half-answer": ("a.jsonl", with_object(answer="\ud800"), r"\[0\].answer: a lone surrogate"),
    "answers-text": ("a.jsonl", with_object(answers="z"), r"questions\[0\]: answers is text"),
    "answers-of-text": ("a.jsonl", with_object(answers=["z"]), r"\.answers\[0\]: text, not an object"),
    "answers-no-text": ("a.jsonl", with_object(answers=[{}]), r"\.answers\[0\]: no 'text'"),
    "empty-file": ("a.jsonl", b"", "a.jsonl: no paragraph with a question"),
    "no-parquet": ("a.parquet", b"PAR1", "a.parquet: damaged, or not a Parquet file"),
    "suffix": ("a.csv", b"context,questions", "a.csv: not a known kind of data"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "reason"), MALFORMED.values(), ids=list(MALFORMED))
def test_malformed_data_is_an_error_that_names_file_and_place(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_split(str(path))
    assert caught.value.message.startswith(str(path))


@pytest.mark.parametrize(
    ("row", "reason"),
    [({"text": "x"}, "no 'context'"), ({"context": "x"}, "questions is null"),
     ({"context": None, "questions": ["x"]}, "context is null"),
     ({"context": "x", "questions": [7]}, "number, not an object")],
)  # fmt: skip
def test_a_parquet_row_that_lacks_something_is_named(
    row: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = write_parquet(tmp_path / "a.parquet", [row])
    with pytest.raises(InputError, match=rf"a\.parquet, row 0\S*: {reason}"):
        read_split(path)


@pytest.mark.parametrize("path", ["missing.json", ".json", "a\0.json"])
def test_a_file_that_cannot_be_read_is_named(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".json").mkdir()
    with pytest.raises(InputError, match=r"\.json: cannot be read"):
        read_split(path)


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """An empty directory for ``datasets``."""
    directory = tmp_path / "set"
    directory.mkdir()
    return directory


def test_a_directory_of_paragraphs_is_loaded_by_split(data_set: Path) -> None:
    write_parquet(data_set / "train.parquet", ROWS)
    write_parquet(data_set / "validation.parquet", ROWS[1:])
    splits = load_splits(str(data_set))
    assert splits["train"].paragraphs == (BEES, SAND)
    assert splits["validation"].paragraphs == (SAND,)
    assert splits["train"].name == f"{data_set}, train"
    assert splits["train"].sha256 != splits["validation"].sha256


@pytest.mark.parametrize("keep", [False, True])
def test_rows_of_one_question_are_grouped_by_neighbouring_context(keep: bool, data_set: Path) -> None:
    answers: dict[str, Any] = {"text": ["hives"], "answer_start": [13]}
    none: dict[str, Any] = {"text": [], "answer_start": []}
    rows = [
        {"id": "1", "context": BEES.context, "question": BEES.questions[0], "answers": answers},
        {"id": "2", "context": BEES.context, "question": BEES.questions[1], "answers": answers},
        {"id": "3", "context": SAND.context, "question": SAND.questions[0], "answers": answers},
        {"id": "4", "context": SAND.context, "question": "Who asks the sand?", "answers": none},
        {"id": "5", "context": BEES.context, "question": "Do bees sleep?", "answers": answers},
    ]
    write_parquet(data_set / "train.parquet", rows)
    split = load_splits(str(data_set), keep_unanswerable=keep)["train"]
    asked = [
        (BEES.context, BEES.questions),
        (SAND.context, (*SAND.questions, "Who asks the sand?") if keep else SAND.questions),
        (BEES.context, ("Do bees sleep?",)),
    ]
    assert [(paragraph.context, paragraph.questions) for paragraph in split.paragraphs] == asked
    assert split.paragraphs[1].answers == (("hives", None) if keep else ("hives",))
    assert split.skipped == ({} if keep else {"unanswerable questions": 1})


@pytest.mark.parametrize("answers", [None, "hives", ["hives"]])
def test_answers_of_another_kind_do_not_matter(answers: object, data_set: Path) -> None:
    row = {"context": SAND.context, "question": SAND.questions[0], "answers": answers}
    write_parquet(data_set / "train.parquet", [row])
    assert load_splits(str(data_set))["train"].paragraphs == (SAND,)


def test_an_answer_of_another_type_on_the_hub_is_named(data_set: Path) -> None:
    row = {"context": SAND.context, "question": SAND.questions[0], "answers": {"text": [7]}}
    write_parquet(data_set / "train.parquet", [row])
    with pytest.raises(InputError, match=r"set, train, row 0.questions\[0\]: answer is number"):
        load_splits(str(data_set))


def test_the_hash_of_a_data_set_includes_answers_only_if_they_are_used(data_set: Path) -> None:
    hashes = []
    for answer in ("sand", "gold"):
        answers = {"text": [answer], "answer_start": [13]}
        row = {"context": SAND.context, "question": SAND.questions[0], "answers": answers}
        write_parquet(data_set / "train.parquet", [row])
        hashes.append(
            [load_splits(str(data_set), with_answers=used)["train"].sha256 for used in (False, True)]
        )
    assert hashes[0][0] == hashes[1][0]
    assert len({sha256 for pair in hashes for sha256 in pair}) == 3


@pytest.mark.parametrize("missing", ["context", "question"])
def test_a_missing_column_is_named(missing: str, data_set: Path) -> None:
    row = {"context": "x", "question": "y"}
    del row[missing]
    write_parquet(data_set / "train.parquet", [row])
    with pytest.raises(InputError, match=f"set, train: no column '{missing}'"):
        load_splits(str(data_set))


def test_splits_that_are_not_wanted_may_be_anything(data_set: Path) -> None:
    write_parquet(data_set / "train.parquet", ROWS)
    write_parquet(data_set / "test.parquet", [{**ROWS[0], "questions": []}])
    assert list(load_splits(str(data_set), only=("train", "validation"))) == ["train"]
    with pytest.raises(InputError, match="set, test: no paragraph with a question"):
        load_splits(str(data_set))


def test_an_id_that_is_not_in_the_cache_offline_says_what_to_do(data_set: Path) -> None:
    with pytest.raises(InputError, match=r"ann/no-such-set: not a directory here.*HF_HUB_OFFLINE"):
        load_splits("ann/no-such-set")


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return load_new_tokenizer(str(MINI), ModelMetadata())


def test_what_is_encoded_are_the_notebooks_strings(tokenizer: PromptTokenizer) -> None:
    reference: Any = AutoTokenizer.from_pretrained(MINI)
    sources, targets = tokenizer.encode([BEES.context]), tokenizer.encode_targets([BEES.questions])
    source = f"generate questions: {BEES.context} </s>"
    target = "Where do bees live? <sep> What do bees make? <sep> </s>"
    assert [list(sources[0]), list(targets[0])] == reference([source, target])["input_ids"]
    assert tokenizer.hf_tokenizer.decode(list(sources[0])) == f"generate questions: {BEES.context}</s></s>"
    assert sum(token in tokenizer.separator_ids for token in targets[0]) == 2
    assert targets[0][-2:] == (tokenizer.eos_id, tokenizer.eos_id)


def test_answers_are_encoded_if_the_model_writes_them(tokenizer: PromptTokenizer) -> None:
    metadata = ModelMetadata(prefix="ask: ", suffix="", answer_separator="<ans>")
    writes_answers = load_new_tokenizer(str(MINI), metadata)
    paragraph = Paragraph(BEES.context, tuple(map(QuestionAnswer, BEES.questions, ("hives", "honey"))))
    text = "Where do bees live? <ans> hives <sep> What do bees make? <ans> honey"
    assert target_text(paragraph.questions, metadata, paragraph.answers) == text
    (target,) = encode_paragraphs(writes_answers, [paragraph])[1]
    words = ("Where do bees live?", "hives", "What do bees make?", "honey")
    ids = [encoded.ids for encoded in map(writes_answers.hf_tokenizer.backend_tokenizer.encode, words)]
    answer, separator = *writes_answers.answer_separator_ids, *writes_answers.separator_ids
    end = writes_answers.eos_id
    question, *others = [[token for token in some if token != end] for some in ids]
    expected = [*question, answer, *others[0], separator, *others[1], answer, *others[2], end]
    assert list(target) == expected
    assert encode_paragraphs(tokenizer, [paragraph])[1] == tokenizer.encode_targets([paragraph.questions])


def test_examples_are_cut_with_the_end_token_kept() -> None:
    examples = make_examples([(5, 6, 7, 1), (5, 6, 1)], [(8, 1), (8, 9, 10, 11, 1, 1)], 1, 3, 4)
    assert examples == [
        {"input_ids": [5, 6, 1], "labels": [8, 1]},
        {"input_ids": [5, 6, 1], "labels": [8, 9, 10, 1]},
    ]


@pytest.mark.skipif(not SQUAD_DEV.is_file(), reason=f"{SQUAD_DEV} is not on this machine")
def test_squads_development_set_is_read_whole() -> None:
    split = read_split(str(SQUAD_DEV))
    assert (len(split.paragraphs), split.n_questions) == (2067, 10570)
    assert not split.skipped
    first = json.loads(SQUAD_DEV.read_text(encoding="utf-8"))["data"][0]["paragraphs"][0]
    assert split.paragraphs[0].questions == tuple(qa["question"].strip() for qa in first["qas"])
    assert split.paragraphs[0].answers == tuple(qa["answers"][0]["text"] for qa in first["qas"])


def test_what_a_small_gz_may_unpack_to_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 2000))
    monkeypatch.setattr("qgbatch.training.data.MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(InputError, match=r"a.jsonl.gz: more than 1,000 bytes unpacked"):
        read_split(str(path))
