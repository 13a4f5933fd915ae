"""Finding a model and checking its files; no weights are loaded here."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qgbatch.errors import ModelError, SettingsError
from qgbatch.models.checkpoint import choose_decoding, find_model
from qgbatch.models.known_models import ModelMetadata
from qgbatch.models.tokenizer import load_tokenizer
from qgbatch.settings import Decoding, Settings

COMMIT = "0123456789" * 4
MakeCheckpoint = Callable[..., Path]


def fill(directory: Path, **json_files: Any) -> Path:
    """A checkpoint whose weights are a stand-in; JSON files are given by their stems."""
    files = {"config": {"model_type": "t5", "vocab_size": 8101}, **json_files}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.safetensors").write_bytes(b"weights")
    for stem, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (directory / f"{stem}.json").write_text(text, encoding="utf-8")
    return directory


@pytest.fixture
def checkpoint(tmp_path: Path) -> MakeCheckpoint:
    """Make a checkpoint in the directory ``model``."""

    def make(**json_files: Any) -> Path:
        return fill(tmp_path / "model", **json_files)

    return make


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local hub cache in place of the user's."""
    # HF_HUB_CACHE is read once, when huggingface_hub is imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_the_built_in_model_is_found_by_name() -> None:
    model = find_model("small")
    assert (model.name, model.directory.name) == ("small", "small")
    assert model.metadata.suffix == ""
    assert model.decoding.max_new_tokens == 127


def test_a_directory_without_metadata_gets_the_notebook_s_settings(checkpoint: MakeCheckpoint) -> None:
    directory = checkpoint()
    model = find_model(str(directory))
    assert (model.name, model.directory, model.vocab_size) == (str(directory), directory, 8101)
    assert model.metadata == ModelMetadata(
        prefix="generate questions: ", suffix=" </s>", separator="<sep>", max_source_tokens=512
    )
    assert model.decoding == Decoding()


@pytest.mark.parametrize(
    "weights",
    ["pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json"],
)
def test_weights_can_have_any_published_format(weights: str, checkpoint: MakeCheckpoint) -> None:
    directory = checkpoint()
    (directory / "model.safetensors").rename(directory / weights)
    if weights.endswith(".json"):
        (directory / weights).write_text(
            '{"weight_map": {"shared.weight": "model-00001-of-00001.safetensors"}}'
        )
    assert find_model(str(directory)).directory == directory


