"""What the tests of training share: a tiny T5, and question data that the project wrote."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from qgbatch.cli import main
from qgbatch.errors import ExitCode, ModelError
from qgbatch.models.checkpoint import find_model
from tests.conftest import MINI, SAMPLES

Words = Sequence[str | Path]
Finetune = Callable[..., Result]

QUICK = ("--per-device-train-batch-size", "2", "--gradient-accumulation-steps", "2", "--logging-steps", "1")
TINY = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
WORSE = ("--learning-rate", "100", "--eval-steps", "1")
"""After a first step with this rate each further one makes the validation loss worse."""
THREE_STEPS = ("--max-steps", "3", "--save-steps", "1", "--save-total-limit", "9")
LEFT = {
    "README.md", "config.json", "generation_config.json", "losses.png", "model.safetensors",
    "qgbatch.json", "recipe.json", "tokenizer.json", "tokenizer_config.json", "training_log.jsonl",
}  # fmt: skip


SUBJECTS = ("lighthouse", "bridge", "harbour", "canal", "museum", "railway", "mountain pass", "observatory")


def make_base(directory: Path, *, dropout: float = 0.0, vocab_size: int = 8128) -> Path:
    """A T5 of 0.3 million random weights with mini's tokenizer and the notebook's prompt."""
    from transformers import T5Config, T5ForConditionalGeneration, set_seed

    set_seed(1)
    config = T5Config(
        vocab_size=vocab_size, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        dropout_rate=dropout,
    )  # fmt: skip
    config.decoder_start_token_id = 0
    T5ForConditionalGeneration(config).save_pretrained(directory)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINI / name, directory)
    return directory


def paragraphs(n: int, start: int = 0, *, answers: bool = False) -> list[dict[str, Any]]:
    """Paragraphs of several lengths in SQuAD's form, with or without answers."""
    made: list[dict[str, Any]] = []
    for index in range(start, start + n):
        subject, year = SUBJECTS[index % len(SUBJECTS)], 1800 + index
        sentences = [
            f"The old {subject} of town {index} was opened in {year}.",
            f"It was designed by engineer {index * 7} and cost {index * 13} pounds.",
            f"Visitors of the {subject} can climb {index * 3} steps on most days of the week.",
        ]
        asked = [
            f"When was the {subject} of town {index} opened?",
            f"Who designed the {subject}?",
            f"How many steps can visitors climb in town {index}?",
        ]
        context = " ".join(sentences[: 1 + index % 3] * (1 + index % 4))
        qas: list[dict[str, Any]]
        qas = [{"id": f"{index}-{n}", "question": question} for n, question in enumerate(asked)]
        if answers:
            for qa, answer in zip(qas, (f"{year}", f"engineer {index * 7}", f"{index * 3}"), strict=True):
                qa["answers"] = [{"text": answer, "answer_start": context.find(answer)}]
        made.append({"context": context, "qas": qas[: 1 + index % 3]})
    return made


def write_squad(path: Path, made: list[dict[str, Any]]) -> Path:
    """A file in SQuAD's form, of one article."""
    article = {"title": "Towns", "paragraphs": made}
    path.write_text(json.dumps({"version": "1.1", "data": [article]}), encoding="utf-8")
    return path


def logged(directory: Path, key: str = "loss") -> dict[float, float]:
    """A figure of ``training_log.jsonl`` by step; nothing where there is no such file yet."""
    path = directory / "training_log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    entries = [json.loads(line) for line in lines]
    return {entry["step"]: entry[key] for entry in entries if key in entry}


def command(home: Path, output: Path, *words: str | Path) -> list[str]:
    base = () if "--init-from-scratch" in words else ("--base", home / "base")
    given = (
        "finetune",
        *base,
        "--train-file",
        home / "train.json",
        *QUICK,
        "--report-to",
        "none",
        *words,
        "-o",
        output,
    )
    return [str(word) for word in given]


def run_command(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def in_new_process(words: Words, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command in a new interpreter, which sees the environment from its start."""
    return subprocess.run(
        [sys.executable, "-m", "qgbatch", *map(str, words)],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def names(directory: Path, pattern: str = "*") -> set[str]:
    return {path.name for path in directory.glob(pattern)}


def snapshot(directory: Path) -> dict[Path, tuple[int, str]]:
    """When each file was written, and what it holds."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, sha256(path.read_bytes()).hexdigest()) for path in files}


def assert_runs(model: Path, output: Path) -> None:
    words = ("--num-beams", "1", "--max-new-tokens", "8")
    documents = SAMPLES / "lighthouses.txt"
    result = run_command("run", str(documents), "--model", str(model), "-o", str(output / "q.csv"), *words)
    assert result.exit_code == ExitCode.OK, result.output


def assert_no_model(directory: Path) -> None:
    with pytest.raises(ModelError, match="no weights"):
        find_model(str(directory))


def finished_words(home: Path) -> Words:
    """The options of the training that the fixture ``finished`` holds."""
    words = "--max-steps 3 --eval-steps 1 --max-source-length 96 --report-to tensorboard"
    return ("--validation-file", home / "dev.json", *words.split())


def write_data_set(directory: Path, **splits: int) -> None:
    """A directory for ``datasets`` with so many paragraphs a split."""
    directory.mkdir()
    for name, n in splits.items():
        rows = [
            {"context": paragraph["context"], "questions": [qa["question"] for qa in paragraph["qas"]]}
            for paragraph in paragraphs(n)
        ]
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
