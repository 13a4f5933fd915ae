"""The CTranslate2 engine, the fastest one on a CPU.

A model is converted once and stored in the user's cache directory. Its vocabulary consists of
the token ids as decimal numbers, so that texts are only tokenized by the model's own tokenizer.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import ctranslate2
import torch
from ctranslate2.converters import transformers as loaders
from ctranslate2.converters.converter import Converter
from ctranslate2.specs.model_spec import OPTIONAL

from qgbatch.engines.base import (
    CONVERTED_MODELS,
    Batch,
    EngineChoice,
    SpecialIds,
    find_pairs,
    make_generation,
    merge_generations,
    with_pair_scores,
)
from qgbatch.engines.batching import BatchBudget
from qgbatch.engines.devices import n_cores
from qgbatch.engines.weights import load_weights
from qgbatch.errors import ModelError, OutputError
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.models.known_models import ARCHITECTURES
from qgbatch.records import Generation, InputIds
from qgbatch.settings import Decoding

logger = logging.getLogger(__name__)

_CONVERSION_VERSION = 1
"""Raise this when the conversion changes, so that older conversions in the cache are not used."""
_DRAFT_PREFIX = ".converting-"
_STALE_DRAFT_S = 24 * 3600
"""Drafts older than this, in seconds, were left by killed runs: no conversion takes a day."""
_BATCHES_PER_WORKER = 2
"""One that the worker computes, and one that is ready when the worker finishes."""
_POLL_S = 0.002
"""Seconds between checks for a result. Waiting inside CTranslate2 would delay signal handlers."""


class CTranslate2Engine:
    """Generates with a CTranslate2 translator that has one worker per CPU core."""

    def __init__(
        self,
        choice: EngineChoice,
        model: ModelFiles,
        decoding: Decoding,
        special: SpecialIds,
        cache_dir: Path,
    ) -> None:
        self.budget = BatchBudget()
        self._special = special
        self._length_penalty = decoding.length_penalty
        self._options = translate_options(decoding)
        self._n_workers = n_cores() if choice.device == "cpu" else 1
        self._n_scoring = self._n_workers if special.answer_separators else 0
        self._translator = _load_translator(
            model, special, choice, cache_dir / CONVERTED_MODELS, self._n_workers
        )

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order."""
        translating: deque[tuple[Batch, list[Any]]] = deque()
        scoring: deque[list[_Promise]] = deque()
        for batch in batches:
            translating.append((batch, self._translate(batch) if batch else []))
            if len(translating) == _BATCHES_PER_WORKER * self._n_workers:
                scoring.append(self._finish(*translating.popleft()))
            if len(scoring) > self._n_scoring:
                yield [promise() for promise in scoring.popleft()]
        while translating:
            scoring.append(self._finish(*translating.popleft()))
        while scoring:
            yield [promise() for promise in scoring.popleft()]

    def _translate(self, batch: Batch) -> list[Any]:
        """Start the translation of a batch and return its asynchronous results, one per row."""
        inputs = [[str(token) for token in row] for row in batch]
        promises: list[Any] = self._translator.translate_batch(inputs, asynchronous=True, **self._options)
        return promises

    def _finish(self, batch: Batch, promises: list[Any]) -> list[_Promise]:
        """Wait for the translations of a batch, and start to score the answers in them."""
        results = [_wait(promise) for promise in promises]
        return [self._score(row, result) for row, result in zip(batch, results, strict=True)]

    def _score(self, row: InputIds, result: Any) -> _Promise:
        """Start to score the pairs of a chunk; return a function that waits for its generation.

        The pairs of a chunk are a batch by themselves, so their scores do not depend on other chunks.
        """
        hypotheses = zip(result.hypotheses, result.scores, strict=True)
        outputs = [self._make_generation(tokens, score) for tokens, score in hypotheses]
        if not self._special.answer_separators:
            merged = merge_generations(outputs)
            return lambda: merged
        pairs = find_pairs(outputs, self._special)
        source = [str(token) for token in row]
        promises = (
            self._translator.score_batch(
                [source] * len(pairs),
                [[str(token) for token in piece] for piece in pairs],
                max_input_length=0,
                asynchronous=True,
            )
            if pairs
            else []
        )
        return lambda: with_pair_scores(outputs, pairs, (_wait(p).log_probs for p in promises))

    def _make_generation(self, tokens: list[str], score: float) -> Generation:
        """Turn a hypothesis of CTranslate2 into a generation; undo the length penalty of its score."""
        ids = [int(token) for token in tokens]
        return make_generation(ids, score * len(ids) ** self._length_penalty, self._special)


_Promise: TypeAlias = Callable[[], Generation]
"""Waits for the generation of a chunk and returns it."""


def _wait(promise: Any) -> Any:
    """Return the result of CTranslate2's asynchronous call."""
    while not promise.done():
        time.sleep(_POLL_S)
    return promise.result()


