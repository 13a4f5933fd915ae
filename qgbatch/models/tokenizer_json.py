"""Opens a ``tokenizer.json`` without transformers, whose import takes seconds.

Only where the result is known to be the tokenizer that transformers makes of the same files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgbatch.models.utf8_path import utf8_path
from qgbatch.models.validation import MAX_TOKENS, is_int_in_range, read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_FILE = "tokenizer.json"
_T5_CLASSES = ("T5Tokenizer", "T5TokenizerFast")
"""transformers makes these of the vocabulary, the added tokens and the normalizer in the file."""
_PLAIN_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""transformers loads the file as it is."""
_DEFAULT_TOKENS = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
_TOKENS = (*_DEFAULT_TOKENS, "sep_token")
_TOKEN_LISTS = ("additional_special_tokens", "extra_special_tokens")
_OTHER_KEYS = (
    "added_tokens_decoder", "backend", "clean_up_tokenization_spaces", "extra_ids", "is_local",
    "local_files_only", "model_max_length", "name_or_path", "special_tokens_map_file", "sp_model_kwargs",
    "tokenizer_class",
)  # fmt: skip
"""Keys of ``tokenizer_config.json`` that change no token ids, as long as all tokens are in the file."""
_T5_UNK_ID = 2
_N_SENTINELS = 100


@dataclass(frozen=True, slots=True)
class OpenTokenizer:
    """A tokenizer and the texts of its special tokens."""

    backend: Tokenizer
    eos: str
    pad: str
    unk: str


def open_tokenizer_json(directory: Path) -> OpenTokenizer | None:
    """Open the ``tokenizer.json`` in a directory.

    Returns:
        ``None`` if there is no such file, or if transformers might change what it contains.

    Raises:
        ModelError: A configuration file is damaged.
        Exception: ``tokenizer.json`` is damaged.
    """
    config = _read_config(directory)
    if config is None:
        return None
    from tokenizers import Tokenizer

    with utf8_path(directory) as path:
        backend = Tokenizer.from_file(str(path / _FILE))
    is_t5 = config["tokenizer_class"] in _T5_CLASSES
    if is_t5:
        if not _has_t5_layout(backend):
            return None
        _reread_vocabulary(backend, directory / _FILE)
        config = {**_DEFAULT_TOKENS, **config}
    added = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    sentinels = _sentinels(config) if is_t5 else []
    if not {*sentinels, *_special_tokens(config)} <= added.keys() or not _has_same_flags(config, added):
        return None
    return OpenTokenizer(backend, *(_text(config.get(key)) for key in _DEFAULT_TOKENS))


def _read_config(directory: Path) -> dict[str, Any] | None:
    """Read what the files of a tokenizer say; ``None`` if any of it is not known to be without effect."""
    config = read_json(directory / "tokenizer_config.json")
    tokens = read_json(directory / "special_tokens_map.json")
    classes = (*_T5_CLASSES, *_PLAIN_CLASSES)
    other_class = read_json(directory / "config.json").get("tokenizer_class")
    knows_all = (
        (directory / _FILE).is_file()
        and not (directory / "added_tokens.json").exists()
        and config.get("tokenizer_class") in classes
        and other_class in (None, *classes)
        and config.keys() <= {*_TOKENS, *_TOKEN_LISTS, *_OTHER_KEYS}
        and tokens.keys() <= {*_TOKENS, *_TOKEN_LISTS}
        and all(_texts(config.get(key, value)) == _texts(value) for key, value in tokens.items())
    )
    return {**tokens, **config} if knows_all else None


def _sentinels(config: Mapping[str, Any]) -> list[str]:
    """Return the tokens that transformers adds to a T5's; [""] if their number is no number."""
    n_sentinels = config.get("extra_ids", _N_SENTINELS)
    is_number = is_int_in_range(n_sentinels, 0, MAX_TOKENS)
    return [f"<extra_id_{i}>" for i in range(n_sentinels)] if is_number else [""]


def _special_tokens(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tokens that a configuration names, and "" for one that is missing or no text."""
    for key in _DEFAULT_TOKENS:
        yield _text(config.get(key))
    for key in ("sep_token", *_TOKEN_LISTS):
        yield from _texts(config.get(key))


def _texts(value: object) -> list[str]:
    """Return the text of a token, or the texts of a list of tokens."""
    if value is None:
        return []
    return list(map(_text, value)) if isinstance(value, list) else [_text(value)]


def _text(token: object) -> str:
    """Return the text of a token, which may come with flags; "" for anything else."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else ""


def _has_same_flags(config: Mapping[str, Any], added: Mapping[str, Any]) -> bool:
    """Return whether the added tokens of a configuration are those of ``tokenizer.json``."""
    listed = config.get("added_tokens_decoder", {})
    return isinstance(listed, dict) and all(
        isinstance(token, dict)
        and _text(token) in added
        and all(getattr(added[_text(token)], flag, None) == value for flag, value in token.items())
        for token in listed.values()
    )


def _has_t5_layout(backend: Tokenizer) -> bool:
    """Return whether a tokenizer has the parts that transformers gives to a T5's."""
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

    space: dict[str, Any] = {"replacement": "\u2581", "prepend_scheme": "always", "split": True}
    words = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**space)])
    end = ("</s>", backend.token_to_id("</s>"))
    if not isinstance(backend.model, models.Unigram) or end[1] is None:
        return False
    template = processors.TemplateProcessing(["$A", "</s>"], ["$A", "</s>", "$B", "</s>"], [end])
    pairs = (
        (backend.pre_tokenizer, words),
        (backend.decoder, decoders.Metaspace(**space)),
        (backend.post_processor, template),
    )
    return isinstance(backend.normalizer, normalizers.Precompiled | None) and all(
        part is not None and part.__getstate__() == wanted.__getstate__() for part, wanted in pairs
    )


def _reread_vocabulary(backend: Tokenizer, path: Path) -> None:
    """Replace the scores of a vocabulary by those that Python reads.

    The tokenizers library reads the last digit of some of them otherwise.
    """
    from tokenizers import models

    vocabulary = [(token, score) for token, score in read_json(path)["model"]["vocab"]]
    backend.model = models.Unigram(vocabulary, unk_id=_T5_UNK_ID, byte_fallback=False)
