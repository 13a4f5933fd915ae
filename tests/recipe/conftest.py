"""What the tests of the recipe share: how to run a step, and tiny files that steps read."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trim_vocabulary

from tests.conftest import MINI, SAMPLES
from tests.support.training import paragraphs

Step = Callable[..., Any]


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Run a step with a command line."""
    return lambda main, *words: run_step(monkeypatch, main, *words)


def run_step(patch: pytest.MonkeyPatch, main: Callable[[], Any], *words: object) -> Any:
    patch.setattr(sys, "argv", ["step", *map(str, words)])
    return main()


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def flan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 of random weights in the form of Flan-T5, with mini's tokenizer."""
    from transformers import T5Config, T5ForConditionalGeneration, set_seed

    set_seed(1)
    config = T5Config(
        vocab_size=8128, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    config.decoder_start_token_id = 0
    config.tie_word_embeddings = config.scale_decoder_outputs = False
    directory = tmp_path_factory.mktemp("flan")
    T5ForConditionalGeneration(config).save_pretrained(directory)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINI / name, directory)
    return directory


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paragraphs of two samples and of :func:`make_examples`, one per line."""
    names = ("lighthouses.txt", "honeybees.txt")
    lines = [line for name in names for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]
    rows = [{"text": line} for line in lines if line]
    asked = [
        {"context": row["text"], "questions": [{"question": f"{q} {a}"} for q, a in row["questions"]]}
        for row in make_examples(24)
    ]
    return write_rows(tmp_path_factory.mktemp("texts") / "texts.jsonl", rows + asked)


@pytest.fixture(scope="session")
def trimmed(flan: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of ``trim_vocabulary.py``."""
    out = tmp_path_factory.mktemp("trimmed")
    with pytest.MonkeyPatch.context() as patch:
        run_step(
            patch, trim_vocabulary.main, "--checkpoint", flan, "--out", out, "--min-count", 1,
            "--min-added", 1, texts,
        )  # fmt: skip
    return out


def make_examples(n: int, start: int = 0) -> list[dict[str, Any]]:
    """Examples as ``examples.py`` writes them."""
    return [
        {
            "source": "towns",
            "context": "",
            "text": paragraph["context"],
            "questions": [[qa["question"], qa["answers"][0]["text"]] for qa in paragraph["qas"]],
        }
        for paragraph in paragraphs(n, start, answers=True)
    ]
