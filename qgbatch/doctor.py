"""Whether a run would go well here: one check after another, each on its own.

A check does what a run would do, so that it finds what a run would. A model is thus fetched
and converted, and the cache made, if they are not there yet; outputs stay as they are.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import IO, Literal, get_args

import qgbatch
from qgbatch.engines import EngineChoice, choose_engine, find_device
from qgbatch.errors import ExitCode, LockedError, ModelError, QgbatchError, SettingsError, exit_code_of
from qgbatch.models import EMBEDDED_MODELS
from qgbatch.outputs import STDOUT, open_output, replacing, temporary_file
from qgbatch.questions import decode_generation, is_well_formed
from qgbatch.settings import CacheSettings, ComputeType, FileSettings, Settings
from qgbatch.stages import Stages
from qgbatch.store import Store
from qgbatch.writers import choose_format, open_writer

logger = logging.getLogger(__name__)

Status = Literal["ok", "warning", "failed", "skipped"]

_TEXT = "Bees live in hives. They make honey from the nectar of flowers."
_INSTALL = "Install qgbatch again: pip install -c constraints.txt ."
_BOUND = re.compile(r"([\w.-]+)>=([\d.]+)$")
_BLOCK_BYTES = 4096
"""Written to see that there is space: an empty file takes none."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    status: Status
    """``warning`` where a run goes on, ``skipped`` where an earlier check has to pass first."""
    finding: str
    hint: str = ""
    """What to do next; empty where all is well."""
    exit_code: ExitCode = ExitCode.OK
    """Of a run that meets this."""


def diagnose(
    settings: Settings,
    files: FileSettings,
    cache: CacheSettings,
    output: str | None = None,
    side_outputs: Mapping[str, Path] | None = None,
) -> Iterator[Finding]:
    """Check what a run with these settings needs, and yield what is found as it goes.

    ``side_outputs`` are the files beside the output, by their options' names. Only a model
    or tokenizer from the hub touches the network, and not with ``HF_HUB_OFFLINE=1``.
    """
    case = _Case(settings, cache)
    examine = _Examiner()
    yield examine("versions", _check_versions)
    yield examine("device", case.check_device)
    yield examine("engine", case.check_engine, needs=["device"])
    yield examine("torch", partial(case.check_package, "torch"))
    yield examine("ctranslate2", partial(case.check_package, "ctranslate2"))
    yield examine("sentences", case.check_sentences)
    yield examine("model", case.check_model)
    yield examine("hub", case.check_hub)
    yield examine("tokenizer", case.check_tokenizer, needs=["model"])
    package = [case.choice.name] if case.choice else []
    elsewhere = "If it stays so, name another directory with --cache-dir."
    yield examine("weights", case.check_weights, needs=["engine", *package, "tokenizer"], hint=elsewhere)
    yield examine("answer", case.check_answer, needs=["weights"])
    yield examine("cache", case.check_cache, hint=elsewhere)
    yield examine("temporary", _check_temporary_files)
    if output is not None:
        yield examine("output", partial(_check_output, output, files))
    for name, path in (side_outputs or {}).items():
        yield examine(name, partial(_check_side_output, path))


class _CautionError(QgbatchError):
    """Something is wrong that a run does without."""


class _DroppedError(Exception):
    """Ends the block of an output that is not to be replaced."""


class _Examiner:
    """Runs checks; what goes wrong in one is its finding, and the next is run."""

    def __init__(self) -> None:
        self._not_passed: set[str] = set()

    def __call__(
        self, check: str, find: Callable[[], str], *, needs: list[str] | None = None, hint: str = ""
    ) -> Finding:
        """Run a check, unless one that it needs did not pass; ``hint`` is for what a run would warn of."""
        lacking = [need for need in needs or [] if need in self._not_passed]
        if lacking:
            finding = Finding(check, "skipped", f"needs: {', '.join(lacking)}.", "See there.")
        else:
            finding = _examine(check, find, hint)
        if finding.status in ("failed", "skipped"):
            self._not_passed.add(check)
        return finding


