"""The recipe of the built-in model, step by step on data that fits a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contamination
import embeddings
import examples
import export
import numpy as np
import passages as passages_module
import pretrain
import pytest
import tokenizer as tokenizer_step
import torch
from click.testing import Result
from safetensors.numpy import save_file

from qgbatch.errors import ExitCode
from tests.conftest import ROOT, SAMPLES

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = ROOT / "models" / "recipe"
HIVE = "The queen bee lays 1,500 eggs a day in summer. Worker bees feed the larvae with royal jelly."
MILL = "The mill at Alden burned down in 1911. Its owner built a new one beside the railway."
REAL = [
    (HIVE, ["How many eggs does the queen bee lay?", "What do worker bees feed the larvae with?"]),
    (MILL, ["When did the mill at Alden burn down?", "Where did the owner build a new mill?"]),
]
RULES = {
    "source": "openstax",
    "sentences": ["Many early settlers planted orchards near the river.", "Apples kept well in winter."],
    "questions": [[0, "What planted orchards near the river?"], [1, "What kept well?"]],
}


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a step with a command line."""

    def run(main: Callable[[], Any], *arguments: object) -> Any:
        monkeypatch.setattr(sys, "argv", ["step", *map(str, arguments)])
        return main()

    return run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the kinds that the recipe starts from."""
    directory = tmp_path_factory.mktemp("recipe")
    paragraphs = [
        {"context": context, "qas": [{"question": question} for question in asked]}
        for context, asked in REAL
    ]
    article = {"title": "A", "source": "squad-v1.1-train-head", "paragraphs": paragraphs}
    (directory / "real.json").write_text(json.dumps({"data": [article]}), encoding="utf-8")
    (directory / "rules.jsonl").write_text(json.dumps(RULES) + "\n", encoding="utf-8")
    texts = [path.read_text(encoding="utf-8") for path in sorted(SAMPLES.glob("*.txt"))]
    lines = [json.dumps({"text": line}) for text in texts for line in text.splitlines() if line]
    (directory / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_steps_end_in_a_model_that_asks(
    step: Callable[..., Any], qgbatch: Callable[..., Result], data: Path, tmp_path: Path
) -> None:
    passages, aside, vocabulary = (
        tmp_path / "examples.jsonl",
        tmp_path / "aside.jsonl",
        tmp_path / "tokenizer",
    )
    step(
        examples.main, "--real", data / "real.json", "--rules", data / "rules.jsonl", "--out", passages,
        "--validation", aside,
    )  # fmt: skip
    assert sorted(len(row["questions"]) for row in read(passages) + read(aside)) == [1, 2, 2]

    step(
        tokenizer_step.main, "--corpus", data / "corpus.jsonl", "--real", data / "real.json",
        "--vocab-size", 300, "--out", vocabulary,
    )  # fmt: skip
    save_file(
        {
            "embeddings.word_embeddings.weight": np.random.default_rng(1).standard_normal(
                (40, 96), np.float32
            )
        },
        tmp_path / "model.safetensors",
    )
    letters = "".join(f"{letter}\n##{letter}\n" for letter in "abcdefghijklmnopqrst")
    (tmp_path / "vocab.txt").write_text(letters, encoding="utf-8")
    vectors = tmp_path / "embeddings.npy"
    step(
        embeddings.main, "--tokenizer", vocabulary, "--encoder", tmp_path, "--d-model", 64, "--out", vectors
    )
    assert np.load(vectors).std() == pytest.approx(1, abs=0.1)

    trained = tmp_path / "trained"
    sizes = {"--d-model": 64, "--d-ff": 64, "--num-heads": 1, "--num-layers": 1, "--num-decoder-layers": 1}
    files = {"--tokenizer": vocabulary, "--embeddings": vectors, "--corpus": data / "corpus.jsonl"}
    passages_in = {"--examples": passages, "--validation": passages, "--out": trained}
    options = sizes | files | passages_in | {"--batch-tokens": 1024, "--workers": 0}
    training = (pretrain.main, *(part for option in options.items() for part in option))
    for n_steps in (2, 4):  # the second goes on from the first
        step(*training, "--max-steps", n_steps)
        assert torch.load(trained / "state.pt", weights_only=True)["progress"][0] == n_steps

    cut = tmp_path / "passages.jsonl"
    step(passages_module.main, "--examples", passages, "--out", cut)
    tuned = tmp_path / "tuned"
    result = qgbatch(
        "finetune", "--config", RECIPE / "finetune.toml", "--base", trained / "model", "--train-file", cut,
        "--max-steps", 2, "-o", tuned,
    )  # fmt: skip
    assert result.exit_code == ExitCode.OK, result.output

    shipped = tmp_path / "shipped"
    step(export.main, "--checkpoint", tuned, "--tokenizer", vocabulary, "--out", shipped)
    assert json.loads((shipped / "config.json").read_text())["dtype"] == "bfloat16"
    output = tmp_path / "questions.jsonl"
    result = qgbatch("run", SAMPLES / "lighthouses.txt", "--model", shipped, "--num-beams", 1, "-o", output)
    assert result.exit_code == ExitCode.OK, result.output


def test_text_of_the_held_out_set_is_found(step: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    text = "Once upon a time it was said that " + HIVE.lower().replace(",", "") + " And so they did."
    copied = tmp_path / "copied.jsonl"
    copied.write_text(json.dumps({"text": "Nothing."}) + "\n" + json.dumps({"text": text}) + "\n")
    assert step(contamination.main, "--heldout", data / "real.json", copied) == 1
    assert step(contamination.main, "--heldout", data / "real.json", data / "corpus.jsonl") == 0


def test_rules_that_go_wrong_are_corrected_or_left_out() -> None:
    sentence = "Many early settlers planted fruit orchards near the river."
    asked = "Who planted fruit orchards near the river?"
    nouns = {"society", "gardener"}
    assert examples.correct(asked.replace("Who", "What"), sentence, nouns) == asked
    for subject, corrected in {
        "The monk Eisai": asked, "Eisai": None, "The Garden Society": asked.replace("Who", "What"),
    }.items():  # fmt: skip
        sentence = f"{subject} planted fruit orchards near the river."
        assert examples.correct(asked.replace("Who", "What"), sentence, nouns) == corrected
    assert (
        examples.correct("What does the gland consist?", "The gland consists of two parts.", nouns) is None
    )
    assert examples.correct("What opened?", "The shop opened.", nouns) is None
    sentence = "King Arthur's battles with Rome ended badly."
    assert examples.correct("What battles with Rome ended badly?", sentence, nouns) is None


@pytest.mark.parametrize(
    ("question", "shared", "reason"),
    [
        ("How many eggs does the queen lay?", 1.0, None),
        ("How many eggs does the queen lay?", 0.5, "not in the passage"),
        ("What is described in this passage?", 1.0, "vague"),
        ("When did she leave the old hive?", 1.0, "pronoun"),
        ("Name two duties of bees.", 1.0, "form"),
        ("What is it that happened?", 1.0, "too few content words"),
    ],
)
def test_questions_that_a_passage_cannot_answer_are_left_out(
    question: str, shared: float, reason: str | None
) -> None:
    assert examples.reason_to_drop(question, shared, "qamr") == reason