def translate_options(decoding: Decoding) -> dict[str, Any]:
    """Return CTranslate2's options for the decoding settings.

    All options are set, because CTranslate2's defaults differ from those of transformers.
    """
    return {
        "beam_size": decoding.num_beams,
        "max_decoding_length": decoding.max_new_tokens,
        "min_decoding_length": 0,  # an output may be empty; the default would forbid the end token first
        "length_penalty": decoding.length_penalty,
        "num_hypotheses": decoding.num_return_sequences,
        "no_repeat_ngram_size": decoding.no_repeat_ngram_size,
        # With early stopping, a search ends with as many finished hypotheses as beams, else twice as many.
        "patience": 1 if decoding.early_stopping else 2,
        "max_input_length": 0,  # no truncation: chunking keeps inputs below the limit
        "max_batch_size": 0,  # batches already have their final size
        "return_scores": True,
        "return_end_token": True,  # distinguishes eos from length, and the score's length includes it
    }


def _load_translator(
    model: ModelFiles, special: SpecialIds, choice: EngineChoice, conversions: Path, n_workers: int
) -> ctranslate2.Translator:
    """Load the converted model; convert it first, or again if the conversion is damaged."""
    try:
        with tempfile.TemporaryDirectory() as spare:
            directory = _find_conversion(model, special, choice.precision, conversions, Path(spare))
            try:
                return _open_translator(directory, choice, n_workers)
            except ModelError as error:
                logger.warning("%s Converting it again.", error.message)
                shutil.rmtree(directory, ignore_errors=True)
            directory = _find_conversion(model, special, choice.precision, conversions, Path(spare))
            return _open_translator(directory, choice, n_workers)
    except OSError as error:
        raise OutputError(
            f"{model.name}: cannot be converted ({error}).",
            "Free disk space in --cache-dir or TMPDIR, or use --engine torch.",
        ) from error


def _open_translator(directory: Path, choice: EngineChoice, n_workers: int) -> ctranslate2.Translator:
    kind, _, index = choice.device.partition(":")
    try:
        return ctranslate2.Translator(
            str(directory),
            device=kind,
            device_index=int(index or 0),
            compute_type=choice.precision,
            inter_threads=n_workers,
            intra_threads=1,
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{directory}: the converted model cannot be loaded ({error}).", "Try --engine torch."
        ) from error


def _find_conversion(
    model: ModelFiles, special: SpecialIds, precision: str, conversions: Path, fallback: Path
) -> Path:
    """Return the directory of the converted model, and convert it first if necessary.

    Args:
        model: The model.
        special: Ids of the special tokens.
        precision: Type of the converted weights.
        conversions: Where conversions are kept.
        fallback: Where to convert if ``conversions`` cannot be written.
    """
    key = f"{model.sha256[:32]}-{precision}-{ctranslate2.__version__}-{_CONVERSION_VERSION}"
    directory = conversions / key
    if directory.is_dir():
        return directory
    logger.info("Converting %s to CTranslate2 %s (only once).", model.name, precision)
    try:
        conversions.mkdir(parents=True, exist_ok=True)
        _remove_stale_drafts(conversions)
        with tempfile.TemporaryDirectory(prefix=_DRAFT_PREFIX, dir=conversions) as draft:
            converted = _convert(model, special, precision, Path(draft) / key)
            try:
                converted.rename(directory)
            except OSError:
                if not directory.is_dir():  # otherwise another run converted it at the same time
                    raise
    except OSError as error:
        logger.warning("%s cannot be written (%s): each run converts the model.", conversions, error)
        return _convert(model, special, precision, fallback / key)
    return directory


def _remove_stale_drafts(conversions: Path) -> None:
    """Remove unfinished conversions of runs that were killed."""
    for draft in conversions.glob(f"{_DRAFT_PREFIX}*"):
        if time.time() - draft.stat().st_mtime > _STALE_DRAFT_S:
            shutil.rmtree(draft, ignore_errors=True)


def _convert(model: ModelFiles, special: SpecialIds, precision: str, directory: Path) -> Path:
    _Converter(model, special).convert(str(directory), quantization=precision)
    return directory


class _Converter(Converter):
    """CTranslate2's converter, applied to weights that qgbatch loaded and checked."""

    def __init__(self, model: ModelFiles, special: SpecialIds) -> None:
        self._model = model
        self._special = special

    def _load(self) -> Any:
        # Not shared with anything else: the conversion quantizes these tensors in place.
        weights = load_weights(self._model, torch.float32)
        vocabulary = _IdVocabulary(weights.config.vocab_size, self._special)
        loader = getattr(loaders, ARCHITECTURES[weights.config.model_type])()
        with torch.no_grad():
            spec = loader(weights, vocabulary)
        d_model = weights.config.d_model
        spec.decoder.scale_outputs = d_model**-0.5 if _scales_outputs(weights.config) else OPTIONAL
        return spec


def _scales_outputs(config: Any) -> bool:
    """Return whether the model scales its last hidden states.

    T5 does; T5 v1.1, Flan-T5 and mT5 do not. CTranslate2 4.8 decides this by whether embeddings
    are tied, but transformers 5 has a field for it.
    """
    return bool(getattr(config, "scale_decoder_outputs", False))


class _IdVocabulary:
    """Replaces the tokenizer in a conversion; each token is its id as a decimal number."""

    def __init__(self, size: int, special: SpecialIds) -> None:
        self._size = size
        self.pad_token = str(special.pad)
        self.eos_token = str(special.eos)
        self.unk_token = str(special.unk)

    def get_vocab(self) -> dict[str, int]:
        """Return all tokens with their ids."""
        return {str(token): token for token in range(self._size)}

    def convert_ids_to_tokens(self, token: int) -> str:
        """Return the token of an id."""
        return str(token)
