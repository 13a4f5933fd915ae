"""Functions that several steps of the recipe share."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "clean_up_tokenization_spaces": False,
    "model_max_length": 512,
}
"""``tokenizer_config.json`` of the checkpoints that the steps write."""


def read_jsonl(path: Path) -> Iterator[Any]:
    """Yield the values in a JSONL file, which may be compressed with xz."""
    open_file = lzma.open if path.suffix == ".xz" else open
    with open_file(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON value per line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON value."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
