"""Step 3: train a sentencepiece unigram model, and write the T5 tokenizer around it.

    python models/recipe/tokenizer.py --corpus corpus.jsonl.xz --real qg-train.json --out tokenizer

A hundred sentinels ``<extra_id_0>`` to ``<extra_id_99>`` follow the pieces, then ``<sep>``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import sentencepiece
from common import read_jsonl
from sentencepiece import sentencepiece_model_pb2 as protocol
from transformers import T5Tokenizer

N_TEXTS = 80_000
REPLACED = {
    "\u2018": "'", "\u2019": "'", "\u201b": "'", "\u2032": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"',
    "\u201f": '"', "\u00ab": '"', "\u00bb": '"', "\u2010": "-", "\u2011": "-", "\u2212": "-", "|": ",",
    "{": "(", "}": ")",
}  # fmt: skip
"""Replacements for characters that documents have and the training texts lack.

Without them, a curly apostrophe would be an unknown token.
"""


def main() -> None:
    """Train a tokenizer on texts and questions and write its files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument(
        "--real", type=Path, required=True, help="SQuAD's JSON with a source for each article"
    )
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    spiece = arguments.out / "spiece.model"
    rules = arguments.out / "normalization.tsv"
    rules.write_text("".join(f"{code_points(old)}\t{code_points(new)}\n" for old, new in normalizations()))
    with spiece.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=read_texts(arguments.corpus, arguments.real), model_writer=file,
            vocab_size=arguments.vocab_size, model_type="unigram", character_coverage=0.99995,
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>", eos_piece="</s>", unk_piece="<unk>",
            # A year that is a single piece can be copied in one step.
            split_digits=False, normalization_rule_tsv=str(rules), max_sentence_length=8000,
            num_threads=1, minloglevel=1,
        )  # fmt: skip
    rules.unlink()
    build(spiece).save_pretrained(arguments.out)


def read_texts(corpus: Path, real: Path) -> Iterator[str]:
    """Yield texts in random order, passages of SQuAD three times, human-written questions twice."""
    texts = [row["text"] for row in read_jsonl(corpus)]
    random.Random(0).shuffle(texts)
    questions: list[str] = []
    del texts[N_TEXTS:]
    for article in json.loads(real.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            if article["source"].startswith("squad"):
                texts += [paragraph["context"]] * 3
            questions += [qa["question"] for qa in paragraph["qas"]]
    yield from (text.replace("\n", " ") for text in texts + questions * 2)


def normalizations() -> Iterator[tuple[str, str]]:
    """Yield T5's rules (nmt_nfkc), read from sentencepiece's normalizer, and those of :data:`REPLACED`."""
    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc",
        add_dummy_prefix=False,
        escape_whitespaces=False,
        remove_extra_whitespaces=False,
    )
    for character in map(chr, range(1, sys.maxunicode + 1)):
        if unicodedata.category(character) not in ("Cn", "Co", "Cs"):
            decomposed = unicodedata.normalize("NFD", character)
            for old in dict.fromkeys((character, decomposed)):
                new = REPLACED.get(old, normalizer.normalize(old))
                if new != old:
                    yield old, new


def code_points(text: str) -> str:
    """Return the code points of a text in hexadecimal, the format of the rules file."""
    return " ".join(f"{ord(character):X}" for character in text)


def build(spiece: Path) -> T5Tokenizer:
    """Make a transformers tokenizer with the pieces and the normalization of a sentencepiece model."""
    model = protocol.ModelProto.FromString(spiece.read_bytes())  # type: ignore[attr-defined]  # generated at import
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    # T5 numbers its sentinels from the end of the vocabulary.
    pieces += [(f"<extra_id_{number}>", 0.0) for number in reversed(range(100))]
    charsmap = model.normalizer_spec.precompiled_charsmap
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=100, _spm_precompiled_charsmap=charsmap)
    tokenizer.add_special_tokens({"sep_token": "<sep>"})
    tokenizer.model_max_length = 512
    return tokenizer


if __name__ == "__main__":
    main()