def _examine(check: str, find: Callable[[], str], hint: str) -> Finding:
    status: Status = "ok"
    exit_code = ExitCode.OK
    with _heard_warnings() as heard:
        try:
            found = find()
        except (_CautionError, LockedError) as error:
            status, found, hint = "warning", error.message, error.hint
        except Exception as error:  # whatever it is must not stop the other checks
            logger.debug("%s:", check, exc_info=True)
            status, exit_code = "failed", exit_code_of(error)
            if isinstance(error, QgbatchError):
                found, hint = error.message, error.hint
            elif isinstance(error, ImportError):
                found, hint, exit_code = f"{error}.", _INSTALL, ExitCode.MODEL
            else:
                found = f"unexpected {type(error).__name__}: {error}."
                hint = "Please report it with the output of -v."
    if heard and status == "ok":
        status, found = "warning", " ".join(heard)
    elif heard:
        found = " ".join([*heard, found])
    return Finding(check, status, " ".join(found.split()), "" if status == "ok" else hint, exit_code)


@contextmanager
def _heard_warnings() -> Iterator[list[str]]:
    """Collect warnings for the finding instead of logging them."""
    heard: list[str] = []

    def is_for_the_log(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            heard.append(record.getMessage())
        return record.levelno < logging.WARNING

    handlers = logging.getLogger(qgbatch.__name__).handlers
    for handler in handlers:
        handler.addFilter(is_for_the_log)
    try:
        yield heard
    finally:
        for handler in handlers:
            handler.removeFilter(is_for_the_log)


class _Case:
    """The checks of what a run loads, each of which leaves its part to the later ones."""

    def __init__(self, settings: Settings, cache: CacheSettings) -> None:
        self._settings = settings
        self._cache = cache
        self._device = "cpu"
        self._stages: Stages | None = None
        self.choice: EngineChoice | None = None

    def check_device(self) -> str:
        self._device = find_device(self._settings.device)
        return f"{self._device}{_by_auto(self._settings.device)}"

    def check_engine(self) -> str:
        self.choice = choice = choose_engine(self._settings)
        return f"{choice.name} on {choice.device} in {choice.precision}{_by_auto(self._settings.engine)}"

    def check_package(self, name: str) -> str:
        """Import an engine, which the model needs if it is the chosen one."""
        try:
            module = import_module(f"qgbatch.engines.{name}")
            if name == "torch":
                return "can be imported"
            types = ", ".join(_compute_types(self._device))
            return f"can be imported, uses {module.n_cores()} cores of a CPU; --compute-type: {types}"
        except Exception as error:  # a broken shared library raises more than ImportError
            is_needed = self.choice is None or self.choice.name == name
            kind = ModelError if is_needed else _CautionError
            raise kind(f"cannot be imported ({error}).", _INSTALL) from error

    def check_sentences(self) -> str:
        from qgbatch.sentences import SentenceSplitter  # nltk takes seconds

        language = self._settings.language
        try:
            n_sentences = len(list(SentenceSplitter(language)(_TEXT)))
        except LookupError as error:
            raise ModelError(f"{language}: its data cannot be loaded ({error}).", _INSTALL) from error
        return f"{language}, {n_sentences} in the test's text"

    def check_model(self) -> str:
        settings = self._settings
        if self.choice is None:  # has been said; the model can be looked at all the same
            settings = replace(settings, engine="auto", device="cpu", dtype="auto", compute_type="auto")
        self._stages = Stages.find(settings, self._cache.directory)
        model = self._stages.model
        return f"{model.name} in {model.directory}, sha256 {model.sha256}"

    def check_hub(self) -> str:
        from huggingface_hub import constants

        name = self._settings.model
        if self._stages:
            places = (self._stages.model.directory, self._stages.tokenizer)
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
        assert self._stages
        prompt, limits = self._stages.prompt, self._stages.limits
        return (
            f"{prompt.vocab_size} tokens, {self._stages.model.vocab_size} rows in the model; a chunk has "
            f"{limits.max_tokens} tokens at most, {prompt.n_prompt_tokens} of them the prompt's"
        )

    def check_weights(self) -> str:
        assert self._stages
        start = time.perf_counter()
        _ = self._stages.engine
        return f"loaded in {time.perf_counter() - start:.1f} s"

    def check_answer(self) -> str:
        assert self._stages
        prompt = self._stages.prompt
        start = time.perf_counter()
        [(_, [generation])] = self._stages.generate(prompt.encode([_TEXT]))
        seconds = time.perf_counter() - start
        if generation is None:
            raise ModelError(
                "a short text does not fit into the memory of the device.", "Use another --device."
            )
        pieces = decode_generation(generation, prompt.decode, prompt.unk_id).pieces
        question = next((piece for piece in pieces if piece and is_well_formed(piece)), None)
        if question is None:
            raise _CautionError(
                f"no question about: {_TEXT}", "See that --model is one that asks questions."
            )
        return f'"{question}" in {seconds:.1f} s'

    def check_cache(self) -> str:
        directory, limit = self._cache.directory, self._cache.max_bytes
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(bytes(_BLOCK_BYTES))
        except OSError as error:
            reason = error.strerror or error
            raise _CautionError(
                f"{directory} cannot be written ({reason}): a run goes on without it, and converts anew.",
                "Name another directory with --cache-dir.",
            ) from error
        if not self._cache.cache:
            return f"{directory} for converted models alone, by --no-cache; {_free(directory)}"
        with closing(Store(directory, sys.maxsize)) as store:  # so that nothing has to go
            store.put({})
            n_entries, n_bytes = store.size()
        sizes = f"{n_bytes / 1e6:,.1f} of {limit / 1e6:,.1f} MB"
        return f"{directory}, {n_entries:,} entries, {sizes}; {_free(directory)}"


def _by_auto(setting: str) -> str:
    return ", as auto chooses" if setting == "auto" else ""


def _check_versions() -> str:
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
        raise ModelError(f"not installed: {', '.join(missing)}.", _INSTALL)
    if old:
        raise _CautionError(f"{', '.join(old)}.", _INSTALL)
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _release(number: str) -> list[int]:
    """The first numbers of a version, to compare."""
    return [int(part) for part in re.findall(r"\d+", number.partition("+")[0])[:3]]


def _compute_types(device: str) -> Iterator[str]:
    for name in get_args(ComputeType)[1:]:  # but for auto
        with suppress(SettingsError):
            choose_engine(Settings(engine="ctranslate2", device=device, compute_type=name))
            yield name


def _check_temporary_files() -> str:
    with temporary_file() as stream:
        stream.write(bytes(_BLOCK_BYTES))
    directory = tempfile.gettempdir()
    return f"{directory}, {_free(directory)}"


def _check_output(output: str, files: FileSettings) -> str:
    file_format = choose_format(output, files.format)
    if output == STDOUT:
        return f"standard output, as {file_format}"

    def write(stream: IO[bytes]) -> None:
        with open_writer(stream, file_format, {}, with_context=files.with_context):
            pass

    return f"{_try(output, open_output(output), write)}, as {file_format}"


def _check_side_output(path: Path) -> str:
    return _try(str(path), replacing(path), lambda stream: None)


def _try(
    output: str, opening: AbstractContextManager[IO[bytes]], write: Callable[[IO[bytes]], None]
) -> str:
    """Write beside an output, and drop it."""
    if os.path.exists(output) and not os.path.isfile(output) and not os.path.isdir(output):
        return f"{output} is a pipe or device, and left alone"
    with suppress(_DroppedError), opening as stream:
        write(stream)
        stream.write(bytes(_BLOCK_BYTES))
        stream.flush()
        raise _DroppedError
    return f"{output} can be written, {_free(Path(os.path.realpath(output)).parent)}"


def _free(directory: str | Path) -> str:
    return f"{shutil.disk_usage(directory).free / 1e9:,.1f} GB free"
