"""What the tests of training share: a tiny T5, and question data that the project wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.conftest import MINI

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


def paragraphs(n: int, start: int = 0) -> list[dict[str, Any]]:
    """Paragraphs of several lengths in SQuAD's form."""
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
        qas = [{"id": f"{index}-{n}", "question": question} for n, question in enumerate(asked)]
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
