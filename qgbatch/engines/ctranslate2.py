"""The model in CTranslate2: the fast way on a CPU.

It is converted once into the user's cache directory. Tokens are handed over as their
ids in decimal, so that neither side ever looks at a vocabulary.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ctranslate2
import torch
from ctranslate2.converters.converter import Converter
from ctranslate2.converters.transformers import MT5Loader, T5Loader
from ctranslate2.specs.model_spec import OPTIONAL

from qgbatch.engines.base import CONVERSIONS, Batch, EngineChoice, SpecialIds, to_generation
from qgbatch.engines.batching import BatchBudget
from qgbatch.engines.devices import n_cores
from qgbatch.engines.torch import load_weights
from qgbatch.errors import ModelError, OutputError
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.records import Generation
from qgbatch.settings import Decoding

logger = logging.getLogger(__name__)

_LOADERS = {"t5": T5Loader, "mt5": MT5Loader}
_CONVERSION = 1
"""Raised when the conversion changes, so that older ones in the cache are not used."""
_DRAFT = ".converting-"
_LEFTOVER_S = 24 * 3600
"""No conversion takes a day."""
_BATCHES_PER_WORKER = 2
"""The one at work and the one that is ready when it ends."""
_POLL_S = 0.002
"""Between looks for a result: waiting inside CTranslate2 would hold up signals."""


class CTranslate2Engine:
    """Batches through a translator with one worker per core."""

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
        self._translator = _load_translator(
            model, special, choice, cache_dir / CONVERSIONS, self._n_workers
        )

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order."""
        waiting: deque[list[Any]] = deque()
        for batch in batches:
            waiting.append(self._translate(batch) if batch else [])
            if len(waiting) == _BATCHES_PER_WORKER * self._n_workers:
                yield self._results(waiting.popleft())
        while waiting:
            yield self._results(waiting.popleft())

    def _translate(self, batch: Batch) -> list[Any]:
        """Promises of the results, one a row; the translator's own threads work on them."""
        inputs = [[str(token) for token in row] for row in batch]
        promises: list[Any] = self._translator.translate_batch(inputs, asynchronous=True, **self._options)
        return promises

    def _results(self, promises: list[Any]) -> list[Generation | None]:
        while not all(promise.done() for promise in promises):
            time.sleep(_POLL_S)
        return [self._to_generation(promise.result()) for promise in promises]

    def _to_generation(self, result: Any) -> Generation:
        ids = [int(token) for token in result.hypotheses[0]]
        log_probability = result.scores[0] * len(ids) ** self._length_penalty
        return to_generation(ids, log_probability, self._special)


def translate_options(decoding: Decoding) -> dict[str, Any]:
    """Transformers' names -> CTranslate2's; all are passed, as its defaults are others."""
    return {
        "beam_size": decoding.num_beams,
        "max_decoding_length": decoding.max_new_tokens,
        "min_decoding_length": 0,  # a model may ask nothing; by default its end token would be banned
        "length_penalty": decoding.length_penalty,
        "no_repeat_ngram_size": decoding.no_repeat_ngram_size,
        # Early stopping is as many finished hypotheses as beams; without it, twice as many.
        "patience": 1 if decoding.early_stopping else 2,
        "max_input_length": 0,  # never cut: chunking keeps the bound
        "max_batch_size": 0,  # batches are made already
        "return_scores": True,
        "return_end_token": True,  # tells eos from length, and counts it in the score's length
    }


def _load_translator(
    model: ModelFiles, special: SpecialIds, choice: EngineChoice, home: Path, n_workers: int
) -> ctranslate2.Translator:
    try:
        with tempfile.TemporaryDirectory() as spare:
            directory = _converted(model, special, choice.precision, home, Path(spare))
            try:
                return _open_translator(directory, choice, n_workers)
            except ModelError as error:
                logger.warning("%s Making it again.", error.message)
                shutil.rmtree(directory, ignore_errors=True)
            directory = _converted(model, special, choice.precision, home, Path(spare))
            return _open_translator(directory, choice, n_workers)
    except OSError as error:
        raise OutputError(
            f"{model.name}: no place to convert it in ({error}).",
            "Make room in --cache-dir or TMPDIR, or use --engine torch.",
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


def _converted(model: ModelFiles, special: SpecialIds, precision: str, home: Path, spare: Path) -> Path:
    """The converted model in ``home``, made there if need be; in ``spare`` if it cannot be."""
    key = f"{model.sha256[:32]}-{precision}-{ctranslate2.__version__}-{_CONVERSION}"
    directory = home / key
    if directory.is_dir():
        return directory
    logger.info("Converting %s to CTranslate2 %s, once.", model.name, precision)
    try:
        home.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(home)
        with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=home) as draft:
            made = _convert(model, special, precision, Path(draft) / key)
            try:
                made.rename(directory)
            except OSError:
                if not directory.is_dir():  # else another run was faster
                    raise
    except OSError as error:
        logger.warning("%s cannot be written (%s): converting anew in each run.", home, error)
        return _convert(model, special, precision, spare / key)
    return directory


def _remove_leftovers(home: Path) -> None:
    """Remove what runs left that were killed while they converted."""
    for draft in home.glob(f"{_DRAFT}*"):
        if time.time() - draft.stat().st_mtime > _LEFTOVER_S:
            shutil.rmtree(draft, ignore_errors=True)


def _convert(model: ModelFiles, special: SpecialIds, precision: str, directory: Path) -> Path:
    _Converter(model, special).convert(str(directory), quantization=precision)
    return directory


class _Converter(Converter):
    """CTranslate2's own converter over weights that qgbatch has loaded and checked."""

    def __init__(self, model: ModelFiles, special: SpecialIds) -> None:
        self._model = model
        self._special = special

    def _load(self) -> Any:
        # Loaded for this alone: the conversion quantizes these tensors in place.
        weights = load_weights(self._model, torch.float32)
        vocabulary = _IdVocabulary(weights.config.vocab_size, self._special)
        with torch.no_grad():
            spec = _LOADERS[weights.config.model_type]()(weights, vocabulary)
        if not _scales_outputs(weights.config):
            spec.decoder.scale_outputs = OPTIONAL
        return spec


def _scales_outputs(config: Any) -> bool:
    """Whether the model scales its last hidden states: T5 does, T5 v1.1, Flan-T5 and mT5 do not.

    CTranslate2 4.8 takes tied embeddings for the sign of it, but transformers 5 calls
    all embeddings tied and has a field for this.
    """
    return bool(getattr(config, "scale_decoder_outputs", False))


class _IdVocabulary:
    """Stands for a tokenizer in the conversion: each token is its id in decimal."""

    def __init__(self, size: int, special: SpecialIds) -> None:
        self._size = size
        self.pad_token = str(special.pad)
        self.eos_token = str(special.eos)
        self.unk_token = str(special.unk)

    def get_vocab(self) -> dict[str, int]:
        return {str(token): token for token in range(self._size)}

    def convert_ids_to_tokens(self, token: int) -> str:
        return str(token)