@pytest.mark.parametrize("name", ["./no-model", "/no/model", "a/b/c", "no model", "x" * 300])
def test_a_missing_directory_is_named_with_the_alternatives(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(name)
    assert name in caught.value.message
    assert "directory" in caught.value.hint


def test_a_directory_without_weights_is_refused_with_the_file_names(checkpoint: MakeCheckpoint) -> None:
    directory = checkpoint()
    (directory / "model.safetensors").unlink()
    with pytest.raises(
        ModelError, match=rf"no weights in {directory}\. .*model\.safetensors.*pytorch_model\.bin"
    ):
        find_model(str(directory))


def test_a_checkpoint_without_configuration_is_refused(checkpoint: MakeCheckpoint) -> None:
    directory = checkpoint()
    (directory / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json: cannot be read .*Get the checkpoint again"):
        find_model(str(directory))


def test_another_type_of_model_is_refused_with_the_supported_types(checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ModelError, match=r"'bert'.* t5, mt5"):
        find_model(str(checkpoint(config={"model_type": "bert", "vocab_size": 8101})))
    assert find_model(str(checkpoint(config={"model_type": "mt5", "vocab_size": 9}))).vocab_size == 9


@pytest.mark.parametrize("stem", ["config", "qgbatch", "generation_config"])
@pytest.mark.parametrize("content", ["{", "[]", "null", "\x00", "[" * 100_000], ids=lambda text: text[:4])
def test_a_broken_json_file_is_named(stem: str, content: str, checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ModelError, match=rf"{stem}\.json: .*checkpoint again"):
        find_model(str(checkpoint(**{stem: content})))


@pytest.mark.parametrize("config", [{}, {"vocab_size": "many"}, {"vocab_size": None}])
def test_a_configuration_must_have_a_vocabulary_size(
    config: dict[str, object], checkpoint: MakeCheckpoint
) -> None:
    with pytest.raises(ModelError, match=r"config\.json: no vocab_size"):
        find_model(str(checkpoint(config={"model_type": "t5", **config})))


def test_metadata_replaces_the_given_defaults(checkpoint: MakeCheckpoint) -> None:
    metadata = find_model(str(checkpoint(qgbatch={"prefix": "ask: ", "target_tokens": 64}))).metadata
    assert metadata == ModelMetadata(prefix="ask: ", target_tokens=64)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prefix", 1),
        ("prefix", None),
        ("prefix", "\ud800"),
        ("suffix", ["</s>"]),
        ("separator", ""),
        ("max_source_tokens", "512"),
        ("max_source_tokens", None),
        ("max_source_tokens", 0),
        ("max_source_tokens", 10**12),
        ("max_source_tokens", math.nan),
        ("max_source_tokens", True),
        ("target_tokens", 64.0),
        ("target_tokens", -1),
        ("target_tokens", math.inf),
        ("license", 3),
    ],
)
def test_a_bad_value_in_the_metadata_is_named(key: str, value: object, checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(str(checkpoint(qgbatch={key: value})))
    assert f"qgbatch.json: {key} is {value!r}" in caught.value.message


def test_the_last_of_two_equal_keys_is_used(checkpoint: MakeCheckpoint) -> None:
    model = find_model(str(checkpoint(qgbatch='{"prefix": 1, "prefix": "ask: "}')))
    assert model.metadata.prefix == "ask: "


def test_an_unknown_metadata_key_is_named_with_the_known_keys(checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ModelError, match=r"qgbatch\.json: unknown key 'max_tokens'.* max_source_tokens"):
        find_model(str(checkpoint(qgbatch={"max_tokens": 512})))


@pytest.mark.parametrize(
    ("given", "decoding"),
    [
        ({}, Decoding()),
        ({"max_length": 64}, Decoding(max_new_tokens=63)),
        ({"max_length": 64, "max_new_tokens": 9}, Decoding(max_new_tokens=9)),
        ({"max_length": 64, "max_new_tokens": None}, Decoding(max_new_tokens=63)),
        ({"num_beams": 1, "length_penalty": 2}, Decoding(num_beams=1, length_penalty=2.0)),
        ({"num_beams": None, "no_repeat_ngram_size": 0}, Decoding(no_repeat_ngram_size=0)),
        ({"early_stopping": False}, Decoding(early_stopping=False)),
        ({"early_stopping": "never"}, Decoding(early_stopping=False)),
        ({"top_k": 50, "transformers_version": "5.0.0"}, Decoding()),
    ],
)
def test_the_model_s_decoding_precedes_the_notebook_s(
    given: dict[str, object], decoding: Decoding, checkpoint: MakeCheckpoint
) -> None:
    assert find_model(str(checkpoint(generation_config=given))).decoding == decoding


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_beams", "4"),
        ("num_beams", 4.0),
        ("num_beams", True),
        ("length_penalty", "high"),
        ("early_stopping", 1),
        ("max_new_tokens", 10**30),
        ("no_repeat_ngram_size", 10**30),
    ],
)
def test_a_bad_value_in_the_decoding_is_named(key: str, value: object, checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ModelError, match=rf"generation_config\.json: {key} is {value!r}"):
        find_model(str(checkpoint(generation_config={key: value})))


@pytest.mark.parametrize(
    ("key", "value", "option"),
    [
        ("num_beams", 0, "num_beams=0"),
        ("num_beams", 100, "num_beams=100"),
        ("no_repeat_ngram_size", -1, "no_repeat_ngram_size=-1"),
        ("length_penalty", 400, "length_penalty=400"),
        ("max_length", -5, "max_new_tokens=-6"),
    ],
)
def test_decoding_settings_have_the_ranges_of_the_options(
    key: str, value: float, option: str, checkpoint: MakeCheckpoint
) -> None:
    with pytest.raises(ModelError, match=rf"generation_config\.json: {option} is out of range"):
        find_model(str(checkpoint(generation_config={key: value})))


