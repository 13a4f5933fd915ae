"""Which settings are part of which cache key.

Every field of the settings classes is listed here, so a new setting cannot be left out of a
cache key by mistake. A setting that decides a cached result must change its key, or the next run reuses
a wrong result. Any other setting must not, or the next run repeats work.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qgbatch.engines.fake import FakeEngine
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.questions.answers.answer import Answer
from qgbatch.records import Chunk, DecodedGeneration, Document
from qgbatch.settings import CacheSettings, Decoding, FileSettings, RunnerSettings, Settings
from tests.conftest import MINI
from tests.support.answering import make_answer_model

DOCUMENT = Document.from_text("Bees live in hives.", "a.txt")
INPUT = (5, 6, 1)
PAIR = ("Where do bees live?", DOCUMENT.text)

CHUNKS, GENERATIONS, ANSWERS = "chunks", "generations", "answers"
NONE: set[str] = set()
BASE: dict[str, Any] = {"num_beams": 1}
"""Settings of the run that fills the cache."""

CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    # Field: the change, and the results that can then not be reused.
    "model": ({"model": "{other model}"}, {CHUNKS, GENERATIONS}),  # its tokenizer decides the chunks
    "tokenizer": ({"tokenizer": "{other tokenizer}"}, {CHUNKS, GENERATIONS}),
    "engine": ({"engine": "torch"}, {GENERATIONS}),
    "dtype": ({"engine": "torch", "dtype": "bfloat16"}, {GENERATIONS, ANSWERS}),
    "compute_type": ({"compute_type": "float32"}, {GENERATIONS}),
    "max_tokens": ({"max_tokens": 100}, {CHUNKS}),
    "target_tokens": ({"target_tokens": 90}, {CHUNKS}),
    "chunking": ({"chunking": False}, {CHUNKS}),
    "on_long_row": ({"on_long_row": "split"}, NONE),  # rows are chunked
    "language": ({"language": "german"}, {CHUNKS}),
    "num_beams": ({"num_beams": 2}, {GENERATIONS}),
    "max_new_tokens": ({"max_new_tokens": 17}, {GENERATIONS}),
    "length_penalty": ({"length_penalty": 1.0}, NONE),  # there is one beam
    "no_repeat_ngram_size": ({"no_repeat_ngram_size": 4}, {GENERATIONS}),
    "do_sample": ({"do_sample": True}, {GENERATIONS}),
    # These decide the results of sampling only.
    "top_k": ({"top_k": 10}, NONE),
    "top_p": ({"top_p": 0.9}, NONE),
    "temperature": ({"temperature": 0.5}, NONE),
    "num_return_sequences": ({"do_sample": True, "num_return_sequences": 2}, {GENERATIONS}),
    "seed": ({"seed": 7}, NONE),
    "answers": ({"answers": "{other answer model}"}, {ANSWERS}),
    # These do not change what the model computes.
    "batch_tokens": ({"batch_tokens": 64}, NONE),
    "window_chunks": ({"window_chunks": 8}, NONE),
    # These are applied to the results, after they come from the model or the cache.
    "dedupe": ({"dedupe": "near"}, NONE),
    "near_threshold": ({"near_threshold": 0.5}, NONE),
    "dedupe_scope": ({"dedupe_scope": "corpus"}, NONE),
    "min_score": ({"min_score": -1.0}, NONE),
    "max_questions_per_chunk": ({"max_questions_per_chunk": 1}, NONE),
    "well_formed": ({"well_formed": True}, NONE),
    "standalone": ({"standalone": True}, NONE),
    "min_grounding": ({"min_grounding": 0.5}, NONE),
    "max_copied_words": ({"max_copied_words": 3}, NONE),
    "min_answer_score": ({"min_answer_score": 0.5}, NONE),
}
BEAMS: dict[str, Any] = {"num_beams": 2}
SAMPLING: dict[str, Any] = {"do_sample": True, "num_beams": 1}
CASES_OF_A_SEARCH: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    # Settings of the run that fills the cache, the change, and the results that can not be reused.
    (BEAMS, {"length_penalty": 1.0}, {GENERATIONS}),
    (BEAMS, {"num_return_sequences": 2}, {GENERATIONS}),
    (BEAMS, {"seed": 7, "top_k": 10, "top_p": 0.9, "temperature": 0.5}, NONE),
    (SAMPLING, {"seed": 7}, {GENERATIONS}),
    (SAMPLING, {"top_k": 10}, {GENERATIONS}),
    (SAMPLING, {"top_p": 0.9}, {GENERATIONS}),
    (SAMPLING, {"temperature": 0.5}, {GENERATIONS}),
    (SAMPLING, {"length_penalty": 1.0}, NONE),
    ({"chunking": False}, {"on_long_row": "split"}, {CHUNKS}),
    ({"engine": "torch"}, {"dtype": "float32"}, NONE),  # what auto chooses on a CPU
]
TESTED_SEPARATELY = {"revision", "device"}

NOT_IN_A_KEY: dict[type[Any], set[str]] = {
    # The encoding and the text columns decide the text, whose hash is part of the key of its chunks.
    FileSettings: {
        "encoding", "text_column", "id_column", "fail_fast", "format", "with_context", "csv_safe",
        "review_with", "wait_lock", "keep_columns", "passages", "ambiguous", "styles", "questions",
        "questions_per_document",
    },
    CacheSettings: {"cache", "cache_dir", "cache_size", "verify"},
    RunnerSettings: {"runner", "ray_address", "num_workers", "workers", "gpus_per_worker"},
}  # fmt: skip


def _fields(settings_class: type[Any]) -> set[str]:
    return {spec.name for spec in dataclasses.fields(settings_class)}


def test_every_field_of_settings_is_listed() -> None:
    assert _fields(Settings) == CASES.keys() | TESTED_SEPARATELY, (
        "Add the new setting to CASES, with the cached results that it decides."
    )


@pytest.mark.parametrize("settings_class", NOT_IN_A_KEY)
def test_every_field_of_the_other_settings_is_listed(settings_class: type[Any]) -> None:
    """Cache keys are made from ``Settings`` only: a setting that decides a cached result belongs there."""
    assert _fields(settings_class) == NOT_IN_A_KEY[settings_class]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Directories of models, by their placeholder in ``CASES``."""
    home = tmp_path_factory.mktemp("models")
    make_answer_model(home / "answers", "distilbert")
    for copy, original, file in (
        ("other model", MINI, "config.json"),
        ("other tokenizer", MINI, "tokenizer.json"),
        ("other answer model", home / "answers", "config.json"),
    ):
        shutil.copytree(original, home / copy)
        values = json.loads((home / copy / file).read_text(encoding="utf-8"))
        (home / copy / file).write_text(json.dumps(values | {"changed": True}), encoding="utf-8")
    return {f"{{{path.name}}}": str(path) for path in home.iterdir()}


