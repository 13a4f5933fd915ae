"""Settings classes: checks of values, error messages, defaults."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, get_args, get_type_hints

import punkt
import pytest

from qgbatch.errors import SettingsError, naming_options
from qgbatch.settings import (
    BaseSettings,
    CacheSettings,
    Decoding,
    FileSettings,
    Language,
    Options,
    RunnerSettings,
    Settings,
)
from qgbatch.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("target_tokens", 0),
        ("num_beams", 0),
        ("num_beams", 65),
        ("max_new_tokens", 0),
        ("no_repeat_ngram_size", -1),
        ("batch_tokens", 0),
        ("window_chunks", 0),
        ("near_threshold", -0.01),
        ("near_threshold", 1.01),
    ],
)
def test_values_out_of_range_are_rejected(name: str, value: float) -> None:
    values: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=rf"^{name}={value} is out of range\. Give "):
        Settings(**values)


@pytest.mark.parametrize("name", ["near_threshold", "length_penalty"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_rejected(name: str, value: float) -> None:
    values: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=rf"^{name}={value} is not a finite number"):
        Settings(**values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 1),
        ("target_tokens", 1),
        ("num_beams", 1),
        ("num_beams", 64),
        ("max_new_tokens", 1),
        ("no_repeat_ngram_size", 0),
        ("length_penalty", -2.5),
        ("near_threshold", 0),
        ("near_threshold", 1),
    ],
)
def test_ranges_include_their_bounds(name: str, value: float) -> None:
    values: dict[str, Any] = {name: value}
    assert getattr(Settings(**values), name) == value


def test_the_hint_names_the_bounds_of_the_range() -> None:
    with pytest.raises(SettingsError, match="from 1 to 64"):
        Settings(num_beams=0)
    with pytest.raises(SettingsError, match="of 1 or more"):
        Settings(batch_tokens=0)


@pytest.mark.parametrize(
    ("name", "value", "one_choice"),
    [
        ("engine", "onnx", "ctranslate2"),
        ("dtype", "float16", "bfloat16"),
        ("compute_type", "int4", "int8"),
        ("language", "klingon", "german"),
        ("dedupe", "fuzzy", "near"),
        ("dedupe_scope", "page", "corpus"),
    ],
)
def test_the_hint_of_an_invalid_choice_lists_the_valid_ones(name: str, value: str, one_choice: str) -> None:
    values: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=rf"^{name}='{value}' is not a valid choice\. .*{one_choice}"):
        Settings(**values)


def test_optional_choices_are_checked_too() -> None:
    values: dict[str, Any] = {"format": "xlsx"}
    with pytest.raises(SettingsError, match=r"^format='xlsx' is not a valid choice\. .*parquet"):
        FileSettings(**values)
    assert FileSettings(format=None).format is None


@pytest.mark.parametrize("encoding", ["cp9999", "base64", ""])
def test_unknown_encodings_are_rejected(encoding: str) -> None:
    with pytest.raises(SettingsError, match=rf"^encoding=\('{encoding}',\): "):
        FileSettings(encoding=("cp1252", encoding))


@pytest.mark.parametrize(
    ("settings", "name", "value", "expected"),
    [
        (Settings, "min_score", "0.5", "a number, not '0.5'"),
        (Settings, "num_beams", 2.5, "an integer, not 2.5"),
        (Settings, "num_beams", True, "an integer, not True"),
        (Settings, "seed", None, "an integer, not None"),
        (Settings, "well_formed", 1, "True or False, not 1"),
        (Settings, "model", b"small", "a string, not b'small'"),
        (FileSettings, "encoding", "cp1252", "a tuple of strings, not 'cp1252'"),
        (FileSettings, "text_column", ("body", 3), "a tuple of strings, not ('body', 3)"),
    ],
)
def test_values_of_another_type_are_rejected(
    settings: type[BaseSettings], name: str, value: object, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{name: value})
    assert caught.value.message == f"{name} must be {expected}."


def test_the_command_names_options_where_python_names_arguments() -> None:
    with naming_options(), pytest.raises(SettingsError, match=r"^--num-beams 0 is out of range\."):
        Settings(num_beams=0)
    with pytest.raises(SettingsError, match=r"^num_beams=0 is out of range\."):
        Settings(num_beams=0)


def test_multi_byte_encodings_are_accepted() -> None:
    assert FileSettings(encoding=("utf-16-le", "shift_jis")).encoding == ("utf-16-le", "shift_jis")


def test_a_text_column_is_required() -> None:
    with pytest.raises(SettingsError, match=r"^text_column names no column"):
        FileSettings(text_column=())


def test_settings_are_frozen_and_a_copy_is_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().num_beams = 0  # type: ignore[misc]
    with pytest.raises(SettingsError):
        dataclasses.replace(Settings(), num_beams=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_workers": 2}, "num_workers needs runner='ray'"),
        ({"ray_address": "x:1"}, "ray_address needs runner='ray'"),
        ({"runner": "ray", "num_workers": 0}, "num_workers=0 is out of range"),
        ({"runner": "ray", "num_workers": 2, "workers": "1:2"}, "cannot be combined"),
        ({"runner": "ray", "workers": "2"}, "workers='2' is not of the form MIN:MAX"),
        ({"runner": "ray", "workers": "3:2"}, "workers='3:2' is not of the form MIN:MAX"),
        ({"runner": "ray", "workers": "0:2"}, "workers='0:2' is not of the form MIN:MAX"),
        ({"runner": "spark"}, "runner='spark' is not a valid choice. .*ray"),
    ],
)
def test_runner_settings_that_conflict_are_rejected(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        RunnerSettings(**values)


def test_bounds_of_the_number_of_workers() -> None:
    assert RunnerSettings(runner="ray").bounds is None
    assert RunnerSettings(runner="ray", num_workers=3).bounds == (3, 3)
    assert RunnerSettings(runner="ray", workers="2:8").bounds == (2, 8)


def test_options_lists_each_field_of_settings() -> None:
    hints = get_type_hints(Settings)
    assert get_type_hints(Options) == {spec.name: hints[spec.name] for spec in dataclasses.fields(Settings)}


def test_each_decoding_field_except_early_stopping_is_a_setting() -> None:
    decoding = {spec.name for spec in dataclasses.fields(Decoding)}
    assert decoding - {spec.name for spec in dataclasses.fields(Settings)} == {"early_stopping"}


def test_decoding_defaults_are_those_of_the_notebook() -> None:
    assert dataclasses.asdict(Decoding()) == {
        "num_beams": 4,
        "max_new_tokens": 255,
        "length_penalty": 1.5,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "do_sample": False,
        "top_k": 50,
        "top_p": 1.0,
        "temperature": 1.0,
        "num_return_sequences": 1,
        "seed": 42,
    }


def test_languages_are_those_with_sentence_parameters() -> None:
    assert set(get_args(Language)) == set(punkt.available_languages()) - {"english_web"}


@pytest.mark.parametrize(
    "settings", [Settings, FileSettings, CacheSettings, RunnerSettings, TrainingSettings]
)
def test_each_setting_has_a_group_and_a_help_text(settings: type[BaseSettings]) -> None:
    for spec in dataclasses.fields(settings):
        assert spec.metadata["group"]
        assert spec.metadata["help"].endswith((".", "]"))