def test_a_setting_precedes_the_model_s_decoding(checkpoint: MakeCheckpoint) -> None:
    given = {"num_beams": 2, "max_length": 64, "no_repeat_ngram_size": 5, "early_stopping": False}
    model = find_model(str(checkpoint(generation_config=given)))
    decoding = choose_decoding(Settings(num_beams=8, no_repeat_ngram_size=0), model)
    assert decoding == Decoding(
        num_beams=8, max_new_tokens=63, length_penalty=1.5, no_repeat_ngram_size=0, early_stopping=False
    )


def test_fewer_beams_than_the_model_s_outputs_give_fewer_outputs(checkpoint: MakeCheckpoint) -> None:
    model = find_model(str(checkpoint(generation_config={"num_beams": 4, "num_return_sequences": 4})))
    assert choose_decoding(Settings(), model).num_return_sequences == 4
    assert choose_decoding(Settings(num_beams=2), model).num_return_sequences == 2
    with pytest.raises(SettingsError, match="num_return_sequences=3: a search with 2 beams"):
        choose_decoding(Settings(num_beams=2, num_return_sequences=3), model)


def test_the_fingerprint_covers_configuration_and_weights(checkpoint: MakeCheckpoint) -> None:
    directory = checkpoint()
    before = find_model(str(directory)).sha256
    (directory / "README.md").write_text("A model.")
    assert find_model(str(directory)).sha256 == before
    (directory / "model.safetensors").write_bytes(b"other weights")
    after = find_model(str(directory)).sha256
    checkpoint(config={"model_type": "t5", "vocab_size": 8101, "num_layers": 2})
    assert len({before, after, find_model(str(directory)).sha256}) == 3


@pytest.mark.parametrize("revision", [None, COMMIT, "v1"])
def test_a_hub_id_in_the_local_cache_is_found_offline(revision: str | None, hub_cache: Path) -> None:
    repository = hub_cache / "models--ann--asker"
    snapshot = fill(repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    for ref in ["main", "v1"]:
        (repository / "refs" / ref).write_text(COMMIT)
    model = find_model("ann/asker", revision)
    assert (model.name, model.revision, model.directory) == ("ann/asker", revision, snapshot)


def test_a_hub_id_that_cannot_be_found_is_named_with_two_remedies(hub_cache: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_model("ann/asker")
    assert "ann/asker: not a directory, not in the local hub cache" in caught.value.message
    assert "hf download ann/asker" in caught.value.hint
    assert "directory" in caught.value.hint


def test_a_cached_model_of_another_revision_is_not_used(hub_cache: Path) -> None:
    repository = hub_cache / "models--ann--asker"
    fill(repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    with pytest.raises(ModelError, match="ann/asker"):
        find_model("ann/asker", "v2")


def test_an_invalid_hub_id_is_refused(hub_cache: Path) -> None:
    with pytest.raises(ModelError, match=r"ann--asker: .*Check the id"):
        find_model("ann--asker")


def test_a_missing_tokenizer_is_an_error_that_names_the_option(
    checkpoint: MakeCheckpoint, hub_cache: Path
) -> None:
    directory = checkpoint()
    with pytest.raises(ModelError) as caught:
        load_tokenizer(find_model(str(directory)))
    assert f"No tokenizer for {directory}" in caught.value.message
    assert "t5-base" in caught.value.message
    assert "tokenizer" in caught.value.hint


def test_a_tokenizer_larger_than_the_embedding_is_refused(
    checkpoint: MakeCheckpoint, bare_tokenizer: Path
) -> None:
    directory = checkpoint(config={"model_type": "t5", "vocab_size": 8100})
    with pytest.raises(ModelError, match=r"8101 tokens \(with <sep>\).* 8100 rows.* with tokenizer"):
        load_tokenizer(find_model(str(directory)), str(bare_tokenizer))


def test_a_damaged_tokenizer_is_named(checkpoint: MakeCheckpoint, bare_tokenizer: Path) -> None:
    directory = checkpoint()
    shutil.copy(bare_tokenizer / "tokenizer_config.json", directory)
    (directory / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(ModelError, match=f"{directory}: the tokenizer cannot be loaded"):
        load_tokenizer(find_model(str(directory)))
