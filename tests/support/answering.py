"""What the tests of answers share: tiny checkpoints of several shapes, with real tokenizers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import SAMPLES

N_POSITIONS = 64
"""Of the tiny models: so short that a paragraph is several windows."""
SHAPE: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
DISTIL: dict[str, Any] = {
    "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64,
    "dropout": 0.0, "attention_dropout": 0.0, "qa_dropout": 0.0,
}  # fmt: skip
BIASED: dict[str, Any] = {
    "relative_attention": True,
    "pos_att_type": "p2c|c2p",
    "max_relative_positions": -1,
}
NAMES = ["ada", "ben", "eve", "tom", "kim", "zoe"]
PLACES = ["rome", "oslo", "bern", "york", "nice", "kiel"]
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def lines() -> list[str]:
    """What the tokenizers are trained on."""
    text = (SAMPLES / "lighthouses.txt").read_text(encoding="utf-8")
    words = " ".join(["where", "who", "when", *NAMES, *PLACES])  # often enough to be tokens
    return [*text.splitlines(), *[words] * 30, "? 😀 café 0123456789 [ SEP ] < / s >"]


def write_wordpiece(directory: Path) -> int:
    """``vocab.txt``, as the first BERTs had it; gives the size."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=BERT_TOKENS, show_progress=False)
    tokenizer.train_from_iterator(lines(), trainer)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (directory / "vocab.txt").write_text("".join(f"{token}\n" for token, _ in vocabulary), encoding="utf-8")
    return len(vocabulary)


def write_bytes_bpe(directory: Path, special: list[str]) -> int:
    """``vocab.json`` and ``merges.txt``, as the first RoBERTas had them; gives the size."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(lines(), trainer)
    tokenizer.model.save(str(directory))
    return tokenizer.get_vocab_size()


def write_sentencepiece(path: Path) -> int:
    """A unigram model of SentencePiece; gives the size."""
    import sentencepiece

    with path.open("wb") as stream:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines()), model_writer=stream, vocab_size=280, minloglevel=2
        )
    return 280


def _files_of(kind: str) -> Callable[[Path], int]:
    return {
        "roberta": lambda directory: write_bytes_bpe(directory, ROBERTA_TOKENS),
        "deberta": lambda directory: write_bytes_bpe(directory, BERT_TOKENS),
        "deberta-v2": lambda directory: write_sentencepiece(directory / "spm.model"),
        "xlm-roberta": lambda directory: write_sentencepiece(directory / "sentencepiece.bpe.model"),
    }.get(kind, write_wordpiece)


def make_answer_model(
    directory: Path, kind: str, *, n_positions: int = N_POSITIONS, **changes: Any
) -> Path:
    """A checkpoint of random weights, all a hundred times as large as usual, so that scores differ."""
    import torch
    from transformers import AutoConfig, AutoModelForQuestionAnswering, set_seed

    directory.mkdir(parents=True, exist_ok=True)
    n_tokens = _files_of(kind)(directory) + 10
    set_seed(1)
    shape = DISTIL if kind == "distilbert" else SHAPE
    if kind.startswith("deberta"):
        shape = {**shape, **BIASED}
    if "roberta" in kind:
        n_positions += 2  # its positions begin behind the pad token, which is 1
        shape = {**shape, "type_vocab_size": 1}
    settings = {"vocab_size": n_tokens, "max_position_embeddings": n_positions, **shape, **changes}
    model = AutoModelForQuestionAnswering.from_config(AutoConfig.for_model(kind, **settings))
    with torch.no_grad():
        model.qa_outputs.weight.mul_(100)
    model.save_pretrained(directory)
    return directory


def edit_json(path: Path, **values: Any) -> None:
    """Change some values of a JSON file; ``None`` takes one out."""
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    held = {key: value for key, value in {**held, **values}.items() if value is not None}
    path.write_text(json.dumps(held), encoding="utf-8")
