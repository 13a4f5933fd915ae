r"""Step 2: cut the vocabulary to the pieces that English text needs, and add characters that it lacks.

    python models/recipe/trim_vocabulary.py --checkpoint recovered --out trimmed \
        corpus.jsonl.xz wiki-corpus.jsonl.xz qg-more.jsonl.xz

The texts are JSONL (.xz) whose lines have a "text" or a "context", and may have "questions". A piece stays
if the texts need it often enough, or if it is a single character. Text that needs only pieces that stay is
cut into the same pieces as before.
"""

from __future__ import annotations

import argparse
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from common import TOKENIZER_CONFIG, read_jsonl, write_json
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

ADDED_TOKENS = ("<sep>", "<ans>", "<ctx>")
"""Separate questions, a question from its answer, and the text before a chunk from the chunk."""
N_SPECIAL = 3
"""The padding token, the end token and the unknown token have the ids 0 to 2."""
LOOKALIKES = {
    "{": "(", "}": ")", "<": "(", ">": ")", "\\": "/", "^": "*", "~": "-", "`": "'", "\N{MINUS SIGN}": "-",
}  # fmt: skip
"""Characters that are always added, each with a character of T5 that is used in a similar way."""
SCRIPTS = ("LATIN", "GREEK", "MODIFIER")
"""Letters of other scripts stay unknown, because words with a few known letters would be garbled."""
OUTPUT_EMBEDDINGS = "lm_head.weight"
EMBEDDINGS = ("shared.weight", OUTPUT_EMBEDDINGS)
NOISE = 0.02
"""Standard deviation of the noise on the new rows, as a share of the standard deviation of the old ones."""
ROW_MULTIPLE = 8
"""The number of rows is a multiple of this, which makes matrix products faster."""
BATCH_TEXTS = 2_000