Find = Callable[..., Components]


@pytest.fixture
def find(models: dict[str, str], tmp_path: Path) -> Find:
    """Find the components of a run with some settings, and with an answer model."""

    def find(**settings: Any) -> Components:
        values = {"answers": "{answers}", **BASE, **settings}
        values = {name: models.get(str(value), value) for name, value in values.items()}
        return Components.find(Settings(**values), tmp_path)

    return find


NotReused = Callable[..., set[str]]


@pytest.fixture
def not_reused(find: Find, tmp_path: Path) -> Iterator[NotReused]:
    """The results of a run that a run with other components does not reuse."""

    def make_chunks(document: Document) -> list[Chunk]:
        return [Chunk(document, 0, 0, 4, INPUT, False)]

    with closing(SqliteStore(tmp_path, 10**9)) as store:

        def not_reused(components: Components, **before: Any) -> set[str]:
            cache = open_cache(find(**before), store)
            list(cache.get_or_make_chunks(DOCUMENT, make_chunks))
            cache.put_generations({INPUT: DecodedGeneration(("Why?",), -0.5)})
            cache.put_answers({PAIR: Answer("Bees", 0, 4, 0.9, 0.1)})
            cache, made = open_cache(components, store), list[Document]()

            def make_and_record(document: Document) -> list[Chunk]:
                made.append(document)
                return make_chunks(document)

            list(cache.get_or_make_chunks(DOCUMENT, make_and_record))
            found = {
                CHUNKS: not made,
                GENERATIONS: bool(cache.get_generations([INPUT])),
                ANSWERS: bool(cache.get_answers([PAIR])),
            }
            return {result for result, is_found in found.items() if not is_found}

        yield not_reused


def test_the_same_settings_reuse_all_results(find: Find, not_reused: NotReused) -> None:
    assert not_reused(find()) == NONE


@pytest.mark.parametrize("name", CASES)
def test_a_setting_changes_the_keys_of_the_results_that_it_decides(
    name: str, find: Find, not_reused: NotReused
) -> None:
    change, expected = CASES[name]
    assert not_reused(find(**change)) == expected


@pytest.mark.parametrize(("before", "change", "expected"), CASES_OF_A_SEARCH)
def test_a_setting_of_another_search_changes_no_key(
    before: dict[str, Any],
    change: dict[str, Any],
    expected: set[str],
    find: Find,
    not_reused: NotReused,
) -> None:
    assert not_reused(find(**before, **change), **before) == expected


def test_the_engine_gets_the_settings_of_the_key(find: Find, tmp_path: Path) -> None:
    """So that no setting that is not in the key can decide a result."""
    engine = FakeEngine()
    found: list[Decoding] = []

    def load(choice: Any, model: Any, decoding: Decoding, *others: Any) -> FakeEngine:
        found.append(decoding)
        return engine

    for change in ({}, {"seed": 7, "temperature": 0.5, "length_penalty": 1.0}):
        components = dataclasses.replace(find(**change), load_engine=load)
        assert components.engine is engine
        assert components.decoding.seed == change.get("seed", 42)  # the report names what was given
    assert found[0] == found[1]


def test_the_kind_of_device_is_part_of_the_keys_and_its_number_is_not(
    find: Find, not_reused: NotReused
) -> None:
    components = find()
    for device, expected in (("cuda:1", {GENERATIONS, ANSWERS}), ("cpu:1", NONE)):
        choice = dataclasses.replace(components.engine_choice, device=device)
        assert not_reused(dataclasses.replace(components, engine_choice=choice)) == expected


def test_a_revision_counts_by_the_files_of_the_model(find: Find, not_reused: NotReused) -> None:
    components = find()
    renamed = dataclasses.replace(components.model, name="an/id", revision="a branch")
    assert not_reused(dataclasses.replace(components, model=renamed)) == NONE
    other_files = dataclasses.replace(renamed, directory=find(model="{other model}").model.directory)
    assert not_reused(dataclasses.replace(components, model=other_files)) == {GENERATIONS}


def test_the_cache_directory_is_not_part_of_the_keys(
    find: Find, not_reused: NotReused, tmp_path: Path
) -> None:
    assert not_reused(dataclasses.replace(find(), cache_dir=tmp_path / "other")) == NONE
