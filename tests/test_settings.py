"""Settings check themselves, and say which option is wrong."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, get_args, get_type_hints

import punkt
import pytest

from qgbatch.errors import SettingsError
from qgbatch.settings import Decoding, FileSettings, Language, Options, RunnerSettings, Settings


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
def test_a_value_out_of_range_is_refused_with_its_option(name: str, value: float) -> None:
    values: dict[str, Any] = {name: value}
    option = "--" + name.replace("_", "-")
    with pytest.raises(SettingsError, match=rf"^{option} {value}: out of range\. Give "):
        Settings(**values)


@pytest.mark.parametrize("name", ["near_threshold", "length_penalty"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused_with_its_option(name: str, value: float) -> None:
    values: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=rf"^--{name.replace('_', '-')} {value}: "):
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
def test_the_ends_of_a_range_belong_to_it(name: str, value: float) -> None:
    values: dict[str, Any] = {name: value}
    assert getattr(Settings(**values), name) == value


def test_the_advice_names_both_ends_of_a_range_or_the_only_one() -> None:
    with pytest.raises(SettingsError, match="from 1 to 64"):
        Settings(num_beams=0)
    with pytest.raises(SettingsError, match="1 or more"):
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
def test_an_unknown_choice_is_refused_with_the_known_ones(name: str, value: str, one_choice: str) -> None:
    values: dict[str, Any] = {name: value}
    option = "--" + name.replace("_", "-")
    with pytest.raises(SettingsError, match=rf"^{option} {value}: .*{one_choice}"):
        Settings(**values)


def test_an_unknown_format_is_refused_also_where_none_may_be_given() -> None:
    values: dict[str, Any] = {"format": "xlsx"}
    with pytest.raises(SettingsError, match=r"^--format xlsx: .*parquet"):
        FileSettings(**values)
    assert FileSettings(format=None).format is None


@pytest.mark.parametrize("encoding", ["cp9999", "base64", ""])
def test_what_is_no_text_encoding_is_refused_before_a_file_is_read(encoding: str) -> None:
    with pytest.raises(SettingsError, match=rf"^--encoding {encoding}: "):
        FileSettings(encoding=("cp1252", encoding))


def test_encodings_of_several_bytes_a_character_are_known() -> None:
    assert FileSettings(encoding=("utf-16-le", "shift_jis")).encoding == ("utf-16-le", "shift_jis")


def test_settings_cannot_be_changed_unchecked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().num_beams = 0  # type: ignore[misc]
    with pytest.raises(SettingsError):
        dataclasses.replace(Settings(), num_beams=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_workers": 2}, "--num-workers: only goes with --runner ray"),
        ({"ray_address": "x:1"}, "--ray-address: only goes with --runner ray"),
        ({"runner": "ray", "num_workers": 0}, "--num-workers 0: out of range"),
        ({"runner": "ray", "num_workers": 2, "workers": "1:2"}, "exclude each other"),
        ({"runner": "ray", "workers": "2"}, "--workers 2: not MIN:MAX"),
        ({"runner": "ray", "workers": "3:2"}, "--workers 3:2: not MIN:MAX"),
        ({"runner": "ray", "workers": "0:2"}, "--workers 0:2: not MIN:MAX"),
        ({"runner": "spark"}, "--runner spark: .*ray"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        RunnerSettings(**values)


def test_the_size_of_a_pool() -> None:
    assert RunnerSettings(runner="ray").bounds is None
    assert RunnerSettings(runner="ray", num_workers=3).bounds == (3, 3)
    assert RunnerSettings(runner="ray", workers="2:8").bounds == (2, 8)


def test_options_are_the_fields_of_settings() -> None:
    hints = get_type_hints(Settings)
    assert get_type_hints(Options) == {spec.name: hints[spec.name] for spec in dataclasses.fields(Settings)}


def test_all_decoding_but_early_stopping_can_be_set() -> None:
    decoding = {spec.name for spec in dataclasses.fields(Decoding)}
    assert decoding - {spec.name for spec in dataclasses.fields(Settings)} == {"early_stopping"}


def test_the_decoding_of_the_notebook_is_the_default() -> None:
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


def test_the_languages_are_those_that_sentence_parameters_ship_for() -> None:
    assert set(get_args(Language)) == set(punkt.available_languages()) - {"english_web"}


@pytest.mark.parametrize("settings", [Settings, FileSettings])
def test_every_setting_has_a_group_and_a_help_text(settings: type[Settings | FileSettings]) -> None:
    for spec in dataclasses.fields(settings):
        assert spec.metadata["group"]
        assert spec.metadata["help"].endswith((".", "]"))