def main() -> None:
    """Count the pieces, and write the checkpoint with the new vocabulary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--min-count", type=int, default=10, help="occurrences that keep a piece")
    parser.add_argument("--min-added", type=int, default=20, help="occurrences that add a character")
    parser.add_argument("texts", type=Path, nargs="+")
    arguments = parser.parse_args()

    tokenizer = json.loads((arguments.checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = [piece for piece, _ in tokenizer["model"]["vocab"]]
    counts, unknown = count_pieces(plain_tokenizer(tokenizer), arguments.texts)
    kept = choose_pieces(vocabulary, counts, arguments.min_count)
    added = choose_characters(vocabulary, unknown, arguments.min_added)

    weights = load_weights(arguments.checkpoint)
    torch.manual_seed(0)
    separators = [token_id(tokenizer, token) for token in ADDED_TOKENS]
    for name in EMBEDDINGS:
        weights[name] = cut_rows(weights[name].float(), vocabulary, kept, added, separators, name)
    n_rows = len(weights[OUTPUT_EMBEDDINGS])

    arguments.out.mkdir(parents=True, exist_ok=True)
    save_file(weights, arguments.out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((arguments.checkpoint / "config.json").read_text(encoding="utf-8"))
    write_json(arguments.out / "config.json", {**config, "vocab_size": n_rows})
    spec = json.dumps(trim_tokenizer(tokenizer, kept, added), ensure_ascii=False)
    (arguments.out / "tokenizer.json").write_text(spec, encoding="utf-8")
    write_json(arguments.out / "tokenizer_config.json", TOKENIZER_CONFIG)
    n_lost = counts.total() - sum(counts[index] for index in kept)
    print(f"{len(kept)} of {len(vocabulary)} pieces kept, {len(added)} characters added, {n_rows} rows")
    print(f"{n_lost} of {counts.total()} tokens are cut differently; added: {''.join(added)}")


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """Return the weights without the copies of the embeddings that transformers writes per stack."""
    weights = load_file(directory / "model.safetensors")
    return {name: value for name, value in weights.items() if not name.endswith("embed_tokens.weight")}


def plain_tokenizer(tokenizer: Mapping[str, Any]) -> Tokenizer:
    """Return a tokenizer without added tokens, which texts about markup may contain literally."""
    special = [token for token in tokenizer["added_tokens"] if token["id"] < N_SPECIAL]
    return Tokenizer.from_str(json.dumps({**tokenizer, "added_tokens": special}))


def read_texts(paths: Sequence[Path]) -> Iterator[str]:
    """Yield the texts of the files, and their questions."""
    for path in paths:
        for row in read_jsonl(path):
            yield row.get("text") or row["context"]
            yield from (asked["question"] for asked in row.get("questions", ()))


def count_pieces(tokenizer: Tokenizer, paths: Sequence[Path]) -> tuple[Counter[int], Counter[str]]:
    """Count the pieces of the texts by id, and the characters that the vocabulary lacks."""
    pieces: Counter[int] = Counter()
    unknown: Counter[str] = Counter()
    unknown_id = tokenizer.token_to_id("<unk>")
    texts = read_texts(paths)
    while batch := list(islice(texts, BATCH_TEXTS)):
        encodings = tokenizer.encode_batch(batch, add_special_tokens=False)
        for text, encoding in zip(batch, encodings, strict=True):
            pieces.update(encoding.ids)
            for (start, end), index in zip(encoding.offsets, encoding.ids, strict=True):
                if index == unknown_id:
                    unknown.update(text[start:end])
    return pieces, unknown


def choose_pieces(vocabulary: Sequence[str], counts: Mapping[int, int], min_count: int) -> list[int]:
    """Return the ids of the pieces that stay, in their order, which is that of their frequency."""

    def is_kept(index: int, piece: str) -> bool:
        if index < N_SPECIAL or piece.startswith("<extra_id_"):
            return index < N_SPECIAL
        return counts[index] >= min_count or len(piece.strip("\u2581")) <= 1

    return [index for index, piece in enumerate(vocabulary) if is_kept(index, piece)]


def choose_characters(vocabulary: Sequence[str], unknown: Mapping[str, int], min_added: int) -> list[str]:
    """Return the characters to add, sorted."""
    frequent = {character for character, count in unknown.items() if count >= min_added}
    return sorted(({*filter(is_useful, frequent)} | LOOKALIKES.keys()) - set(vocabulary))


def is_useful(character: str) -> bool:
    """Return whether a character is a letter of the scripts above or a sign that is visible on its own."""
    if unicodedata.category(character)[0] in "LM":
        known = unicodedata.name(character, "").startswith(SCRIPTS)
        return known and not unicodedata.combining(character)
    return not character.isspace()


def token_id(tokenizer: Mapping[str, Any], token: str) -> int | None:
    """Return the id of an added token, or None if the checkpoint has no such token."""
    return next((entry["id"] for entry in tokenizer["added_tokens"] if entry["content"] == token), None)


def cut_rows(
    matrix: torch.Tensor,
    vocabulary: Sequence[str],
    kept: Sequence[int],
    added: Sequence[str],
    separators: Sequence[int | None],
    name: str,
) -> torch.Tensor:
    """Return the rows of a matrix of embeddings in the order of the new vocabulary.

    Args:
        matrix: The old rows, in float32.
        vocabulary: The pieces of the old rows.
        kept: The old ids of the pieces that stay.
        added: The new characters, whose rows begin as those of their lookalikes.
        separators: The old ids of :data:`ADDED_TOKENS`, if they were trained before.
        name: The name of the matrix.
    """
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    singles = [index for index in kept if len(vocabulary[index]) == 1 and index >= N_SPECIAL]
    mean = matrix[singles].mean(0)
    characters = []
    for character in added:
        index = ids.get(LOOKALIKES.get(character) or unicodedata.normalize("NFD", character)[0])
        row = mean if index is None else matrix[index]
        if name == OUTPUT_EMBEDDINGS:  # or a new letter would be as likely as its lookalike
            row = (row + matrix.mean(0)) / 2
        characters.append(row)
    tokens = [mean if index is None else matrix[index] for index in separators]
    rows = torch.cat([matrix[list(kept)], torch.stack([*characters, *tokens])])
    rows[len(kept) :] += NOISE * matrix.std() * torch.randn_like(rows[len(kept) :])
    return torch.cat([rows, mean.repeat(-len(rows) % ROW_MULTIPLE, 1)])


def trim_tokenizer(
    tokenizer: Mapping[str, Any], kept: Sequence[int], added: Sequence[str]
) -> dict[str, Any]:
    """Return ``tokenizer.json`` with the new vocabulary and the tokens that separate parts of a prompt."""
    old = tokenizer["model"]["vocab"]
    lowest = min(old[index][1] for index in kept)
    vocabulary = [old[index] for index in kept] + [[character, lowest] for character in added]
    special = [token for token in tokenizer["added_tokens"] if token["id"] < N_SPECIAL]
    separators = [
        {**special[0], "id": len(vocabulary) + number, "content": token}
        for number, token in enumerate(ADDED_TOKENS)
    ]
    model = {**tokenizer["model"], "vocab": vocabulary}
    return {**tokenizer, "model": model, "added_tokens": special + separators}


if __name__ == "__main__":
    main()
