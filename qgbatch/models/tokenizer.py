"""Text -> exactly the token ids that the model was trained on, and back.

The one place that tokenizes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.models.hub import download
from qgbatch.models.known_models import ModelMetadata
from qgbatch.models.validation import check_tokenizer
from qgbatch.models.word_table import Words
from qgbatch.records import InputIds

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

SPACE = "\u2581"
"""What sentencepiece writes for a space."""
DEFAULT_TOKENIZER = "t5-base"
"""Of the checkpoints that the notebook and its copies publish without a tokenizer."""
_TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
_FILES_THAT_MATTER = (
    *_TOKENIZER_FILES,
    "added_tokens.json",
    "config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)


def find_tokenizer(model: ModelFiles, name: str | None = None) -> Path:
    """The directory of the given tokenizer, else of the model's own, else of the one T5 came with.

    Raises:
        ModelError: there is no such tokenizer.
    """
    if name is None and any((model.directory / file).is_file() for file in _TOKENIZER_FILES):
        return model.directory
    if name is None:
        name = DEFAULT_TOKENIZER
        logger.info("%s has no tokenizer of its own: using %s.", model.name, name)
    return _locate_tokenizer(name, model.name)


def tokenizer_sha256(directory: Path) -> str:
    """Hash of the files that a tokenizer is made of, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in _FILES_THAT_MATTER:
        if (directory / name).is_file():
            digest.update(name.encode())
            digest.update(hashlib.sha256((directory / name).read_bytes()).digest())
    return digest.hexdigest()


def load_tokenizer(
    model: ModelFiles, tokenizer_name: str | None = None, *, embedding_grows: bool = False
) -> PromptTokenizer:
    """Load the tokenizer of :func:`find_tokenizer`; the separator is added where it lacks it.

    Raises:
        ModelError: no tokenizer is to be had, or it is larger than the model's embedding
            and ``embedding_grows`` does not promise that this will change.
    """
    tokenizer = _make_tokenizer(find_tokenizer(model, tokenizer_name), model.metadata)
    if tokenizer.vocab_size > model.vocab_size and not embedding_grows:
        raise ModelError(
            f"{model.name}: the tokenizer has {tokenizer.vocab_size} tokens (with "
            f"{model.metadata.separator}), but the model's embedding only has {model.vocab_size} rows.",
            "The tokenizer is not this model's: give the right one with --tokenizer.",
        )
    return tokenizer


def load_new_tokenizer(tokenizer_name: str, metadata: ModelMetadata) -> PromptTokenizer:
    """Load a tokenizer, a directory or hub id, for a model that is yet to be made.

    Raises:
        ModelError: there is no such tokenizer, or it is damaged.
    """
    return _make_tokenizer(_locate_tokenizer(tokenizer_name, "a new model"), metadata)


def _make_tokenizer(directory: Path, metadata: ModelMetadata) -> PromptTokenizer:
    from tokenizers import AddedToken

    tokenizer = open_tokenizer(directory)
    if metadata.parser != "query" and not _separator_ids(tokenizer, metadata):
        # As it is: a tokenizer may take other characters for its own.
        tokenizer.add_tokens([AddedToken(metadata.separator, normalized=False)])
    return PromptTokenizer(tokenizer, metadata)


def _separator_ids(tokenizer: PreTrainedTokenizerBase, metadata: ModelMetadata) -> frozenset[int]:
    """Tokens that are the separator, with a space before it or none."""
    if metadata.parser == "query":
        return frozenset()
    forms = (metadata.separator, SPACE + metadata.separator)
    return frozenset(tokenizer.get_vocab()[form] for form in forms if form in tokenizer.get_vocab())


def _locate_tokenizer(name: str, owner: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    try:
        return download(name, None, ["*.json", "spiece.model"])
    except ModelError as error:
        raise ModelError(
            f"No tokenizer for {owner}: {error.message}", "Give a directory or hub id with --tokenizer."
        ) from error


def open_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer in a directory.

    Raises:
        ModelError: it is damaged, or would load something else than a tokenizer.
    """
    from transformers import AutoTokenizer

    check_tokenizer(directory)
    try:
        return AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # damaged files raise whatever their parser raises
        raise ModelError(
            f"{directory}: the tokenizer cannot be loaded ({error}).", "Get the checkpoint again."
        ) from error


def source_text(context: str, metadata: ModelMetadata) -> str:
    """What a model reads of a text, before the tokenizer's end token."""
    return f"{metadata.prefix}{context}{metadata.suffix}"


def target_text(questions: Sequence[str], metadata: ModelMetadata) -> str:
    """What a model is to write: each question with a separator behind it, before the end token."""
    joined = "".join(f"{question} {metadata.separator} " for question in questions)
    return joined.rstrip() + metadata.suffix


class PromptTokenizer:
    """A tokenizer with a model's prefix, ending and separator."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, metadata: ModelMetadata) -> None:
        self.hf_tokenizer = tokenizer
        self._metadata = metadata
        self._backend: Tokenizer = tokenizer.backend_tokenizer
        self._backend.no_padding()
        self._backend.no_truncation()  # the bound is kept by chunking
        self.vocab_size = len(tokenizer)
        self.separator_ids = _separator_ids(tokenizer, metadata)
        self.pad_id: int = tokenizer.pad_token_id
        self.eos_id: int = tokenizer.eos_token_id
        self.unk_id: int = tokenizer.unk_token_id
        self._end_ids = tuple(self._backend.encode("", add_special_tokens=True).ids)
        self._words = Words(self._backend)
        self.n_prompt_tokens = len(self.encode([""])[0])

    def encode(self, texts: Sequence[str]) -> list[InputIds]:
        """Input ids of ``prefix + text + suffix``, end token added; nothing is cut."""
        return self._with_end([source_text(text, self._metadata) for text in texts])

    def encode_targets(self, questions: Sequence[Sequence[str]]) -> list[InputIds]:
        """Ids of each paragraph's ``Q1 <sep> ... Qn <sep>{suffix}``, end token added; nothing is cut."""
        return self._with_end([target_text(asked, self._metadata) for asked in questions])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text alone."""
        return [sum(map(len, parts)) for parts in self._words.parts(texts)]

    def token_ends(self, text: str) -> list[int]:
        """Offsets in code points where the tokens of a text end, ascending."""
        return [end for _, end in self._backend.encode(text, add_special_tokens=False).offsets]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated ids, special tokens left out."""
        return self._backend.decode(list(ids), skip_special_tokens=True)

    def _with_end(self, texts: Sequence[str]) -> list[InputIds]:
        return [tuple(chain(*parts, self._end_ids)) for parts in self._words.parts(texts)]
