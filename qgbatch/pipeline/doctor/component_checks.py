"""Checks of what a run loads: packages, device, engine, model and tokenizer."""

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
from qgbatch.engines.cores import n_cores
from qgbatch.engines.devices import find_device
from qgbatch.errors import ModelError, SettingsError, require_package
from qgbatch.models.checkpoint import BUILT_IN_MODELS
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.doctor.findings import INSTALL, CautionError
from qgbatch.questions.extraction import decode_generation, extract_questions
from qgbatch.records import Chunk, Document
from qgbatch.settings import CacheSettings, ComputeType, Settings

_TEXT = "Bees live in hives. They make honey from the nectar of flowers."
_BOUND = re.compile(r"([\w.-]+)>=([\d.]+)$")


def check_versions() -> str:
    """Check that the required packages are installed, and that their versions are supported."""
    found = {"qgbatch": qgbatch.__version__, "Python": platform.python_version()}
    missing, outdated = [], []
    for requirement in requires("qgbatch") or []:
        bound = _BOUND.match(requirement)
        if bound is None:  # it belongs to an extra
            continue
        name, minimum = bound.groups()
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            missing.append(name)
        else:
            if _release(found[name]) < _release(minimum):
                outdated.append(f"{name} {found[name]} is older than {minimum}")
    if missing:
        raise ModelError(f"not installed: {', '.join(missing)}.", INSTALL)
    if outdated:
        raise CautionError(f"{', '.join(outdated)}.", INSTALL)
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _release(number: str) -> list[int]:
    """The first three numbers of a version, for comparisons."""
    return [int(digits) for digits in re.findall(r"\d+", number.partition("+")[0])[:3]]


def check_ray() -> str:
    """Check that Ray is installed, and return its version."""
    require_package("ray", "--runner ray", extra="ray")
    return version("ray")


class ComponentChecks:
    """Checks of what a run loads. Each check keeps what it loaded for the checks after it."""

    def __init__(self, settings: Settings, cache: CacheSettings) -> None:
        self._settings = settings
        self._cache = cache
        self._device = "cpu"
        self._components: Components | None = None
        self.choice: EngineChoice | None = None

    def check_device(self) -> str:
        """Check that the device exists."""
        self._device = find_device(self._settings.device)
        cores = f", {n_cores()} cores that this process may use" if self._device == "cpu" else ""
        return f"{self._device}{cores}{_chosen_by_auto(self._settings.device)}"

    def check_engine(self) -> str:
        """Check that the engine supports the device and the precision."""
        self.choice = choice = choose_engine(self._settings)
        by_auto = _chosen_by_auto(self._settings.engine)
        return f"{choice.name} on {choice.device} in {choice.precision}{by_auto}"

    def check_package(self, name: str) -> str:
        """Check that an engine can be imported.

        It is an error if the run uses this engine, or if it is torch, which the tokenizers need;
        otherwise it is a warning.
        """
        try:
            import_module(f"qgbatch.engines.{name}")
            types = ", ".join(_compute_types(self._device)) if name == "ctranslate2" else ""
            return "can be imported" + (f"; --compute-type: {types}" if types else "")
        except Exception as error:  # a damaged shared library raises other errors than ImportError
            is_required = name == "torch" or self.choice is None or self.choice.name == name
            kind = ModelError if is_required else CautionError
            raise kind(f"cannot be imported ({error}).", INSTALL) from error

    def check_sentences(self) -> str:
        """Check that the sentence splitter can load its data."""
        language = self._settings.language
        try:
            from qgbatch.chunking.sentences import SentenceSplitter

            n_sentences = len(list(SentenceSplitter(language)(_TEXT)))
        except Exception as error:  # damaged data can raise anything
            raise ModelError(
                f"{language}: the sentence splitter cannot be loaded ({error}).", INSTALL
            ) from error
        return f"{language}, {n_sentences} sentences in the test text"

    def check_model(self) -> str:
        """Check that the model is found, and that it is a T5."""
        settings = self._settings
        if self.choice is None:  # already reported; the model can be checked anyway
            settings = replace(settings, engine="auto", device="cpu", dtype="auto", compute_type="auto")
        self._components = Components.find(settings, self._cache.directory)
        model = self._components.model
        return f"{model.name} in {model.directory}, sha256 {model.sha256}"

    def check_hub(self) -> str:
        """Report whether a run connects to the Hugging Face hub."""
        from huggingface_hub import constants

        name = self._settings.model
        if self._components:
            directories = (self._components.model.directory, self._components.tokenizer_dir)
            is_hub_used = any(path.is_relative_to(constants.HF_HUB_CACHE) for path in directories)
        else:
            is_hub_used = name not in BUILT_IN_MODELS and not os.path.isdir(name)
        variable = f"HF_HUB_OFFLINE is {'set' if constants.HF_HUB_OFFLINE else 'not set'}"
        if not is_hub_used:
            return f"not needed; {variable}"
        if constants.HF_HUB_OFFLINE:
            return f"only files in {constants.HF_HUB_CACHE} are used; {variable}"
        return f"every run connects to it for the model or tokenizer; {variable}"

    def check_tokenizer(self) -> str:
        """Check that the tokenizer loads, fits the model, and that the prompt leaves space for text."""
        assert self._components
        tokenizer, limits = self._components.tokenizer, self._components.limits
        n_rows = self._components.model.vocab_size
        return (
            f"{tokenizer.vocab_size} tokens, {n_rows} embeddings in the model; a chunk has at most "
            f"{limits.max_tokens} tokens, including {tokenizer.n_prompt_tokens} of the prompt"
        )

    def check_weights(self) -> str:
        """Check that the weights load."""
        assert self._components
        start = time.perf_counter()
        _ = self._components.engine
        return f"loaded in {time.perf_counter() - start:.1f} s"

    def check_answer(self) -> str:
        """Check that the model writes a question about a short text."""
        assert self._components
        tokenizer = self._components.tokenizer
        start = time.perf_counter()
        [(_, [generation])] = self._components.generate([tokenizer.encode([_TEXT])])
        seconds = time.perf_counter() - start
        if generation is None:
            raise ModelError(
                "a short text does not fit in the memory of the device.", "Use another --device."
            )
        decoded = decode_generation(generation, tokenizer.decode, tokenizer.unk_id)
        chunk = Chunk(Document.from_text(_TEXT, "test"), 0, 0, len(_TEXT), (), hard_split=False)
        output_format = self._components.model.metadata.output_format
        questions = extract_questions(chunk, decoded, output_format, Counter())
        if not questions:
            raise CautionError(
                f"the model wrote no question about: {_TEXT}",
                "Check that --model is a question generation model.",
            )
        return f'"{questions[0].question}" in {seconds:.1f} s'

    def check_answer_model(self) -> str:
        """Check that the model of ``--answers`` loads and gives an answer."""
        assert self._components
        [answer] = self._components.answerer.answer([("What is this about?", _TEXT)])
        where = self._components.answer_model
        return f"{self._settings.answers} in {where}, score {answer.score:.3f} for a test question"


def _chosen_by_auto(setting: str) -> str:
    return " (chosen by auto)" if setting == "auto" else ""


def _compute_types(device: str) -> Iterator[str]:
    """The compute types that CTranslate2 supports on a device."""
    for name in get_args(ComputeType)[1:]:  # all except auto
        with suppress(SettingsError):
            choose_engine(Settings(engine="ctranslate2", device=device, compute_type=name))
            yield name
