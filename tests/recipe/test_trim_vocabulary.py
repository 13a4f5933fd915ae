"""``trim_vocabulary.py`` drops pieces that no text needs, and adds characters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import trim_vocabulary
from safetensors.torch import load_file
from tokenizers import Tokenizer

from tests.conftest import SAMPLES
from tests.recipe.conftest import Step, read_rows, write_rows

ADDED = "\\^"
"""Characters that mini's tokenizer lacks. It replaces braces, which T5's does not."""


def load_tokenizer(directory: Path) -> Tokenizer:
    return Tokenizer.from_file(str(directory / "tokenizer.json"))


def test_texts_whose_pieces_stay_are_cut_as_before(flan: Path, trimmed: Path, texts: Path) -> None:
    old, new = load_tokenizer(flan), load_tokenizer(trimmed)
    assert new.get_vocab_size() < old.get_vocab_size() / 2
    for row in read_rows(texts):
        text = row.get("text") or row["context"]
        assert new.encode(text).tokens == old.encode(text).tokens
    text = (SAMPLES / "tea.md").read_text(encoding="utf-8")  # some of its pieces do not stay
    assert new.encode(text).tokens != old.encode(text).tokens


def test_new_characters_and_separators_are_tokens(flan: Path, trimmed: Path) -> None:
    text = "The set A \\ B and 2^3."
    unknown = load_tokenizer(flan).token_to_id("<unk>")
    old, new = (load_tokenizer(directory).encode(text) for directory in (flan, trimmed))
    assert unknown in old.ids
    assert unknown not in new.ids
    assert {token for token in new.tokens if token in ADDED} == set(ADDED)
    tokens = load_tokenizer(trimmed).encode("One? <ans> Two <sep> Three <ctx> Four").tokens
    assert [token for token in tokens if token in trim_vocabulary.ADDED_TOKENS] == [
        "<ans>",
        "<sep>",
        "<ctx>",
    ]


@pytest.mark.parametrize("name", trim_vocabulary.EMBEDDINGS)
def test_rows_follow_their_pieces(flan: Path, trimmed: Path, name: str) -> None:
    old_ids, new_ids = (load_tokenizer(directory).get_vocab() for directory in (flan, trimmed))
    old, new = (load_file(directory / "model.safetensors")[name] for directory in (flan, trimmed))
    assert json.loads((trimmed / "config.json").read_text())["vocab_size"] == len(new)
    assert len(new) % 8 == 0
    kept = sorted((old_ids.keys() & new_ids.keys()) - {"<sep>"})
    assert torch.equal(new[[new_ids[piece] for piece in kept]], old[[old_ids[piece] for piece in kept]])

    near = 0.1 * float(old.std())  # the noise is a fifth of this
    separator = new[new_ids["<sep>"]] - old[old_ids["<sep>"]]  # mini has one
    assert separator.square().mean().sqrt() < near
    backslash = new[new_ids["\\"]] - old[old_ids["/"]]
    assert (backslash.square().mean().sqrt() < near) == (name != trim_vocabulary.OUTPUT_EMBEDDINGS)


def test_rare_pieces_go_and_are_counted(
    step: Step, flan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": "The queen lives in the hive."}] * 3 + [{"text": "The drone of Ω and Ж."}]
    texts = write_rows(tmp_path / "texts.jsonl", rows)
    words = ("--checkpoint", flan, "--out", tmp_path / "out", "--min-count", 3, "--min-added", 1, texts)
    step(trim_vocabulary.main, *words)
    vocabulary = load_tokenizer(tmp_path / "out").get_vocab()
    old = load_tokenizer(flan)
    queen, drone = (
        {piece for piece in old.encode(word, add_special_tokens=False).tokens if len(piece) > 2}
        for word in ("queen lives in the hive", "drone")
    )
    assert queen <= vocabulary.keys()
    assert not drone & vocabulary.keys()
    assert "Ω" in vocabulary
    assert "Ж" not in vocabulary
    printed = capsys.readouterr().out
    assert "0 of" not in printed
    assert "added: " in printed
