"""``qgbatch evaluate``: metrics of a model and of a file, with their protocol."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import ExitCode
from qgbatch.pipeline.components import Components
from qgbatch.training.metrics import METRICS
from tests.conftest import MINI, SAMPLES, invoke
from tests.support.training import make_base, paragraphs, write_squad

QUESTIONS = ["What is written here?", "Who wrote it?"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five paragraphs of ``samples/``, each with the same two questions."""
    text = (SAMPLES / "lighthouses.txt").read_text(encoding="utf-8")
    contexts = [block.strip() for block in text.split("\n\n") if len(block) > 200][:5]
    qas = [{"question": question} for question in QUESTIONS]
    made = [{"context": context, "qas": qas} for context in contexts]
    return write_squad(tmp_path_factory.mktemp("data") / "dev.json", made)


def contexts(data: Path) -> list[str]:
    article = json.loads(data.read_text())["data"][0]
    return [paragraph["context"] for paragraph in article["paragraphs"]]


@pytest.fixture(scope="module")
def evaluated(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What an evaluation of mini prints, and its JSON."""
    output = tmp_path_factory.mktemp("figures") / "metrics.json"
    result = invoke("evaluate", "--data", data, "-o", output)
    assert result.exit_code == ExitCode.OK, result.output
    return result.stdout, json.loads(output.read_text())


def test_a_model_gets_all_metrics_and_a_protocol(evaluated: tuple[str, dict[str, Any]]) -> None:
    printed, written = evaluated
    assert list(written["metrics"]) == [name for name in METRICS if not name.startswith("answer")]
    assert written["protocol"]["model"] == "small"
    assert written["protocol"]["paragraphs"] == "5 of 5"
    assert written["protocol"]["no_repeat_ngram_size"] == 6
    for name, value in written["metrics"].items():
        assert f"| {name} | {value:.4f} | {METRICS[name]} |" in printed
    for name, value in written["protocol"].items():
        assert f"| {name} | {value} |" in printed


def test_the_questions_are_the_same_as_in_a_run(
    qgbatch: Callable[..., Result], data: Path, evaluated: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    for index, context in enumerate(contexts(data)):
        (tmp_path / f"{index}.txt").write_text(context + "\n", encoding="utf-8")
    questions = tmp_path / "questions.parquet"
    assert invoke("run", *sorted(tmp_path.glob("*.txt")), "-o", questions).exit_code == ExitCode.OK
    output = tmp_path / "metrics.json"
    result = qgbatch("evaluate", "--data", data, "--questions", questions, "-o", output)
    assert result.exit_code == ExitCode.OK, result.output
    figures, of_model = json.loads(output.read_text())["metrics"], evaluated[1]["metrics"]
    shared = [name for name in figures if name not in ("well_formed", "duplicated")]
    assert len(shared) == 10
    for name in shared:
        assert figures[name] == pytest.approx(of_model[name]), name


def test_validation_loss_is_the_mean_over_target_tokens_and_over_characters(
    data: Path, evaluated: tuple[str, dict[str, Any]]
) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(MINI)
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(MINI, dtype=torch.float32)
    target = " ".join(f"{question} <sep>" for question in QUESTIONS)
    total, n_tokens, n_characters = 0.0, 0, 0
    for context in contexts(data):
        source = tokenizer(f"generate questions: {context}", return_tensors="pt")
        labels = tokenizer(target, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            total += model(**source, labels=labels).loss.item() * labels.numel()
        n_tokens += labels.numel()
        n_characters += len(tokenizer.decode(labels[0], skip_special_tokens=True))
    metrics = evaluated[1]["metrics"]
    assert metrics["validation_loss"] == pytest.approx(total / n_tokens, rel=1e-4)
    assert metrics["validation_loss_per_character"] == pytest.approx(total / n_characters, rel=1e-4)


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights whose metadata say that it writes answers."""
    model = make_base(tmp_path_factory.mktemp("models") / "answering")
    metadata = {"prefix": "generate questions and answers: ", "suffix": "", "answer_separator": "<ans>"}
    (model / "qgbatch.json").write_text(json.dumps(metadata))
    return model


def evaluate_answers(
    qgbatch: Callable[..., Result], made: list[dict[str, Any]], model: Path, home: Path
) -> tuple[Result, dict[str, float]]:
    """The metrics of a model that writes answers on these paragraphs."""
    output = home / "metrics.json"
    words = ("--data", write_squad(home / "dev.json", made), "--model", model, "-o", output)
    result = qgbatch("evaluate", *words)
    assert result.exit_code == ExitCode.OK, result.output
    return result, json.loads(output.read_text())["metrics"]


def test_answers_are_evaluated_apart_from_questions(
    qgbatch: Callable[..., Result], answering: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = paragraphs(4, answers=True)
    written = {}
    for paragraph in made:
        asked = [qa["question"] for qa in paragraph["qas"]]
        right = paragraph["qas"][0]["answers"][0]["text"]
        written[paragraph["context"]] = [(asked[0], right), *((q, None) for q in ("Who sang?", *asked[1:]))]
    monkeypatch.setattr("qgbatch.engines.fake._make_questions", lambda text: written[text])
    with_fake_engine = functools.partial(Components.find, load_engine=FakeEngine().load)
    monkeypatch.setattr(Components, "find", with_fake_engine)
    _, metrics = evaluate_answers(qgbatch, made, answering, tmp_path)
    assert list(metrics) == list(METRICS)
    assert metrics["questions_per_paragraph"] == metrics["set_precision"] == 1
    assert [metrics[name] for name in METRICS if name.startswith("answer_")] == [1, 1, 1]
    n_questions = sum(len(paragraph["qas"]) for paragraph in made)
    assert metrics["answered"] == 4 / (n_questions + 4)


def test_the_validation_loss_of_a_model_with_answers_needs_answers(
    qgbatch: Callable[..., Result], answering: Path, tmp_path: Path
) -> None:
    made = paragraphs(3, answers=True)
    _, complete = evaluate_answers(qgbatch, made, answering, tmp_path)
    made.append({"context": "Bees dance.", "qas": [{"question": "Why do bees dance?"}]})
    _, partial = evaluate_answers(qgbatch, made, answering, tmp_path)
    assert partial["validation_loss"] == complete["validation_loss"]
    result, none = evaluate_answers(qgbatch, paragraphs(3), answering, tmp_path)
    assert "No validation loss" in result.stderr
    assert "validation_loss" not in none


def test_answers_in_a_file_are_evaluated(qgbatch: Callable[..., Result], tmp_path: Path) -> None:
    made = paragraphs(2, answers=True)
    data = write_squad(tmp_path / "dev.json", made)
    questions, output = tmp_path / "questions.jsonl", tmp_path / "metrics.json"
    rows = [
        {"context": paragraph["context"], "question": qa["question"], "answer": answer}
        for paragraph in made
        for qa, answer in zip(paragraph["qas"], ("1800", None), strict=False)
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = qgbatch("evaluate", "--data", data, "--questions", questions, "-o", output)
    assert result.exit_code == ExitCode.OK, result.output
    metrics = json.loads(output.read_text())["metrics"]
    answers = {name: value for name, value in metrics.items() if name.startswith("answer")}
    assert answers == {
        "answered": 2 / 3, "answer_in_text": 1 / 2, "answer_exact": 1 / 3, "answer_f1": 1 / 3,
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_file_with_the_references_gets_the_best_scores(
    qgbatch: Callable[..., Result], data: Path, tmp_path: Path, suffix: str
) -> None:
    import pandas as pd

    rows = [(context, question) for context in contexts(data) for question in QUESTIONS]
    table = pd.DataFrame(rows, columns=["context", "question"])
    questions = tmp_path / f"questions{suffix}"
    if suffix == ".csv":
        table.to_csv(questions, index=False)
    else:
        table.to_json(questions, orient="records", lines=True)
    result = qgbatch("evaluate", "--data", data, "--questions", questions, "-o", tmp_path / "m.md")
    assert result.exit_code == ExitCode.OK, result.output
    assert (tmp_path / "m.md").read_text() == result.stdout
    assert "| set_f1 | 1.0000 |" in result.stdout
    assert "| bleu4 | 100.0000 |" in result.stdout
    assert "validation_loss" not in result.stdout


def test_a_limit_samples_with_a_fixed_seed(qgbatch: Callable[..., Result], tmp_path: Path) -> None:
    data = write_squad(tmp_path / "dev.json", paragraphs(30))
    words = ("evaluate", "--data", data, "--limit", "3", "--num-beams", "1")
    first, second = qgbatch(*words), qgbatch(*words)
    assert "| paragraphs | 3 of 30, drawn with seed 42 |" in first.stdout
    assert first.stdout == second.stdout


def test_questions_about_other_texts_are_reported(
    qgbatch: Callable[..., Result], data: Path, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.jsonl"
    other = {"context": "Another text.", "question": "What is this?"}
    questions.write_text(json.dumps(other) + "\n")
    result = qgbatch("evaluate", "--data", data, "--questions", questions)
    assert result.exit_code == ExitCode.NO_INPUT
    assert "no question belongs to a paragraph" in result.stderr
    ours = {"context": contexts(data)[0], "question": "What is this?"}
    questions.write_text(f"{json.dumps(other)}\n{json.dumps(ours)}\n")
    result = qgbatch("evaluate", "--data", data, "--questions", questions)
    assert result.exit_code == ExitCode.OK
    assert "1 questions belong to no paragraph" in result.stderr
    assert "no question for 4 of 5 paragraphs" in result.stderr
    assert "| paragraphs_without_questions | 4 |" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--data", "nothing.json"], ExitCode.NO_INPUT, "nothing.json: cannot be read"),
        (["--questions", "nothing.csv"], ExitCode.NO_INPUT, "nothing.csv: cannot be read"),
        (["--questions", "questions.txt"], ExitCode.NO_INPUT, "questions.txt"),
        (["-o", "metrics.parquet"], ExitCode.USAGE, "Use .json or .md"),
        (["--limit", "0"], ExitCode.USAGE, "--limit"),
        (["--model", "no/such-model"], ExitCode.MODEL, "no/such-model"),
        (["-o", "no/such/directory/m.json"], ExitCode.OUTPUT, "is not a directory"),
    ],
)
def test_bad_input(
    qgbatch: Callable[..., Result], data: Path, words: list[str], code: ExitCode, message: str
) -> None:
    result = qgbatch("evaluate", "--data", data, *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


def test_a_model_and_a_file_cannot_be_combined(qgbatch: Callable[..., Result], data: Path) -> None:
    result = qgbatch("evaluate", "--data", data, "--questions", "q.csv", "--model", "small")
    assert result.exit_code == ExitCode.USAGE
    assert "evaluate one of them" in result.stderr


def test_the_data_is_not_overwritten(qgbatch: Callable[..., Result], data: Path) -> None:
    before = data.read_bytes()
    result = qgbatch("evaluate", "--data", data, "-o", data)
    assert result.exit_code == ExitCode.OUTPUT
    assert data.read_bytes() == before
