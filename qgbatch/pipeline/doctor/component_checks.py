"""Checks of what a run loads: packages, device, engine, model."""

from __future__ import annotations

import os
import platform
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from typing import get_args

import qgbatch
from qgbatch.engines.base import EngineChoice
from qgbatch.engines.choice import choose_engine
from qgbatch.engines.devices import find_device, n_cores
from qgbatch.errors import ModelError, SettingsError, require_package
from qgbatch.models.checkpoint import EMBEDDED_MODELS
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.doctor.findings import INSTALL, CautionError
from qgbatch.questions.extraction import decode_generation, extract_questions
from qgbatch.records import Chunk, Document
from qgbatch.settings import CacheSettings, ComputeType, Settings

_TEXT = "Bees live in hives. They make honey from the nectar of flowers."
_BOUND = re.compile(r"([\w.-]+)>=([\d.]+)$")


def check_versions() -> str:
    """The packages that qgbatch needs are there, and new enough."""
    found = {"qgbatch": qgbatch.__version__, "Python": platform.python_version()}
    missing, old = [], []
    for requirement in requires("qgbatch") or []:
        bound = _BOUND.match(requirement)
        if bound is None:  # of an extra
            continue
        name, least = bound.groups()
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            missing.append(name)
        else:
            if _release(found[name]) < _release(least):
                old.append(f"{name} {found[name]} is older than {least}")
    if missing:
        raise ModelError(f"not installed: {', '.join(missing)}.", INSTALL)
    if old:
        raise CautionError(f"{', '.join(old)}.", INSTALL)
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _release(number: str) -> list[int]:
    """The first numbers of a version, to compare."""
    return [int(part) for part in re.findall(r"\d+", number.partition("+")[0])[:3]]


def check_ray() -> str:
    """Ray can be imported."""
    require_package("ray", "--runner ray", extra="ray")
    return version("ray")


class ComponentChecks:
    """What a run loads: each check leaves its part to the later ones."""

    def __init__(self, settings: Settings, cache: CacheSettings) -> None:
        self._settings = settings
        self._cache = cache
        self._device = "cpu"
        self._components: Components | None = None
        self.choice: EngineChoice | None = None

    def check_device(self) -> str:
        """The device is there."""
        self._device = find_device(self._settings.device)
        cores = f", {n_cores()} cores that this process may use" if self._device == "cpu" else ""
        return f"{self._device}{cores}{_by_auto(self._settings.device)}"

    def check_engine(self) -> str:
        """The engine is for this device and precision."""
        self.choice = choice = choose_engine(self._settings)
        return f"{choice.name} on {choice.device} in {choice.precision}{_by_auto(self._settings.engine)}"

    def check_package(self, name: str) -> str:
        """Import an engine; a run does without the one that is not chosen, but tokenizers need torch."""
        try:
            import_module(f"qgbatch.engines.{name}")
            types = ", ".join(_compute_types(self._device)) if name == "ctranslate2" else ""
            return "can be imported" + (f"; --compute-type: {types}" if types else "")
        except Exception as error:  # a broken shared library raises more than ImportError
            is_needed = name == "torch" or self.choice is None or self.choice.name == name
            kind = ModelError if is_needed else CautionError
            raise kind(f"cannot be imported ({error}).", INSTALL) from error

    def check_sentences(self) -> str:
        """The sentence splitter has its data."""
        language = self._settings.language
        try:
            from qgbatch.chunking.sentences import SentenceSplitter

            n_sentences = len(list(SentenceSplitter(language)(_TEXT)))
        except Exception as error:  # whatever damaged data raises
            raise ModelError(f"{language}: the splitter cannot be loaded ({error}).", INSTALL) from error
        return f"{language}, {n_sentences} in the test's text"

    def check_model(self) -> str:
        """The model is there, and a T5."""
        settings = self._settings
        if self.choice is None:  # has been said; the model can be looked at all the same
            settings = replace(settings, engine="auto", device="cpu", dtype="auto", compute_type="auto")
        self._components = Components.find(settings, self._cache.directory)
        model = self._components.model
        return f"{model.name} in {model.directory}, sha256 {model.sha256}"

    def check_hub(self) -> str:
        """Whether runs ask the hub."""
        from huggingface_hub import constants

        name = self._settings.model
        if self._components:
            places = (self._components.model.directory, self._components.tokenizer_dir)
            is_asked = any(place.is_relative_to(constants.HF_HUB_CACHE) for place in places)
        else:
            is_asked = name not in EMBEDDED_MODELS and not os.path.isdir(name)
        variable = f"HF_HUB_OFFLINE is {'set' if constants.HF_HUB_OFFLINE else 'not set'}"
        if not is_asked:
            return f"not needed; {variable}"
        if constants.HF_HUB_OFFLINE:
            return f"only what is in {constants.HF_HUB_CACHE}; {variable}"
        return f"every run asks it for the model or tokenizer; {variable}"

    def check_tokenizer(self) -> str:
        """The tokenizer loads, fits the model, and leaves room for text."""
        assert self._components
        tokenizer, limits = self._components.tokenizer, self._components.limits
        n_rows = self._components.model.vocab_size
        return (
            f"{tokenizer.vocab_size} tokens, {n_rows} rows in the model; a chunk has "
            f"{limits.max_tokens} tokens at most, {tokenizer.n_prompt_tokens} of them the prompt's"
        )

    def check_weights(self) -> str:
        """The weights load."""
        assert self._components
        start = time.perf_counter()
        _ = self._components.engine
        return f"loaded in {time.perf_counter() - start:.1f} s"

    def check_answer(self) -> str:
        """The model asks a question."""
        assert self._components
        tokenizer = self._components.tokenizer
        start = time.perf_counter()
        [(_, [generation])] = self._components.generate([tokenizer.encode([_TEXT])])
        seconds = time.perf_counter() - start
        if generation is None:
            raise ModelError(
                "a short text does not fit into the memory of the device.", "Use another --device."
            )
        decoded = decode_generation(generation, tokenizer.decode, tokenizer.unk_id)
        chunk = Chunk(Document.from_text(_TEXT, "test"), 0, 0, len(_TEXT), (), hard_split=False)
        output_format = self._components.model.metadata.output_format
        questions = extract_questions(chunk, decoded, output_format, Counter())
        if not questions:
            raise CautionError(
                f"no question about: {_TEXT}", "See that --model is one that asks questions."
            )
        return f'"{questions[0].question}" in {seconds:.1f} s'

    def check_answer_model(self) -> str:
        """The model that answers questions loads, and gives an answer."""
        assert self._components
        [answer] = self._components.answerer.answer([("What is this about?", _TEXT)])
        where = self._components.answer_model
        return f"{self._settings.answers} in {where}, a test's score is {answer.score:.3f}"


def _by_auto(setting: str) -> str:
    return ", as auto chooses" if setting == "auto" else ""


def _compute_types(device: str) -> Iterator[str]:
    for name in get_args(ComputeType)[1:]:  # but for auto
        with suppress(SettingsError):
            choose_engine(Settings(engine="ctranslate2", device=device, compute_type=name))
            yield name
