"""Fixtures that several test files use. No test reaches a network."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

# Before torch and transformers are imported: they read these once. The processes of pytest-xdist
# share the cores, so each of them, and what it starts, uses one thread.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # as the command does, for tests that read its messages
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings as hypothesis_settings

from qgbatch.engines.choice import LoadEngine
from qgbatch.models import checkpoint, tokenizer
from qgbatch.models.known_models import ModelMetadata
from qgbatch.records import Document
from qgbatch.settings import Settings
from tests.support.warm_process import warm_process

__all__ = ["warm_process"]

ROOT = Path(__file__).parent.parent
MINI = ROOT / "tests" / "checkpoints" / "mini"
"""A checkpoint that is three times faster than the built-in model and writes questions without answers."""
SAMPLES = ROOT / "samples"

collect_ignore_glob = ["support/*"]  # modules that are no tests, and have no doctests

# Examples per property. No deadline, because the first example may load a model.
hypothesis_settings.register_profile("dev", max_examples=25, deadline=None)
hypothesis_settings.register_profile("ci", max_examples=60, deadline=None)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_configure(config: pytest.Config) -> None:
    """Measure coverage, which has a minimum, only if all tests of the default run are selected."""
    coverage = config.pluginmanager.getplugin("_cov")
    selects_all = (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and config.option.markexpr == "not faults"
        and not (config.option.keyword or config.option.lf or config.option.collectonly)
    )
    if coverage and not selects_all:
        config.option.no_cov = coverage.options.no_cov = True


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache directory of the tests' own; the converted model in it serves all of them."""
    home = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        yield home


@pytest.fixture(scope="session", autouse=True)
def built_in_model_is_mini(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Replace the built-in model by mini in this process. Other processes find the real one by its name."""
    home = tmp_path_factory.mktemp("built-in")
    (home / Settings().model).symlink_to(MINI)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "_BUILT_IN_HOMES", (home,))
        yield


@pytest.fixture(scope="session", autouse=True)
def mini_s_tokenizer_is_loaded_once() -> Iterator[None]:
    """Load the tokenizer of mini once per process; that takes longer than most tests."""
    make = tokenizer._make_tokenizer
    loaded: dict[ModelMetadata, tokenizer.PromptTokenizer] = {}

    def make_once(directory: Path, metadata: ModelMetadata) -> tokenizer.PromptTokenizer:
        if directory.resolve() != MINI:
            return make(directory, metadata)
        if metadata not in loaded:
            loaded[metadata] = make(directory, metadata)
        return loaded[metadata]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer, "_make_tokenizer", make_once)
        yield


@pytest.fixture(autouse=True)
def no_earlier_results(cache_home: Path) -> None:
    """Let no test be answered by what another one had the model do."""
    for path in (cache_home / "qgbatch").glob("results-*"):
        path.unlink()


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread trains a tiny model many times faster than several that share busy cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_document() -> Callable[..., Document]:
    """Make a document of a text."""

    def make(text: str, source: str = "a.txt") -> Document:
        return Document.from_text(text, source)

    return make


@pytest.fixture
def qgbatch() -> Callable[..., Result]:
    """Run the command in this process: ``qgbatch("run", "a.txt", "-o", "-")``."""
    return invoke


def invoke(*words: str | Path, load_engine: LoadEngine | None = None, stdin: bytes | None = None) -> Result:
    """Run the command in this process, with an engine that this function loads if one is given."""
    from qgbatch.cli import main

    return CliRunner().invoke(main, [str(word) for word in words], input=stdin, obj=load_engine)


@pytest.fixture(scope="session")
def bare_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer directory without ``<sep>``, as ``t5-base`` is."""
    directory = tmp_path_factory.mktemp("base-tokenizer")
    shutil.copy(MINI / "spiece.model", directory)
    tokenizer = json.loads((MINI / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] != "<sep>"]
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((MINI / "tokenizer_config.json").read_text())
    config.pop("sep_token", None)
    config["added_tokens_decoder"] = {
        key: token
        for key, token in config.get("added_tokens_decoder", {}).items()
        if token["content"] != "<sep>"
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory


@pytest.fixture(scope="session")
def weights_only_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out like ``ThomasSimonini/t5-end2end-question-generation``.

    Only the configuration and ``pytorch_model.bin``, one embedding row for each token of the
    base tokenizer and one for ``<sep>``. The weights are mini's.
    """
    return _save_notebook_checkpoint(tmp_path_factory.mktemp("weights-only"), vocab_size=8101)


@pytest.fixture(scope="session")
def own_tokenizer_checkpoint(
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Laid out like ``valhalla/t5-base-e2e-qg``.

    ``spiece.model`` with ``<sep>`` among the added tokens, and ``pytorch_model.bin``. The
    weights are mini's.
    """
    directory = _save_notebook_checkpoint(tmp_path_factory.mktemp("own-tokenizer"), vocab_size=8102)
    shutil.copy(MINI / "spiece.model", directory)
    (directory / "added_tokens.json").write_text(json.dumps({"<sep>": 8100, "<hl>": 8101}))
    sentinels = [f"<extra_id_{i}>" for i in range(100)]
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    (directory / "special_tokens_map.json").write_text(
        json.dumps({**special, "additional_special_tokens": sentinels})
    )
    (directory / "tokenizer_config.json").write_text(
        json.dumps({**special, "extra_ids": 100, "model_max_length": 512, "tokenizer_class": "T5Tokenizer"})
    )
    return directory


def _save_notebook_checkpoint(directory: Path, vocab_size: int) -> Path:
    import torch
    from transformers import T5ForConditionalGeneration

    weights = T5ForConditionalGeneration.from_pretrained(MINI, dtype=torch.float32)
    weights.resize_token_embeddings(vocab_size)
    torch.save(weights.state_dict(), directory / "pytorch_model.bin")
    config = json.loads((MINI / "config.json").read_text())
    config |= {"vocab_size": vocab_size, "dtype": "float32"}
    (directory / "config.json").write_text(json.dumps(config))
    return directory
